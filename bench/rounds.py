"""One race: on one core all entrants take turns on one problem, in rounds there and back."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench import clock, messages, plausible
from bench.agree import Reference, gates
from bench.process import Failed
from bench.record import OPERATIONS, Entrant, Operation, Race, Samples
from bench.workers import Workers

MOST_CALLS = 1000

FEWEST_PAIRS = 3
"""Rounds there and back, however long they take: the median of six outvotes two that were disturbed.  With one pair,
a slowdown of 10 % in calls of 44 ms was missed in 3 of 20 trials."""


class Rounds:
    """The race of one problem in one generation."""

    def __init__(self, workers: Workers, reference: Reference) -> None:
        self.workers, self.reference, self.problem = workers, reference, reference.problem

    def run(self, generation: int, racing: list[Entrant], earlier: Race | None) -> None:
        """Adds the race to the record; `earlier` is one of the same problem, whose plan is kept."""
        cores, seed = self.workers.racing_cores, _seed(self.workers.record.settings.seed, generation, self.problem.name)
        racing = [entrant for entrant, _ in self._ask_each(racing, lambda e: messages.Pin(cores))]
        moved = self.problem.bytes_moved
        begin = messages.Begin(moved, len(racing), self.workers.record.settings.warm_up(moved))
        racing = [entrant for entrant, _ in self._ask_each(racing, lambda e: begin)]
        rounds, calls = (earlier.rounds, earlier.calls) if earlier else ({}, self._calls(racing))
        race = Race(generation, self.problem.name, self.problem.dtype, seed, rounds, calls)
        for operation in self.workers.record.settings.operations:
            self._rounds(race, operation, self._able(racing, operation))
        for entrant, tally in self._ask_each(racing, lambda e: messages.Tally()):
            self._close(entrant, tally)
        if generation == 0:
            self._weigh(racing)
        self.workers.record.races.append(race)

    def _calls(self, racing: list[Entrant]) -> dict[str, dict[str, int]]:
        """By operation and entrant: the calls that make a sample of `clock.SHORTEST_SAMPLE`."""
        piloted = self._ask_each(racing, lambda e: messages.Pilot(self.workers.operations(e)))
        calls: dict[str, dict[str, int]] = {operation: {} for operation in self.workers.record.settings.operations}
        for entrant, found in piloted:
            for operation, seconds in found.call_seconds.items():
                calls[operation][entrant.label] = min(MOST_CALLS, math.ceil(clock.SHORTEST_SAMPLE / seconds))
        return calls

    def _rounds(self, race: Race, operation: Operation, racing: list[Entrant]) -> None:
        """As many as in the first generation; in that, as many as there is time for."""
        rng = np.random.default_rng([race.seed, OPERATIONS.index(operation)])
        taken: dict[str, list[int]] = {e.label: [] for e in racing}
        there_and_back = partial(self._there_and_back, race, operation, racing, rng, taken)
        done = 0
        if operation not in race.rounds:
            done, pairs = self._first_pairs(there_and_back) if racing else (0, 0)
            race.rounds[operation] = 2 * pairs
        for _ in range(done, race.rounds[operation] // 2):
            there_and_back()
        for entrant in racing:
            cell = self.workers.cell(entrant, self.problem)
            if cell.outcome.word == "ok" and (nanoseconds := taken[entrant.label]):
                calls = race.calls[operation].get(entrant.label, 1)
                cell.samples.append(
                    Samples(generation=race.generation, operation=operation, calls=calls, nanoseconds=nanoseconds)
                )

    def _first_pairs(self, there_and_back: Callable[[], None]) -> tuple[int, int]:
        """(pairs of rounds that were run, that there is time for): by the fastest of the fewest pairs."""
        settings = self.workers.record.settings
        most = settings.most_rounds // 2
        fewest = min(FEWEST_PAIRS, most)
        pair_seconds = min(clock.timed(there_and_back)[0] for _ in range(fewest))
        return fewest, min(max(fewest, round(settings.seconds_per_race / pair_seconds)), most)

    def _there_and_back(
        self,
        race: Race,
        operation: Operation,
        racing: list[Entrant],
        rng: np.random.Generator,
        taken: dict[str, list[int]],
    ) -> None:
        """A round in a new order, and one in that order reversed; adds to what each has `taken`."""
        order = [racing[i] for i in rng.permutation(len(racing))]
        for entrant in order + order[::-1]:
            turned = self._take_turn(race, operation, entrant, int(rng.integers(2**62)))
            if turned is not None:
                taken[entrant.label].append(turned.nanoseconds)

    def _take_turn(self, race: Race, operation: Operation, entrant: Entrant, seed: int) -> messages.Turned | None:
        turn = messages.Turn(operation, race.calls[operation].get(entrant.label, 1), seed)
        return self.workers.attempt(entrant, self.problem, partial(self._turn, turn=turn))

    def _ask_each(
        self, racing: list[Entrant], request: Callable[[Entrant], messages.Request]
    ) -> list[tuple[Entrant, Any]]:
        """One after another: all are on one core now.  Who fails is left out."""

        def ask(entrant: Entrant) -> Any:
            return self.workers.ask(entrant, request(entrant))

        asked = [(entrant, self.workers.attempt(entrant, self.problem, ask)) for entrant in racing]
        return [(entrant, answer) for entrant, answer in asked if answer is not None]

    def _able(self, racing: list[Entrant], operation: Operation) -> list[Entrant]:
        return [e for e in racing if operation in self.workers.operations(e)]

    def _turn(self, entrant: Entrant, turn: messages.Turn) -> messages.Turned:
        turned = self.workers.ask(entrant, turn)
        if not gates.timed_call_agrees(
            self.reference, turn.operation, turned.loss, turned.distance, self.workers.rounds_like(entrant)
        ):
            loss, far = self.reference.timed[turn.operation]
            ended = f"ended on loss {turned.loss:.8g}, {turned.distance:.8g} from its start, instead of {loss:.8g} and {far:.8g}"
            raise Failed("disagrees", f"a timed call of {turn.operation} {ended}")
        return turned

    def _close(self, entrant: Entrant, tally: messages.Tallied) -> None:
        """What the process did while it raced; samples taken by breaking a rule are thrown away."""
        cell = self.workers.cell(entrant, self.problem)
        cell.cores_used.append(tally.cores_used)
        cell.compilations += tally.compilations
        entrant.busy_threads.append(tally.busy_threads)
        entrant.idle_cpu_share.append(tally.idle_cpu_share)
        if reason := plausible.unruly(tally):
            self.workers.fail(entrant, cell, Failed("failed", reason))

    def _weigh(self, racing: list[Entrant]) -> None:
        for entrant, weighed in self._ask_each(racing, lambda e: messages.Weigh()):
            cell = self.workers.cell(entrant, self.problem)
            cell.peak_bytes += [weighed.peak_bytes] if weighed.peak_bytes is not None else []
            cell.device_peak_bytes += [weighed.device_peak_bytes] if weighed.device_peak_bytes is not None else []
            cell.put_seconds.append(weighed.put_seconds)
            cell.get_seconds.append(weighed.get_seconds)
            cell.device_seconds += [weighed.device_seconds] if weighed.device_seconds is not None else []
            if entrant.device == "cuda" and not weighed.device_peak_bytes:
                self.workers.fail(entrant, cell, Failed("failed", plausible.UNUSED_GPU))


def _seed(seed: int, generation: int, problem: str) -> int:
    return int(np.random.SeedSequence([seed, generation, *problem.encode()]).generate_state(1)[0])
