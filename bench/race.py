"""The race: generations of fresh processes, in which all entrants take turns on every problem.

A generation starts every worker anew.  On each problem every entrant compiles and is called once,
agreement is judged (in the first generation), and then rounds are run: every entrant takes one turn,
in an order that is shuffled for the round there and reversed for the round back.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from bench import clock, limits, messages, plausible
from bench.agree import Reference, gates
from bench.agree.evidence import Evidence
from bench.lab import lab_report
from bench.machine import WeatherStation
from bench.problem import Interrupted, Problem
from bench.process import THREADS, Failed, Process, usable_cores
from bench.record import OPERATIONS, Cell, Entrant, FirstCall, Operation, Outcome, Race, Record, Samples

SHORTEST_SAMPLE = 1e-3
"""Seconds; shorter calls are batched into one sample."""

MOST_CALLS = 1000

T = TypeVar("T")


@dataclass
class Runner:
    """Runs what `record.settings` asks for; the record grows, and `save` is called after every race."""

    record: Record
    problems: list[Problem]
    cache: Path
    """Where torch keeps what it compiled: empty at first, so the first generation finds it cold."""
    deadline: float
    """Seconds that an entrant may take over one cell in one generation."""
    save: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda line: None
    interrupted: Callable[[], bool] = lambda: False
    """Asked after every race; True ends the run there, with Interrupted."""
    workers: dict[tuple[str, str], Process] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    compiled: set[tuple[str, str]] = field(default_factory=set)
    """What this run compiled before, by entrant and problem."""

    def run(self) -> None:
        """Every race that is not in the record yet; without generations, agreement alone."""
        cores = usable_cores()
        if not cores:
            self.record.warnings.append("workers could not be pinned to a core, so timings are noisier")
        self.cores: list[int | None] = list(cores) or [None]
        # The references here need no second thread: two of them were seen to be five times slower than one.
        with threadpool_limits(1):
            for generation in range(max(1, self.record.settings.generations)):
                for dtype in self.record.settings.dtypes:
                    done = {r.problem for r in self.record.races if (r.generation, r.dtype) == (generation, dtype)}
                    left = [p for p in self.problems if p.dtype == dtype and p.name not in done]
                    if left:
                        self._generation(generation, left)
        self._judge_steadiness()
        self.record.status = "complete"
        self.save()

    def _generation(self, generation: int, problems: list[Problem]) -> None:
        try:
            for problem in problems:
                station = WeatherStation()
                self.say(
                    f"generation {generation + 1} of {max(1, self.record.settings.generations)}: {problem.name}, {problem.dtype}"
                )
                racing = self._prepare_all(generation, problem)
                if self.record.settings.generations:
                    self._race(generation, problem, racing)
                    if problem is problems[-1]:
                        # Before the race is saved: a run that is killed must not be complete without its limits.
                        self._measure_limits(problems[0])
                        self._refuse_impossible()
                self.record.weather.append(station.report(generation))
                self.save()
                self._stop_if_interrupted()
        finally:
            for worker in self.workers.values():
                worker.end()
            self.workers.clear()

    def _stop_if_interrupted(self) -> None:
        if self.interrupted():
            self.record.status = "interrupted"
            self.save()
            raise Interrupted

    # Getting ready: every core prepares one entrant at a time.

    def _prepare_all(self, generation: int, problem: Problem) -> list[Entrant]:
        """The entrants that are ready to take turns."""
        reference = self.references.setdefault(problem.name + problem.dtype, Reference(problem))
        first = self._earlier(problem) is None
        entering = [e for e in self.record.entrants if e.dtype == problem.dtype and self._may_enter(e, problem)]
        for entrant in entering:
            self._start(entrant)

        def prepare(entrant: Entrant) -> Evidence | Literal[True]:
            self._load(entrant)
            self._compile(entrant, problem, generation)
            return (
                self._ask(entrant, messages.Testify(reference.end, reference.decoy, reference.others))
                if first
                else True
            )

        evidence = self._each(entering, problem, prepare)
        if first:
            self._keep_facts(reference)
        for entrant, given in evidence:
            if given is not True:
                self._judge(entrant, reference, given)
        return [entrant for entrant, _ in evidence if self._cell(entrant, problem).outcome.word == "ok"]

    def _may_enter(self, entrant: Entrant, problem: Problem) -> bool:
        """Not when the entrant cannot run at all, nor when this cell or a smaller one of its kind has failed."""
        cell = self._cell(entrant, problem)
        if entrant.outcome.word not in ("pending", "ok"):
            cell.outcome = entrant.outcome
        elif cell.outcome.word == "pending":
            cell.outcome = plausible.too_much(self.record, entrant, problem)
        return cell.outcome.word in ("pending", "ok")

    def _start(self, entrant: Entrant) -> None:
        if not self._is_up(entrant):
            core = self.cores[len(self.workers) % len(self.cores)]
            self.workers[_key(entrant)] = Process(entrant, core, self.cache)

    def _load(self, entrant: Entrant) -> None:
        worker = self.workers[_key(entrant)]
        if worker.loaded is not None:
            return
        try:
            loaded = worker.ask(messages.Load(entrant.backend, entrant.device, entrant.dtype), self.deadline)
        except Failed as failed:
            entrant.outcome, entrant.last_output = failed.outcome, failed.output
            raise
        worker.loaded = loaded
        entrant.outcome = Outcome(word="ok")
        entrant.import_seconds.append(loaded.import_seconds)
        entrant.dispatch, entrant.versions, entrant.threads, entrant.core = (
            loaded.dispatch,
            loaded.versions,
            THREADS,
            self.cores[-1],
        )

    def _compile(self, entrant: Entrant, problem: Problem, generation: int) -> None:
        worker, known = self.workers[_key(entrant)], (entrant.label, problem.digest)
        request = messages.Prepare(problem, self._operations(entrant), worker.core)
        prepared = worker.ask(request, self.deadline)
        cache: Literal["cold", "warm"] = "warm" if known in self.compiled else "cold"
        self.compiled.add(known)
        self._cell(entrant, problem).first_calls += [
            FirstCall(generation=generation, operation=operation, seconds=seconds, cache=cache)
            for operation, seconds in prepared.first_call_seconds.items()
        ]

    def _keep_facts(self, reference: Reference) -> None:
        facts = self.record.facts(reference.problem.name, reference.problem.dtype)
        facts.oracle = reference.oracle
        facts.reference = gates.runs(reference, reference.trained)[0].quality | {
            "last_loss": float(reference.truth.losses[-1])
        }

    def _judge(self, entrant: Entrant, reference: Reference, evidence: Evidence) -> None:
        cell, loaded = self._cell(entrant, reference.problem), self.workers[_key(entrant)].loaded
        cell.gates = gates.judge(reference, evidence, loaded.rounds_like if loaded else "numpy")
        cell.outcome = gates.outcome(cell.gates)
        if cell.outcome.word == "ok":
            cell.runs, cell.losses = (
                gates.runs(reference, gates.all_trained(evidence)),
                [float(x) for x in evidence.losses],
            )
            if reference.problem.name == "factorisation/iris" and (
                self.record.lab is None or entrant.backend == "torch-eager"
            ):
                self.record.lab = lab_report(entrant.backend, reference, evidence)

    # Racing: one core, one entrant at a time.

    def _race(self, generation: int, problem: Problem, racing: list[Entrant]) -> None:
        core, seed = self.cores[-1], _seed(self.record.settings.seed, generation, problem.name)
        racing = [e for e, _ in self._each(racing, problem, lambda e: self._ask(e, messages.Move(core)))]
        race = self._plan(generation, problem, racing, seed)
        for operation in self.record.settings.operations:
            self._rounds(race, problem, operation, self._able(racing, operation))
        for entrant, tally in self._each(racing, problem, lambda e: self._ask(e, messages.Tally())):
            self._close(entrant, problem, tally)
        if generation == 0:
            self._weigh(racing, problem)
        self.record.races.append(race)

    def _plan(self, generation: int, problem: Problem, racing: list[Entrant], seed: int) -> Race:
        """Calls and rounds: by a pilot in the first generation, the same in all others."""
        earlier = self._earlier(problem)
        if earlier is not None:
            return Race(generation, problem.name, problem.dtype, seed, earlier.rounds, earlier.calls)
        plan = Race(generation, problem.name, problem.dtype, seed, {}, self._calls(problem, racing))
        settings = self.record.settings
        for operation in settings.operations:
            able = self._able(racing, operation)
            # What a round really takes: the two calls, and all that goes on around them; the first has start-up costs.
            rehearse = partial(self._rehearse, plan, problem, operation, able)
            round_seconds = min(clock.seconds(partial(rehearse, seed))[0] for seed in range(2))
            pairs = round(settings.seconds_per_race / max(round_seconds, 1e-9) / 2)
            plan.rounds[operation] = 2 * min(max(1, pairs), settings.most_rounds // 2)
        return plan

    def _calls(self, problem: Problem, racing: list[Entrant]) -> dict[str, dict[str, int]]:
        """By operation and entrant: the calls that make a sample of SHORTEST_SAMPLE."""
        piloted = self._each(racing, problem, lambda e: self._ask(e, messages.Pilot(self._operations(e))))
        calls: dict[str, dict[str, int]] = {operation: {} for operation in self.record.settings.operations}
        for entrant, found in piloted:
            for operation, seconds in found.call_seconds.items():
                calls[operation][entrant.label] = min(MOST_CALLS, math.ceil(SHORTEST_SAMPLE / seconds))
        return calls

    def _rehearse(self, plan: Race, problem: Problem, operation: Operation, racing: list[Entrant], seed: int) -> None:
        """One round whose samples nobody keeps."""
        for entrant in racing:
            self._take_turn(plan, problem, operation, entrant, seed)

    def _rounds(self, race: Race, problem: Problem, operation: Operation, racing: list[Entrant]) -> None:
        rng = np.random.default_rng([race.seed, OPERATIONS.index(operation)])
        taken: dict[str, list[int]] = {e.label: [] for e in racing}
        for _ in range(race.rounds.get(operation, 0) // 2):
            order = [racing[i] for i in rng.permutation(len(racing))]
            for entrant in order + order[::-1]:
                turned = self._take_turn(race, problem, operation, entrant, int(rng.integers(2**62)))
                if turned is not None:
                    taken[entrant.label].append(turned.nanoseconds)
        for entrant in racing:
            cell = self._cell(entrant, problem)
            if cell.outcome.word == "ok" and (nanoseconds := taken[entrant.label]):
                calls = race.calls[operation].get(entrant.label, 1)
                cell.samples.append(
                    Samples(generation=race.generation, operation=operation, calls=calls, nanoseconds=nanoseconds)
                )

    def _take_turn(
        self, race: Race, problem: Problem, operation: Operation, entrant: Entrant, seed: int
    ) -> messages.Turned | None:
        turn = messages.Turn(operation, race.calls[operation].get(entrant.label, 1), seed)
        return self._attempt(entrant, problem, partial(self._turn, problem=problem, turn=turn))

    def _is_up(self, entrant: Entrant) -> bool:
        """Not where it crashed, nor where all its cells failed in an earlier generation."""
        worker = self.workers.get(_key(entrant))
        return worker is not None and worker.alive

    def _able(self, racing: list[Entrant], operation: Operation) -> list[Entrant]:
        return [e for e in racing if operation in self._operations(e)]

    def _turn(self, entrant: Entrant, problem: Problem, turn: messages.Turn) -> messages.Turned:
        turned = self._ask(entrant, turn)
        reference = self.references[problem.name + problem.dtype]
        if not gates.timed_call_agrees(reference, turn.operation, turned.loss, turned.norm):
            loss, norm = reference.timed[turn.operation]
            ended = f"ended on loss {turned.loss:.8g} and norm {turned.norm:.8g} instead of {loss:.8g} and {norm:.8g}"
            raise Failed("disagrees", f"a timed call of {turn.operation} {ended}")
        return turned

    def _close(self, entrant: Entrant, problem: Problem, tally: messages.Tallied) -> None:
        """What the process did while it raced; samples taken by breaking a rule are thrown away."""
        cell = self._cell(entrant, problem)
        cell.cores_used.append(tally.cores_used)
        cell.compilations += tally.compilations
        entrant.busy_threads.append(tally.busy_threads)
        entrant.idle_cpu_share.append(tally.idle_cpu_share)
        if tally.cores_used > THREADS + 0.1:
            self._fail(
                entrant,
                cell,
                Failed("failed", f"used {tally.cores_used:.2f} cores during its turns, where {THREADS} was allowed"),
            )
        elif tally.compilations:
            self._fail(
                entrant,
                cell,
                Failed(
                    "failed",
                    f"compiled {tally.compilations} programs inside timed turns; a timed call must not compile",
                ),
            )

    def _weigh(self, racing: list[Entrant], problem: Problem) -> None:
        for entrant, weighed in self._each(racing, problem, lambda e: self._ask(e, messages.Weigh())):
            cell = self._cell(entrant, problem)
            cell.peak_bytes += [weighed.peak_bytes] if weighed.peak_bytes is not None else []
            cell.device_peak_bytes += [weighed.device_peak_bytes] if weighed.device_peak_bytes is not None else []
            if entrant.device == "cuda" and not weighed.device_peak_bytes:
                self._fail(entrant, cell, Failed("failed", plausible.UNUSED_GPU))

    def _refuse_impossible(self) -> None:
        for entrant, cell in self._good_cells():
            if reason := plausible.too_fast(self.record, entrant, cell):
                self._fail(entrant, cell, Failed("failed", reason))

    def _judge_steadiness(self) -> None:
        """The samples are kept, so that a reader can see what was unsteady."""
        for _, cell in self._good_cells():
            if reason := plausible.unsteady(cell):
                cell.outcome = Outcome(word="unsteady", reason=reason)

    def _good_cells(self) -> list[tuple[Entrant, Cell]]:
        cells = [(self.record.entrant(c.entrant, c.dtype), c) for c in self.record.cells]
        return [(entrant, cell) for entrant, cell in cells if cell.outcome.word == "ok"]

    def _measure_limits(self, problem: Problem) -> None:
        """By one live entrant of every library, on the core raced on."""
        alive = [
            e for e in self.record.entrants if e.dtype == problem.dtype and e.outcome.word == "ok" and not e.control
        ]
        probing = [e for e in alive if self._is_up(e) and self._cell(e, problem).outcome.word == "ok"]

        def probe(entrant: Entrant, request: messages.Probe) -> messages.Probed | None:
            self._attempt(entrant, problem, lambda e: self._ask(e, messages.Move(self.cores[-1])))
            return self._attempt(entrant, problem, lambda e: self._ask(e, request))

        limits.measure(self.record, problem.dtype, probing, probe)

    # What both need.

    def _each(self, entrants: list[Entrant], problem: Problem, work: Callable[[Entrant], T]) -> list[tuple[Entrant, T]]:
        """`work` on every entrant, one at a time on each core; who fails loses this cell and is left out."""
        cores = {self.workers[_key(e)].core for e in entrants}
        groups = [[e for e in entrants if self.workers[_key(e)].core == core] for core in cores]

        def one_core(group: list[Entrant]) -> list[tuple[Entrant, T | None]]:
            return [(e, self._attempt(e, problem, work)) for e in group]

        with ThreadPoolExecutor(max(1, len(groups))) as pool:
            try:
                answers = {_key(e): answer for group in pool.map(one_core, groups) for e, answer in group}
            except KeyboardInterrupt:
                # The pool would wait for answers that may take minutes; none comes from a dead worker.
                for worker in self.workers.values():
                    worker.kill()
                raise
        return [(e, answer) for e in entrants if (answer := answers[_key(e)]) is not None]

    def _attempt(self, entrant: Entrant, problem: Problem, work: Callable[[Entrant], T]) -> T | None:
        """What `work` returns; None, and a word in its cell, when the entrant has failed, now or before."""
        cell = self._cell(entrant, problem)
        if cell.outcome.word not in ("pending", "ok"):
            return None
        try:
            return work(entrant)
        except Failed as failed:
            self._fail(entrant, cell, failed)
            return None

    def _fail(self, entrant: Entrant, cell: Cell, failed: Failed) -> None:
        """The cell's word; what was measured before it failed is not a result."""
        cell.outcome = failed.outcome
        cell.samples.clear()
        entrant.last_output = failed.output or entrant.last_output

    def _ask(self, entrant: Entrant, request: messages.Request) -> Any:
        return self.workers[_key(entrant)].ask(request, self.deadline)

    def _operations(self, entrant: Entrant) -> list[Operation]:
        """A mode that dispatches the whole descent differs from its step mode in `train` alone."""
        loaded = self.workers[_key(entrant)].loaded
        whole = loaded is not None and loaded.dispatch == "descent"
        return [op for op in self.record.settings.operations or ["train"] if op == "train" or not whole]

    def _cell(self, entrant: Entrant, problem: Problem) -> Cell:
        return self.record.cell(entrant.label, problem.name, problem.dtype)

    def _earlier(self, problem: Problem) -> Race | None:
        return next((r for r in self.record.races if (r.problem, r.dtype) == (problem.name, problem.dtype)), None)


def _key(entrant: Entrant) -> tuple[str, str]:
    return entrant.label, entrant.dtype


def _seed(seed: int, generation: int, problem: str) -> int:
    return int(np.random.SeedSequence([seed, generation, *problem.encode()]).generate_state(1)[0])
