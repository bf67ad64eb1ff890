"""THE PIPELINE: from what a person selected to a finished record.  Plan, prepare, check, race, measure limits, record.

Every stage returns what it found.  This module alone writes it into the record.
"""

import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from bench.agreement.reference import Reference
from bench.console import escaped
from bench.console.interrupts import Interrupted, Interrupts
from bench.devices import DEVICES
from bench.errors import UsageError
from bench.plan.entrants import enters
from bench.plan.new_record import new_record
from bench.plan.resume import unfinished
from bench.plan.selection import Selection
from bench.problem import Problem
from bench.race import machine_limits, refusals
from bench.race.check import Checked, check
from bench.race.prepare import Prepared, prepare
from bench.race.rounds import Raced, Rounds, fastest_so_far
from bench.records.host import Watch
from bench.records.schema import Cell, Entrant, Outcome, Record
from bench.records.store import save, sole_writer
from bench.workers import cores
from bench.workers.pool import Failures, Pool
from bench.workers.process import Failed
from bench.workloads.files import described


def run(
    selection: Selection,
    results: Path,
    say: Callable[[str], None],
    resume: Path | None = None,
    beside: Callable[[Record], str] = lambda record: "",
) -> Record:
    """Return the record of a race, which is kept in `results` as it grows, or where it lies when it is resumed.

    `say` is told how far the race is, and what `beside` says of the record.  UsageError where it cannot begin or be
    kept; Interrupted after Ctrl-C.
    """
    with sole_writer(resume.parent if resume else results), cores.reserved(cores.usable_cores()):
        _temporary()
        record, problems = unfinished(resume, selection) if resume else new_record(selection)
        path = resume or _unused(results, record)
        save(record, path)
        try:
            told, kept = lambda line: say(line + beside(record)), partial(save, record, path)
            with Pipeline.of(record, problems, selection, told, kept) as pipeline:
                pipeline.race()
                record.finished, record.status = datetime.now(UTC).isoformat(timespec="seconds"), "complete"
                save(record, path)
        except KeyboardInterrupt:
            done = f"interrupted; what was done is in {path}"
            again = f"pytest bench/ --benchmark-only --resume {shlex.quote(str(path))}"
            raise Interrupted(f"{done}; go on with {again}") from None
        say(f"record: {path}")
    return record


def agreement(selection: Selection, say: Callable[[str], None], promises: bool = False) -> Record:
    """Return a record of checked answers, and with `promises` of those of the protocol; nothing is timed or kept."""
    selection.generations = 0
    record, problems = new_record(selection)
    with Pipeline.of(record, problems, selection, say) as pipeline:
        pipeline.check_only(promises)
    return record


def unkept(selection: Selection, say: Callable[[str], None]) -> Record:
    """Return the record of a race that is not kept."""
    record, problems = new_record(selection)
    with cores.reserved(cores.usable_cores()), Pipeline.of(record, problems, selection, say) as pipeline:
        pipeline.race()
    return record


@dataclass
class Pipeline:
    """The stages of a run, and the record that they fill."""

    record: Record
    problems: list[Problem]
    pool: Pool
    say: Callable[[str], None]
    save: Callable[[], None]
    end_if_asked: Callable[[], None]  # called after every race that is saved
    _references: dict[tuple[str, str], Reference] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def of(
        cls,
        record: Record,
        problems: list[Problem],
        selection: Selection,
        say: Callable[[str], None],
        save: Callable[[], None] = lambda: None,
    ) -> "Iterator[Pipeline]":
        """Yield a pipeline, with this process off the core that is raced on and on few threads of its own.

        The first Ctrl-C ends it after the race at hand.
        """
        usable = cores.usable_cores()
        chosen = cores.choose(usable, max(selection.threads), selection.core)
        with (
            tempfile.TemporaryDirectory(prefix="race-", dir=_temporary()) as folder,
            cores.pinned(chosen.harness, all_threads=True),
            threadpool_limits(max(1, len(usable) // 4)),  # of NumPy, which computes the references
            Interrupts() as interrupts,
        ):
            pool = Pool(Path(folder), chosen, selection.deadline, record.settings.seed)
            yield cls(record, problems, pool, say, save, interrupts.end_if_asked)

    def race(self) -> None:
        """Race what the record's settings ask for and it does not hold yet."""
        for generation in range(self.record.settings.generations):
            for dtype in self.record.settings.dtypes:
                if left := self._left(generation, dtype):
                    with self.pool.generation(generation):
                        for problem in left:
                            self._race_one(generation, problem, last=problem is left[-1])
        self._judge_samples()

    def _race_one(self, generation: int, problem: Problem, last: bool) -> None:
        """Prepare, check, race and record one problem."""
        record, watch = self.record, Watch(self.pool.cores.racing)
        earlier = next((r for r in record.races if (r.problem, r.dtype) == (problem.name, problem.dtype)), None)
        ready = self._prepare(generation, problem)
        if earlier is None:  # answers are checked once a run, before the first race of the problem
            self._check(ready, problem)
        racing = [e for e in ready if self._cell(e.label, problem).outcome.status == "ok"]
        rounds = Rounds(self.pool, self._reference(problem), record.settings)
        self._add_raced(problem, rounds.race(generation, racing, earlier, fastest_so_far(record, problem)))
        if last:
            # Limits are measured once a run, before the race is saved: a run that is killed must not lack them.
            loaded = [e for e in record.entrants if e.outcome.status == "ok" and not e.control]
            mine = [e for e in loaded if e.dtype == problem.dtype]
            record.limits += machine_limits.measure(self.pool, mine, record.limits)
            self._refuse_impossible()
        record.host_states.append(watch.state(generation))
        self.save()
        self.end_if_asked()

    def check_only(self, promises: bool) -> None:
        """Prepare and check every problem, and time nothing."""
        for dtype in self.record.settings.dtypes:
            with self.pool.generation(0):
                for problem in self._left(0, dtype):
                    self._check(self._prepare(0, problem), problem, promises)
                    self.end_if_asked()

    def _prepare(self, generation: int, problem: Problem) -> list[Entrant]:
        record, asked = self.record, self.record.settings.operations[problem.name]
        of = f"{generation + 1} of {max(1, record.settings.generations)}"
        read = f" ({told})" if (told := described(problem.name)) else ""
        self.say(f"generation {of}: {escaped(problem.name + read)}, {problem.dtype}")
        entering = [e for e in record.entrants if e.dtype == problem.dtype and self._enters(e, problem)]
        prepared = prepare(self.pool, entering, problem, generation, asked, record.environment)
        self._add_prepared(problem, prepared)
        return [entrant for entrant, _ in prepared.compiled]

    def _check(self, ready: list[Entrant], problem: Problem, promises: bool = False) -> None:
        with cores.pinned(self.pool.cores.all, all_threads=True):  # nobody races now, and references take long
            checked = check(self.pool, ready, self._reference(problem), promises)
        self._add_checked(problem, checked)

    # What was found, into the record.

    def _add_prepared(self, problem: Problem, prepared: Prepared) -> None:
        for entrant, loaded in prepared.loaded:
            entrant.outcome, entrant.mode, entrant.versions = Outcome("ok"), loaded.mode, loaded.versions
            entrant.cores = self.pool.cores.of(entrant.resources.threads)
            entrant.import_seconds.append(loaded.import_seconds)
        for entrant, calls in prepared.compiled:
            self._cell(entrant.label, problem).first_calls += calls
        for label, failure in prepared.unusable.items():
            self.record.entrant(label, problem.dtype).outcome = failure.outcome
        self._add_failures(problem, prepared.failed)

    def _add_checked(self, problem: Problem, checked: Checked) -> None:
        facts = self.record.facts(problem.name, problem.dtype)
        facts.lower_bound, facts.reference = checked.lower_bound, checked.reference
        for label, checks in checked.checks.items():
            cell = self._cell(label, problem)
            cell.checks, cell.outcome = checks, checked.outcomes[label]
            cell.runs, cell.losses = checked.runs.get(label, []), checked.losses.get(label, [])
        self.record.lab = self.record.lab or checked.lab
        self._add_failures(problem, checked.failed)

    def _add_raced(self, problem: Problem, raced: Raced) -> None:
        for entrant, tally in raced.tallies:
            cell = self._cell(entrant.label, problem)
            cell.cores_used.append(tally.cores_used)
            cell.compilations += tally.compilations
            entrant.busy_threads.append(tally.busy_threads)
            entrant.idle_cpu_share.append(tally.idle_cpu_share)
        for label, samples in raced.samples.items():
            self._cell(label, problem).samples += samples
        for label, transferred in raced.transferred.items():
            for what in transferred.__struct_fields__:  # fields of a cell have the same names
                if (found := getattr(transferred, what)) is not None:
                    getattr(self._cell(label, problem), what).append(found)
        self._add_failures(problem, raced.failed)
        self.record.races.append(raced.race)
        if starved := raced.race.starved:
            left_out, *others = starved
            who = f"{escaped(left_out)}{f' and {len(others)} more' if others else ''} got too little of the racing core"
            self.say(f"left out on {escaped(problem.name)}: {who}; {raced.race.cause}")
        self.record.warnings += raced.warnings
        if gpu := self.record.host.gpu:
            there = [device for device in DEVICES.values() if device.describe()]
            gpu.readings += [dict(reading) for device in there if (reading := device.read())]  # while it is still warm

    def _add_failures(self, problem: Problem, failures: Failures) -> None:
        for label, failure in failures.items():
            self._fail(self._cell(label, problem), failure)

    def _fail(self, cell: Cell, failure: Failed) -> None:
        """Give the cell the failure's outcome; what was measured before it failed is no result.

        A backend may say that it cannot run here, but not after its checks were passed: then it has failed.
        """
        outcome, entrant = failure.outcome, self.record.entrant(cell.entrant, cell.dtype)
        if cell.outcome.status == "ok" and not outcome.failed:
            outcome = Outcome("failed", f"{outcome.status}, it said after every check was passed: {outcome.reason}")
        cell.outcome = outcome
        cell.samples.clear()
        entrant.last_output = failure.output or entrant.last_output

    def _refuse_impossible(self) -> None:
        for cell in self._good_cells():
            if reason := refusals.too_fast(self.record, cell):
                self._fail(cell, Failed("failed", reason))

    def _judge_samples(self) -> None:
        """Set the status of cells whose samples are none or no measurement; they are kept, so that a reader can see why."""
        for cell in self._good_cells():
            if cell.cores_used and not cell.samples:
                most = f"{max(cell.cores_used):.2g} of a core at the most"
                cell.outcome = Outcome("starved", f"it got {most}; the warnings of this run say what took it")
            elif reason := refusals.unsteady(cell):
                cell.outcome = Outcome("unsteady", reason)

    # What the record says.

    def _enters(self, entrant: Entrant, problem: Problem) -> bool:
        """Return whether the entrant races this problem; why not goes into its cell."""
        cell, outcome = self._cell(entrant.label, problem), enters(self.record, entrant, problem)
        may = outcome.status in ("pending", "ok")
        if not may and outcome != cell.outcome:
            cell.outcome = outcome
            cell.samples.clear()
        return may

    def _good_cells(self) -> list[Cell]:
        return [cell for cell in self.record.cells if cell.outcome.status == "ok"]

    def _cell(self, label: str, problem: Problem) -> Cell:
        return self.record.cell(label, problem.name, problem.dtype)

    def _left(self, generation: int, dtype: str) -> list[Problem]:
        done = {r.problem for r in self.record.races if (r.generation, r.dtype) == (generation, dtype)}
        return [p for p in self.problems if p.dtype == dtype and p.name not in done]

    def _reference(self, problem: Problem) -> Reference:
        return self._references.setdefault((problem.name, problem.dtype), Reference(problem))


def _temporary() -> str:
    """Return the folder for temporary files; UsageError for one that a compiler cannot use."""
    folder = tempfile.gettempdir()
    if any(c.isspace() or c in "'\"$" for c in folder):
        remedy = "set TMPDIR to one without spaces"
        raise UsageError(f"compilers cannot use the folder {folder!r} for temporary files; {remedy}")
    return folder


def _unused(results: Path, record: Record) -> Path:
    """Return where the record goes; two runs begun within one second get two names."""
    begun, number = record.id, 1
    while (path := results / f"{record.id}.json").exists():
        number += 1
        record.id = f"{begun}-{number}"
    return path
