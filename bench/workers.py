"""The workers of a generation, and the cells they fill: who fails loses its own cells and no other's."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from bench import messages
from bench.problem import Problem
from bench.process import Failed, Process, usable_cores
from bench.record import Cell, Entrant, Operation, Record

T = TypeVar("T")


class Workers:
    """One process for each entrant, started when it first enters."""

    def __init__(self, record: Record, cache: Path, deadline: float) -> None:
        """`cache`: where the entrants keep what they compiled, each in a folder of its own;
        `deadline`: seconds that an entrant may take over one cell."""
        self.record, self.cache, self.deadline = record, cache, deadline
        self.cores: list[int | None] = [*usable_cores()] or [None]
        self._processes: dict[tuple[str, str], Process] = {}
        self._caches: dict[tuple[str, str], Path] = {}

    @property
    def racing_core(self) -> int | None:
        """Where all take their turns."""
        return self.cores[-1]

    def start(self, entrant: Entrant) -> None:
        if not self.is_up(entrant):
            core = self.cores[len(self._processes) % len(self.cores)]
            self._processes[_key(entrant)] = Process(entrant, core, self._cache(entrant))

    def _cache(self, entrant: Entrant) -> Path:
        """Its own, or it would find what another has compiled, and cold would not be cold.

        On a GPU anew in each generation: a compiler chooses kernels there by timing them, and what it once
        drew would be the draw of all generations, and no part of their spread.
        """
        if keeps_its_cache(entrant):
            return self._caches.setdefault(_key(entrant), self.cache / str(len(self._caches)))
        return Path(tempfile.mkdtemp(dir=self.cache))

    def end(self) -> None:
        for process in self._processes.values():
            process.end()
        self._processes.clear()

    def of(self, entrant: Entrant) -> Process:
        return self._processes[_key(entrant)]

    def is_up(self, entrant: Entrant) -> bool:
        """Not where it crashed, nor where all its cells failed in an earlier generation."""
        worker = self._processes.get(_key(entrant))
        return worker is not None and worker.alive

    def ask(self, entrant: Entrant, request: messages.Request) -> Any:
        return self.of(entrant).ask(request, self.deadline)

    def each(self, entrants: list[Entrant], problem: Problem, work: Callable[[Entrant], T]) -> list[tuple[Entrant, T]]:
        """`work` on every entrant, one at a time on each core; who fails loses this cell and is left out.

        Those on a GPU go one after another: XLA times kernels on it while it compiles.
        """
        on_gpu = [e for e in entrants if e.device != "cpu"]
        groups = [on_gpu, *([e] for e in entrants if e.device == "cpu")]
        free: SimpleQueue[int | None] = SimpleQueue()
        for core in self.cores:
            free.put(core)

        def on_one_core(group: list[Entrant]) -> list[tuple[Entrant, T | None]]:
            core = free.get()  # there is one: as many threads as cores

            def alone(entrant: Entrant) -> T:
                self.ask(entrant, messages.Pin(core))
                return work(entrant)

            try:
                return [(e, self.attempt(e, problem, alone)) for e in group]
            finally:
                free.put(core)

        with ThreadPoolExecutor(len(self.cores)) as pool:
            try:
                answers = {_key(e): answer for group in pool.map(on_one_core, groups) for e, answer in group}
            except KeyboardInterrupt:
                # The pool would wait for answers that may take minutes; none comes from a dead worker.
                for process in self._processes.values():
                    process.kill()
                raise
        return [(e, answer) for e in entrants if (answer := answers[_key(e)]) is not None]

    def attempt(self, entrant: Entrant, problem: Problem, work: Callable[[Entrant], T]) -> T | None:
        """What `work` returns; None, and a word in its cell, when the entrant has failed, now or before."""
        cell = self.cell(entrant, problem)
        if cell.outcome.word not in ("pending", "ok"):
            return None
        try:
            return work(entrant)
        except Failed as failure:
            if cell.outcome.word == "ok" and not failure.outcome.failed:
                said = f"{failure.outcome.word}, it said after every gate was passed: {failure.outcome.reason}"
                failure = Failed("failed", said, failure.output)
            if self.of(entrant).loaded is None:
                entrant.outcome = failure.outcome  # of all its cells
            self.fail(entrant, cell, failure)
            return None

    def fail(self, entrant: Entrant, cell: Cell, failure: Failed) -> None:
        """The cell's word; what was measured before it failed is not a result."""
        cell.outcome = failure.outcome
        cell.samples.clear()
        entrant.last_output = failure.output or entrant.last_output

    def operations(self, entrant: Entrant) -> list[Operation]:
        """A mode that dispatches the whole descent differs from its step mode in `train` alone."""
        whole = entrant.dispatch == "descent"
        return [op for op in self.record.settings.operations if op == "train" or not whole]

    def rounds_like(self, entrant: Entrant) -> str:
        """The NumPy backend whose rounding its tolerances are measured by."""
        loaded = self.of(entrant).loaded
        return loaded.rounds_like if loaded else "numpy"

    def cell(self, entrant: Entrant, problem: Problem) -> Cell:
        return self.record.cell(entrant.label, problem.name, problem.dtype)


def keeps_its_cache(entrant: Entrant) -> bool:
    """From one generation to the next."""
    return entrant.device == "cpu"


def _key(entrant: Entrant) -> tuple[str, str]:
    return entrant.label, entrant.dtype
