"""One race: on one core all entrants take turns on one problem, in rounds there and back."""

import math
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench import clock
from bench.agreement import checks
from bench.agreement.reference import Reference
from bench.race import conditions, sanity_checks
from bench.records.schema import Entrant, Operation, Race, Samples
from bench.workers import messages
from bench.workers.pool import Workers
from bench.workers.process import Failed

MOST_CALLS = 1000

Taken = dict[tuple[str, Operation], list[int]]
"""Nanoseconds of the samples, in the order of the rounds, by the entrant's label and the operation."""


class Rounds:
    """The race of one problem in one generation."""

    def __init__(self, workers: Workers, reference: Reference) -> None:
        self.workers, self.reference, self.problem = workers, reference, reference.problem

    def run(self, generation: int, racing: list[Entrant], earlier: Race | None) -> None:
        """Add the race to the record; `earlier` is one of the same problem, whose calls are kept.

        Where an entrant got less than its core, the race is repeated once.  Where it did again, its samples are left out.
        """
        settings, cores = self.workers.record.settings, self.workers.racing_cores
        racing = [entrant for entrant in racing if self.workers.operations(entrant)]
        racing = [entrant for entrant, _ in self._ask_each(racing, lambda e: messages.Pin(cores))]
        racing = self._begin(racing)
        calls = earlier.calls if earlier else self._calls(racing)
        seed = _seed(settings.seed, generation, self.problem.name)
        rounds: dict[str, int] = dict.fromkeys(settings.operations, settings.rounds)
        race = Race(generation, self.problem.name, self.problem.dtype, seed, rounds, calls)
        watch = conditions.Watch(cores)
        taken, tallied = self._rounds(race, racing)
        if conditions.starved(tallied):
            race.attempts = 2
            taken, tallied = self._rounds(race, self._begin(self._ruly(tallied, race, taken)))
        race.starved = conditions.starved(tallied)
        race.cause = watch.cause() if race.starved else ""
        for entrant, tally in tallied:
            self._close(entrant, tally, race, taken)
        if generation == 0:
            self._weigh(racing)
        self.workers.record.races.append(race)

    def _ruly(self, tallied: list[tuple[Entrant, messages.Tallied]], race: Race, taken: Taken) -> list[Entrant]:
        """Return the entrants that kept the rules; one that broke them may be what took the others' core, and is ended."""
        unruly = [(entrant, tally) for entrant, tally in tallied if sanity_checks.unruly(tally)]
        for entrant, tally in unruly:
            self._close(entrant, tally, race, taken)
            self.workers.of(entrant).kill()
        return [entrant for entrant, tally in tallied if (entrant, tally) not in unruly]

    def _begin(self, racing: list[Entrant]) -> list[Entrant]:
        def begin(entrant: Entrant) -> messages.Begin:
            has_room = entrant.device == "cpu" and entrant.allocator == "kept"
            seconds = self.workers.record.settings.warm_up_seconds
            return messages.Begin(self.problem.bytes_moved, len(racing) if has_room else 0, seconds)

        return [entrant for entrant, _ in self._ask_each(racing, begin)]

    def _calls(self, racing: list[Entrant]) -> dict[str, dict[str, int]]:
        """By operation and entrant: the calls that make a sample of `clock.SHORTEST_SAMPLE`."""
        piloted = self._ask_each(racing, lambda e: messages.Pilot(self.workers.operations(e)))
        calls: dict[str, dict[str, int]] = {operation: {} for operation in self.workers.record.settings.operations}
        for entrant, found in piloted:
            for operation, seconds in found.call_seconds.items():
                calls[operation][entrant.label] = min(MOST_CALLS, math.ceil(clock.SHORTEST_SAMPLE / seconds))
        return calls

    def _rounds(self, race: Race, racing: list[Entrant]) -> tuple[Taken, list[tuple[Entrant, messages.Tallied]]]:
        """Let every entrant take its turn, in a new order and then in that order reversed, again and again."""
        rng = np.random.default_rng([race.seed, race.attempts])
        taken: Taken = defaultdict(list)
        for _ in range(self.workers.record.settings.rounds // 2):
            there = [racing[i] for i in rng.permutation(len(racing))]
            for entrant in there + there[::-1]:
                turn = messages.Turn(self._calls_of(race, entrant), int(rng.integers(2**62)))
                turned = self.workers.attempt(entrant, self.problem, partial(self._turn, turn=turn))
                for operation, sample in turned.samples.items() if turned else ():
                    taken[entrant.label, operation].append(sample.nanoseconds)
        return taken, self._ask_each(racing, lambda e: messages.Tally())

    def _calls_of(self, race: Race, entrant: Entrant) -> dict[Operation, int]:
        """In a sample of each of its operations."""
        return {op: race.calls[op].get(entrant.label, 1) for op in self.workers.operations(entrant)}

    def _ask_each(
        self, racing: list[Entrant], request: Callable[[Entrant], messages.Request]
    ) -> list[tuple[Entrant, Any]]:
        """One after another: all are on one core now.  Who fails is left out."""

        def ask(entrant: Entrant) -> Any:
            return self.workers.ask(entrant, request(entrant))

        asked = [(entrant, self.workers.attempt(entrant, self.problem, ask)) for entrant in racing]
        return [(entrant, answer) for entrant, answer in asked if answer is not None]

    def _turn(self, entrant: Entrant, turn: messages.Turn) -> messages.Turned:
        turned = self.workers.ask(entrant, turn)
        for operation, sample in turned.samples.items():
            if not checks.timed_call_agrees(self.reference, operation, sample.loss, sample.distance):
                loss, far = self.reference.timed[operation]
                ended = f"ended on loss {sample.loss:.8g}, {sample.distance:.8g} from its start, instead of {loss:.8g} and {far:.8g}"
                raise Failed("disagrees", f"a timed call of {operation} {ended}")
        return turned

    def _close(self, entrant: Entrant, tally: messages.Tallied, race: Race, taken: Taken) -> None:
        """Keep the samples, unless they were taken by breaking a rule, or on less than a core."""
        cell = self.workers.cell(entrant, self.problem)
        cell.cores_used.append(tally.cores_used)
        cell.compilations += tally.compilations
        entrant.busy_threads.append(tally.busy_threads)
        entrant.idle_cpu_share.append(tally.idle_cpu_share)
        if reason := sanity_checks.unruly(tally):
            self.workers.fail(entrant, cell, Failed("failed", reason))
        elif cell.outcome.status == "ok" and entrant.label not in race.starved:
            cell.samples += [
                Samples(race.generation, operation, calls, taken[entrant.label, operation])
                for operation, calls in self._calls_of(race, entrant).items()
            ]

    def _weigh(self, racing: list[Entrant]) -> None:
        for entrant, weighed in self._ask_each(racing, lambda e: messages.Weigh()):
            cell = self.workers.cell(entrant, self.problem)
            if entrant.device != "cpu" and self.workers.peak_is_of_the_process(entrant):
                weighed.device_peak_bytes = self._weigh_afresh(entrant) or weighed.device_peak_bytes
            for what in weighed.__struct_fields__:
                if (found := getattr(weighed, what)) is not None:
                    getattr(cell, what).append(found)
            if entrant.device == "cuda" and not weighed.device_peak_bytes:
                self.workers.fail(entrant, cell, Failed("failed", sanity_checks.UNUSED_GPU))

    def _weigh_afresh(self, entrant: Entrant) -> int | None:
        """Return the most device memory in a process that has seen no other problem; None, and a warning, where that fails."""
        fresh = self.workers.another(entrant)
        try:
            for request in (
                messages.Load(entrant.backend, entrant.device, entrant.dtype),
                messages.Prepare(self.problem, ["train"]),
                messages.Begin(self.problem.bytes_moved, 0, self.workers.record.settings.warm_up_seconds),
            ):
                fresh.ask(request, self.workers.deadline)
            weighed: messages.Weighed = fresh.ask(messages.Weigh(), self.workers.deadline)
            return weighed.device_peak_bytes
        except Failed as failure:
            said = (
                f"the device memory of {entrant.label} on {self.problem.name} is that of its whole process: {failure}"
            )
            self.workers.record.warnings.append(said)
            return None
        finally:
            fresh.end()


def _seed(seed: int, generation: int, problem: str) -> int:
    return int(np.random.SeedSequence([seed, generation, *problem.encode()]).generate_state(1)[0])
