"""The workers of a run: which entrant has which process, on which cores, and what a failed one costs."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import numpy as np

from bench.devices import DEVICES
from bench.problem import Problem
from bench.records.schema import Entrant
from bench.workers.cores import Cores
from bench.workers.environment import Layout, layout
from bench.workers.problem_files import ProblemFiles
from bench.workers.process import Failed, Process
from bench.workers.worker import Worker

T = TypeVar("T")
Failures = dict[str, Failed]  # by the entrant's label
Done = list[tuple[Entrant, T]]  # the entrant, and what came of its work


class Pool:
    """One process for each entrant, started when it first enters a generation."""

    def __init__(self, folder: Path, cores: Cores, deadline: float, seed: int) -> None:
        """`folder`: for problems and compiled programs; `deadline`: seconds of an entrant over one problem."""
        self.cores, self.deadline = cores, deadline
        self._folder, self._seed, self.file = folder, seed, ProblemFiles(folder).path
        self._layout, self._order = Layout(), [0]
        self._processes: dict[tuple[str, str], Process] = {}
        self._caches: dict[tuple[str, str], tuple[Path, set[str]]] = {}  # the folder, and the problems compiled there

    @contextmanager
    def generation(self, number: int) -> Iterator[None]:
        """Give new processes the memory layout of this generation, and end them all afterwards."""
        self._layout = layout(self._seed, number)
        self._order = list(np.random.default_rng([self._seed, number, 1]).permutation(len(self.cores.alike) or 1))
        try:
            yield
        finally:
            for process in self._processes.values():
                process.end()
            self._processes.clear()

    def start(self, entrant: Entrant) -> None:
        """Start the entrant's process, unless it is up."""
        if not self.is_up(entrant):
            self._processes[entrant.key] = self.another(entrant)

    def another(self, entrant: Entrant) -> Process:
        """Return a new process for the entrant, which takes no turns; whoever asks for it ends it.

        It is born where it gets ready; on a device on all cores, because XLA tries kernels on as many threads.
        """
        places = self.cores.places(entrant.resources.threads)
        place = places[self._order[len(self._processes) % len(self._order)] % len(places)]
        cores = place if DEVICES[entrant.device].is_the_cpu else self.cores.all
        return Process(entrant, cores, self._cache(entrant), self._layout)

    def _cache(self, entrant: Entrant) -> Path:
        """Return the folder for what the entrant compiles: its own, or cold would not be cold.

        On a device it is new in each generation: compilers time kernels, and one choice would be no part of the spread.
        """
        if entrant.key not in self._caches or not DEVICES[entrant.device].is_the_cpu:
            self._caches[entrant.key] = Path(tempfile.mkdtemp(dir=self._folder)), set()
        return self._caches[entrant.key][0]

    def compiles(self, entrant: Entrant, problem: Problem) -> bool:
        """Return whether the entrant's cache holds the problem's programs already, and note that it does from now on."""
        compiled = self._caches[entrant.key][1]
        warm = problem.name in compiled
        compiled.add(problem.name)
        return warm

    def of(self, entrant: Entrant) -> Process:
        return self._processes[entrant.key]

    def is_up(self, entrant: Entrant) -> bool:
        """Return whether the entrant has a process that did not crash."""
        process = self._processes.get(entrant.key)
        return process is not None and process.alive

    def ask(self, entrant: Entrant) -> Worker:
        """Return what stands for the entrant's worker: its methods return the answers, or raise Failed."""
        return self.of(entrant).ask(self.deadline)

    def in_turn(self, entrants: Sequence[Entrant], work: Callable[[Entrant], T], failed: Failures) -> Done[T]:
        """Do `work` for one entrant after another; one that fails is left out and put into `failed`."""
        found = []
        for entrant in entrants:
            if entrant.label not in failed:
                try:
                    found.append((entrant, work(entrant)))
                except Failed as failure:
                    failed[entrant.label] = failure
                    if not DEVICES[entrant.device].is_the_cpu:
                        self.of(entrant).kill()  # an error of a device outlives the call that met it
        return found

    def side_by_side(
        self, entrants: Sequence[Entrant], work: Callable[[Entrant], T], failed: Failures, alone: bool = True
    ) -> Done[T]:
        """Do `work` for every entrant, one at a time on each core; one that fails is left out and put into `failed`.

        Entrants on a device follow one another on every core, unless `alone` is false: compilers time kernels on it.
        Entrants with more threads follow those with fewer.
        """
        done: dict[tuple[str, str], T] = {}
        for threads in sorted({entrant.resources.threads for entrant in entrants}):
            of_these = [entrant for entrant in entrants if entrant.resources.threads == threads]
            together = [e for e in of_these if alone and not DEVICES[e.device].is_the_cpu]
            groups = [together, *([e] for e in of_these if e not in together)]
            done |= {e.key: answer for e, answer in self._on_places(groups, self.cores.places(threads), work, failed)}
        return [(e, done[e.key]) for e in entrants if e.key in done]

    def _on_places(
        self, groups: list[list[Entrant]], places: list[list[int]], work: Callable[[Entrant], T], failed: Failures
    ) -> Done[T]:
        free: SimpleQueue[list[int]] = SimpleQueue()
        for place in places:
            free.put(place)

        def on_one_place(group: list[Entrant]) -> Done[T]:
            place = free.get()  # there is one, because there are as many threads as places

            def pinned(entrant: Entrant) -> T:
                self.ask(entrant).pin(place if DEVICES[entrant.device].is_the_cpu else self.cores.all)
                return work(entrant)

            try:
                return self.in_turn(group, pinned, failed)
            finally:
                free.put(place)

        with ThreadPoolExecutor(len(places)) as threads:
            try:
                return [found for group in threads.map(on_one_place, groups) for found in group]
            except KeyboardInterrupt:
                # The threads would wait for answers that may take minutes; a dead worker ends them.
                for process in self._processes.values():
                    process.kill()
                raise
