"""The workers of a generation, and the cells they fill: who fails loses its own cells and no other's."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from bench.devices import cpu
from bench.problem import Problem
from bench.records.schema import Cell, Entrant, Operation, Record
from bench.workers import messages
from bench.workers.process import Failed, Layout, Process, layout, usable_cores

T = TypeVar("T")


class Workers:
    """One process for each entrant, started when it first enters."""

    def __init__(self, record: Record, cache: Path, deadline: float) -> None:
        """`cache`: where the entrants keep what they compiled, each in a folder of its own;
        `deadline`: seconds that an entrant may take over one cell."""
        self.record, self.cache, self.deadline = record, cache, deadline
        self.all_cores = usable_cores()
        self.cores = cpu.cores(self.all_cores, record.settings.core)
        self.layout, self._starting_cores = Layout(), list(self.cores.preparing)
        self._processes: dict[tuple[str, str], Process] = {}
        self._caches: dict[tuple[str, str], Path] = {}

    @property
    def racing_cores(self) -> list[int]:
        """The one where all take their turns, if pinning is possible."""
        return self.cores.racing

    def begin(self, generation: int) -> None:
        """Set the memory layout, and the order of cores, for the processes that are started from now on."""
        seed = self.record.settings.seed
        self.layout = layout(seed, generation)
        order = np.random.default_rng([seed, generation, 1]).permutation(len(self.cores.preparing))
        self._starting_cores = [self.cores.preparing[i] for i in order]

    def start(self, entrant: Entrant) -> None:
        """On one core; on all where it is for a GPU, for XLA tries kernels on as many threads as it was born with cores."""
        if not self.is_up(entrant):
            self._processes[_key(entrant)] = self.another(entrant)

    def another(self, entrant: Entrant) -> Process:
        """Return a new process for the entrant, which takes no turns unless `start` made it; whoever asks for it ends it."""
        place = self._starting_cores[len(self._processes) % len(self._starting_cores)]
        cores = place if entrant.device == "cpu" else self.all_cores
        return Process(entrant, cores, self._cache(entrant), self.layout)

    def _cache(self, entrant: Entrant) -> Path:
        """Its own, or it would find what another has compiled, and cold would not be cold.

        On a GPU anew in each generation: a compiler chooses kernels there by timing them, and what it once
        drew would be the draw of all generations, and no part of their spread.
        """
        if keeps_its_cache(entrant):
            return self._caches.setdefault(_key(entrant), self.cache / f"{len(self._caches):03}")
        return Path(tempfile.mkdtemp(dir=self.cache))

    def end(self) -> None:
        for process in self._processes.values():
            process.end()
        self._processes.clear()

    def of(self, entrant: Entrant) -> Process:
        return self._processes[_key(entrant)]

    def peak_is_of_the_process(self, entrant: Entrant) -> bool:
        """Whether the most device memory that it tells is that of its whole process."""
        loaded = self.of(entrant).loaded
        return loaded is not None and loaded.peak_of_the_process

    def is_up(self, entrant: Entrant) -> bool:
        """Not where it crashed, nor where all its cells failed in an earlier generation."""
        worker = self._processes.get(_key(entrant))
        return worker is not None and worker.alive

    def ask(self, entrant: Entrant, request: messages.Request) -> Any:
        return self.of(entrant).ask(request, self.deadline)

    def each(
        self, entrants: list[Entrant], problem: Problem, work: Callable[[Entrant], T], gpu_alone: bool = True
    ) -> list[tuple[Entrant, T]]:
        """`work` on every entrant, one at a time on each core; who fails loses this cell and is left out.

        Those on a GPU go one after another, or it would be `gpu_alone` to none: XLA times kernels on it while it compiles.
        They may use every core meanwhile.
        """
        together = [e for e in entrants if gpu_alone and e.device != "cpu"]
        groups = [together, *([e] for e in entrants if e not in together)]
        free: SimpleQueue[list[int]] = SimpleQueue()
        for place in self.cores.preparing:
            free.put(place)

        def on_one_core(group: list[Entrant]) -> list[tuple[Entrant, T | None]]:
            place = free.get()  # there is one: as many threads as places

            def alone(entrant: Entrant) -> T:
                self.ask(entrant, messages.Pin(place if entrant.device == "cpu" else self.all_cores))
                return work(entrant)

            try:
                return [(e, self.attempt(e, problem, alone)) for e in group]
            finally:
                free.put(place)

        with ThreadPoolExecutor(len(self.cores.preparing)) as pool:
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
        if cell.outcome.status not in ("pending", "ok"):
            return None
        try:
            return work(entrant)
        except Failed as failure:
            if cell.outcome.status == "ok" and not failure.outcome.failed:
                said = f"{failure.outcome.status}, it said after every gate was passed: {failure.outcome.reason}"
                failure = Failed("failed", said, failure.output)
            if self.of(entrant).loaded is None:
                entrant.outcome = failure.outcome  # of all its cells
            self.fail(entrant, cell, failure)
            if entrant.device != "cpu":
                self.of(entrant).kill()  # an error of CUDA outlives the call that met it, and fails all that follow
            return None

    def fail(self, entrant: Entrant, cell: Cell, failure: Failed) -> None:
        """The cell's word; what was measured before it failed is not a result."""
        cell.outcome = failure.outcome
        cell.samples.clear()
        entrant.last_output = failure.output or entrant.last_output

    def operations(self, entrant: Entrant) -> list[Operation]:
        """What it is timed at, in this order: `train` first, which all have, and which pays what a library does once a process.

        In a turn, after calls of the others and one untimed call of its own, a step of torch-compile took 12 % longer on
        factorisation/1000x100r10 than after 20 ms of its own.  A compiled loop differs from its compiled step in
        `train` alone.
        """
        whole, asked = entrant.mode == "compiled loop", self.record.settings.operations
        return sorted((op for op in asked if op == "train" or not whole), key=lambda op: op != "train")

    def cell(self, entrant: Entrant, problem: Problem) -> Cell:
        return self.record.cell(entrant.label, problem.name, problem.dtype)


def keeps_its_cache(entrant: Entrant) -> bool:
    """From one generation to the next."""
    return entrant.device == "cpu"


def _key(entrant: Entrant) -> tuple[str, str]:
    return entrant.label, entrant.dtype
