"""The race: generations of fresh processes, in which all entrants take turns on every problem.

A generation starts every worker anew.  On each problem every entrant compiles and is called once,
agreement is judged (in the first generation), and then rounds are run: every entrant takes one turn,
in an order that is shuffled for the round there and reversed for the round back.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from bench.console.escape import escaped
from bench.devices import cpu
from bench.problem import Problem
from bench.race import machine_limits, sanity_checks
from bench.race.prepare import Preparation
from bench.race.rounds import Rounds
from bench.records.host import WeatherStation, gpu_reading
from bench.records.schema import Cell, Entrant, Outcome, Race, Record
from bench.workers.pool import Workers
from bench.workers.process import Failed


@dataclass
class Runner:
    """Runs what `record.settings` asks for; the record grows, and `save` is called after every race."""

    record: Record
    problems: list[Problem]
    cache: Path
    """Where torch and JAX keep what they compiled: empty at first, so the first generation finds it cold."""
    deadline: float
    """Seconds that an entrant may take over one cell in one generation."""
    say: Callable[[str], None]
    save: Callable[[], None] = lambda: None
    end_if_asked: Callable[[], None] = lambda: None
    """Called after every race that is saved; raises Interrupted to end the run there."""
    conformance: bool = False
    """Whether every promise of the protocol is tried, too."""

    def __post_init__(self) -> None:
        self.workers = Workers(self.record, self.cache, self.deadline)
        self.preparation = Preparation(self.workers, self.conformance)

    def run(self) -> None:
        """Every race that is not in the record yet; without generations, agreement alone."""
        # Of the references here; on two cores two threads were seen to be five times slower than one.
        with threadpool_limits(max(1, len(self.workers.all_cores) // 4)), _harness_on(self.workers.cores.harness):
            for generation in range(max(1, self.record.settings.generations)):
                for dtype in self.record.settings.dtypes:
                    done = {r.problem for r in self.record.races if (r.generation, r.dtype) == (generation, dtype)}
                    left = [p for p in self.problems if p.dtype == dtype and p.name not in done]
                    if left:
                        self._generation(generation, left)
        self._judge_steadiness()

    def _generation(self, generation: int, problems: list[Problem]) -> None:
        self.workers.begin(generation)
        try:
            for problem in problems:
                station = WeatherStation()
                self.say(
                    f"generation {generation + 1} of {max(1, self.record.settings.generations)}: {escaped(problem.name)}, {problem.dtype}"
                )
                earlier = self._earlier(problem)
                racing = self.preparation.ready(generation, problem, first=earlier is None)
                if self.record.settings.generations:
                    Rounds(self.workers, self.preparation.reference(problem)).run(generation, racing, earlier)
                    if self.record.host.gpu:
                        self.record.host.gpu.readings.append(gpu_reading())  # while it is still warm
                    if problem is problems[-1]:
                        # Before the race is saved: a run that is killed must not be complete without its limits.
                        machine_limits.measure(self.workers, problems[0])
                        self._refuse_impossible()
                self.record.host_states.append(station.report(generation))
                self.save()
                self.end_if_asked()
        finally:
            self.workers.end()

    def _refuse_impossible(self) -> None:
        for entrant, cell in self._good_cells():
            if reason := sanity_checks.too_fast(self.record, entrant, cell):
                self.workers.fail(entrant, cell, Failed("failed", reason))

    def _judge_steadiness(self) -> None:
        """The samples are kept, so that a reader can see what was unsteady."""
        for _, cell in self._good_cells():
            if self.record.settings.generations and cell.cores_used and not cell.samples:
                most = f"{max(cell.cores_used):.2g} of a core at the most"
                cell.outcome = Outcome("starved", f"it got {most}; the warnings of this run say what took it")
            if reason := sanity_checks.unsteady(cell):
                cell.outcome = Outcome(status="unsteady", reason=reason)

    def _good_cells(self) -> list[tuple[Entrant, Cell]]:
        cells = [(self.record.entrant(c.entrant, c.dtype), c) for c in self.record.cells]
        return [(entrant, cell) for entrant, cell in cells if cell.outcome.status == "ok"]

    def _earlier(self, problem: Problem) -> Race | None:
        return next((r for r in self.record.races if (r.problem, r.dtype) == (problem.name, problem.dtype)), None)


@contextmanager
def _harness_on(cores: list[int]) -> Iterator[None]:
    """Keep every thread of this process on `cores`, off the one that is raced on; anywhere without any."""
    before = os.sched_getaffinity(0)
    cpu.pin_all_threads(cores)
    try:
        yield
    finally:
        cpu.pin_all_threads(before if cores else ())
