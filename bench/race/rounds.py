"""Rounds: the entrants take turns on one problem, there in a random order and back in that order reversed."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from bench import clock
from bench.agreement.checks import timed_call_agrees
from bench.agreement.reference import Reference
from bench.devices import DEVICES
from bench.problem import Problem
from bench.race import refusals
from bench.race.prepare import operations
from bench.records.host import Watch
from bench.records.schema import Entrant, Race, Record, Samples, Settings
from bench.resources import Resources
from bench.statistics import NEVER, generation_time
from bench.workers import messages
from bench.workers.pool import Failures, Pool
from bench.workers.process import Failed

MOST_CALLS = 1000  # calls in a sample at most

TURN_SECONDS, MOST_SAMPLES = 0.02, 4
"""A turn has as many samples as fill these seconds, and so many at most (docs/measured.md)."""

DISTURBED, MORE = 1.03, 2
"""After its rounds an entrant takes more turns while its fastest sample takes so many times that of an earlier generation, or
there is none: at most so many times as many (docs/measured.md)."""

Taken = dict[tuple[str, str], list[int]]  # nanoseconds, in the order of the turns, by label and operation
Tallies = list[tuple[Entrant, messages.Tallied]]
Numbers = dict[str, dict[str, int]]  # by operation and label


class Plan(NamedTuple):
    """Hold the numbers that make a turn, the same in all generations."""

    calls: Numbers  # in a sample
    samples: Numbers  # in a turn


@dataclass(frozen=True)
class Raced:
    """The findings of racing; the keys are labels."""

    race: Race
    samples: dict[str, list[Samples]]
    tallies: Tallies
    transferred: dict[str, messages.Transferred]  # in the first generation alone
    warnings: list[str]
    failed: Failures


class Rounds:
    """The race of one problem in one generation."""

    def __init__(self, pool: Pool, reference: Reference, settings: Settings) -> None:
        self.pool, self.reference, self.settings = pool, reference, settings
        self.problem, self.asked = reference.problem, settings.operations[reference.problem.name]
        self.failed: Failures = {}

    def race(
        self,
        generation: int,
        racing: Sequence[Entrant],
        earlier: Race | None,
        fastest: Mapping[tuple[str, str], float],
    ) -> Raced:
        """Return what the race found; `earlier` is one of the same problem, whose numbers of calls and samples are kept.

        `fastest` has the seconds per call of the fastest sample of earlier generations, by label and operation.

        Where an entrant got less than its core, the race is repeated once.  Where it did again, its samples are left out.
        """
        self.fastest, racing = fastest, self._begin([e for e in racing if operations(self.pool, e, self.asked)])
        name, plan = self.problem.name, Plan(earlier.calls, earlier.samples) if earlier else self._plan(racing)
        drawn = np.random.SeedSequence([self.settings.seed, generation, *name.encode()])
        seed, watch, attempts = int(drawn.generate_state(1)[0]), Watch(self.pool.cores.racing), 1
        taken, tallied = self._rounds(racing, plan, seed, attempts)
        if starved(tallied):
            attempts = 2
            self._end_those_that_broke_a_rule(tallied)
            taken, tallied = self._rounds(self._begin([e for e, _ in tallied]), plan, seed, attempts)
        without, rounds = starved(tallied), dict.fromkeys(self.asked, self.settings.rounds)
        cause = watch.cause() if without else ""
        race = Race(generation, name, self.problem.dtype, seed, rounds, *plan, attempts, without, cause)
        return self._raced(race, racing, taken, tallied)

    def _raced(self, race: Race, racing: Sequence[Entrant], taken: Taken, tallied: Tallies) -> Raced:
        """Return the samples of those that kept the rules and had their core; memory and transfers the first time."""
        self._end_those_that_broke_a_rule(tallied, end=False)
        samples = {
            e.label: [
                Samples(race.generation, operation, count, taken[e.label, operation])
                for operation, count in self._of(e, race.calls).items()
            ]
            for e, _ in tallied
            if e.label not in self.failed and e.label not in race.starved
        }
        transferred, warnings = self._transfers(racing) if race.generation == 0 else ({}, [])
        return Raced(race, samples, tallied, transferred, warnings, self.failed)

    def _end_those_that_broke_a_rule(self, tallied: Tallies, end: bool = True) -> None:
        """Fail the entrants that broke a rule; `end` their processes, which may be what took the others' core."""
        for entrant, tally in tallied:
            if reason := refusals.broken_rule(tally, entrant.resources):
                self.failed.setdefault(entrant.label, Failed("failed", reason))
                if end:
                    self.pool.of(entrant).kill()

    def _begin(self, racing: Sequence[Entrant]) -> list[Entrant]:
        """Return who could be pinned to its cores and given the batch."""
        with_room = [e.key for e in racing if e.allocator == "kept" and DEVICES[e.device].is_the_cpu]

        def begin(entrant: Entrant) -> None:
            self.pool.ask(entrant).pin(self.pool.cores.of(entrant.resources.threads))
            room_for, seconds = len(with_room) if entrant.key in with_room else 0, self.settings.warm_up_seconds
            self.pool.ask(entrant).begin(self.problem.bytes_moved, room_for, seconds)

        return [entrant for entrant, _ in self.pool.in_turn(racing, begin, self.failed)]

    def _plan(self, racing: Sequence[Entrant]) -> Plan:
        """Return the calls that make a sample of `clock.SHORTEST_SAMPLE`, and the samples that fill a turn.

        They are the same for copies of one backend: the fastest of more samples would be faster.
        """
        plan = Plan({operation: {} for operation in self.asked}, {operation: {} for operation in self.asked})
        copies: dict[tuple[str, Resources], list[tuple[Entrant, dict[str, float]]]] = {}

        def pilot(entrant: Entrant) -> dict[str, float]:
            return self.pool.ask(entrant).pilot(operations(self.pool, entrant, self.asked))

        for entrant, seconds in self.pool.in_turn(racing, pilot, self.failed):
            copies.setdefault((entrant.backend, entrant.resources), []).append((entrant, seconds))
        for alike in copies.values():
            for operation in self.asked:
                found = {entrant.label: seconds[operation] for entrant, seconds in alike if operation in seconds}
                fastest = min(found.values(), default=1.0)
                calls = min(MOST_CALLS, math.ceil(clock.SHORTEST_SAMPLE / fastest))
                samples = min(MOST_SAMPLES, math.ceil(TURN_SECONDS / (calls * fastest)))
                plan.calls[operation] |= dict.fromkeys(found, calls)
                plan.samples[operation] |= dict.fromkeys(found, samples)
        return plan

    def _rounds(self, racing: Sequence[Entrant], plan: Plan, seed: int, attempt: int) -> tuple[Taken, Tallies]:
        """Let every entrant take its turn, in a new order and then in that order reversed, again and again.

        Those that were disturbed then take more turns.
        """
        rng, taken = np.random.default_rng([seed, attempt]), defaultdict[tuple[str, str], list[int]](list)

        def take_turns(some: Sequence[Entrant]) -> None:
            for entrant in some:
                calls, samples = (self._of(entrant, numbers) for numbers in plan)
                turn = partial(self._turn, calls=calls, samples=samples, seed=int(rng.integers(2**62)))
                for _, found in self.pool.in_turn([entrant], turn, self.failed):
                    for operation, several in found.items():
                        taken[entrant.label, operation] += [sample.nanoseconds for sample in several]

        for _ in range(self.settings.rounds // 2):
            there = [racing[i] for i in rng.permutation(len(racing))]
            take_turns(there + there[::-1])
        for _ in range(MORE * self.settings.rounds):
            disturbed = [entrant for entrant in racing if self._disturbed(entrant, plan, taken)]
            take_turns([disturbed[i] for i in rng.permutation(len(disturbed))])
        return taken, self.pool.in_turn(racing, lambda e: self.pool.ask(e).tally(), self.failed)

    def _disturbed(self, entrant: Entrant, plan: Plan, taken: Taken) -> bool:
        """Return whether its fastest sample of an operation took longer than in an earlier generation, or is the first."""
        for operation, calls in self._of(entrant, plan.calls).items():
            key = entrant.label, operation
            if min(taken[key], default=0) / calls / 1e9 > DISTURBED * self.fastest.get(key, 0.0):
                return True
        return False

    def _of(self, entrant: Entrant, numbers: Numbers) -> dict[str, int]:
        """Return those of the entrant, by the operations that it is timed at."""
        timed = operations(self.pool, entrant, self.asked)
        return {operation: numbers.get(operation, {}).get(entrant.label, 1) for operation in timed}

    def _turn(
        self, entrant: Entrant, calls: dict[str, int], samples: dict[str, int], seed: int
    ) -> dict[str, list[messages.Sample]]:
        found = self.pool.ask(entrant).turn(calls, samples, seed)
        for operation, sample in ((name, sample) for name, several in found.items() for sample in several):
            if not timed_call_agrees(self.reference, operation, sample.loss, sample.distance):
                loss, far = self.reference.timed[operation]
                ended = f"ended on loss {sample.loss:.8g}, {sample.distance:.8g} from its start, instead of {loss:.8g} and {far:.8g}"
                raise Failed("disagrees", f"a timed call of {operation} {ended}")
        return found

    def _transfers(self, racing: Sequence[Entrant]) -> tuple[dict[str, messages.Transferred], list[str]]:
        """Return what arrays cost to travel, and on a device its memory; and a warning where that is of a whole process."""
        found, warnings = {}, []
        for entrant, transferred in self.pool.in_turn(racing, lambda e: self.pool.ask(e).transfer(), self.failed):
            found[entrant.label], loaded = transferred, self.pool.of(entrant).loaded
            if DEVICES[entrant.device].is_the_cpu:
                continue
            if loaded and loaded.peak_of_the_process:
                try:
                    afresh = self._peak_afresh(entrant)
                    transferred.device_peak_bytes = afresh or transferred.device_peak_bytes
                except Failed as failure:
                    memory = f"the device memory of {entrant.label} on {self.problem.name}"
                    warnings.append(f"{memory} is that of its whole process: {failure}")
            if not transferred.device_peak_bytes:
                unused = refusals.UNUSED_DEVICE.format(device=entrant.device)
                self.failed[entrant.label] = Failed("failed", unused)
        return found, warnings

    def _peak_afresh(self, entrant: Entrant) -> int | None:
        """Return the most device memory in a process that has seen no other problem; Failed where that cannot be told."""
        process = self.pool.another(entrant)
        try:
            fresh = process.ask(self.pool.deadline)
            fresh.load(entrant.backend, entrant.resources, entrant.dtype)
            fresh.prepare(self.pool.file(self.problem), ["train"])
            fresh.begin(self.problem.bytes_moved, 0, self.settings.warm_up_seconds)
            return fresh.transfer().device_peak_bytes
        finally:
            process.end()


def starved(tallied: Tallies) -> dict[str, float]:
    """Return, by label, the share of a core that entrants got which computed on the CPU and had less than one."""
    return {
        entrant.label: tally.cores_used
        for entrant, tally in tallied
        if DEVICES[entrant.device].is_the_cpu and tally.cores_used < refusals.FEWEST_CORES_USED
    }


def fastest_so_far(record: Record, problem: Problem) -> dict[tuple[str, str], float]:
    """Return the seconds per call of the fastest sample of the problem, by the entrant's label and operation."""
    found: dict[tuple[str, str], float] = {}
    for cell in (c for c in record.cells if (c.problem, c.dtype) == (problem.name, problem.dtype)):
        for samples in cell.results:
            key = cell.entrant, samples.operation
            found[key] = min(found.get(key, NEVER), generation_time(samples))
    return found
