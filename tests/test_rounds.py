"""A race: on one core entrants take turns, in as many rounds as there is time for."""

import itertools
import time
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import UNSET

from bench import beginning, messages, rounds
from bench.choice import Choice
from bench.record import Entrant, Race
from bench.rounds import Rounds
from bench.workloads import pose
from tests.conftest import LABELS
from tests.sample_record import sample_record

IRIS = "factorisation/iris"


def answering(ask) -> SimpleNamespace:
    """Workers that answer as `ask` does, and fill a record."""
    record = sample_record(LABELS, [IRIS], control=False)
    return SimpleNamespace(
        record=record,
        ask=ask,
        attempt=lambda entrant, problem, work: work(entrant),
        operations=lambda entrant: ["train"],
        cell=lambda entrant, problem: record.cell(entrant.label, problem.name, problem.dtype),
    )


def test_on_the_core_that_races_one_is_asked_after_another(three: list[Entrant]):
    inside, most, asked = [], [], []

    def ask(entrant: Entrant, request: messages.Request) -> Any:
        inside.append(entrant)
        most.append(len(inside))
        asked.append(type(request))
        time.sleep(0.01)
        inside.remove(entrant)
        return (
            messages.Piloted({"train": 1e-3}) if asked[-1] is messages.Pilot else messages.Weighed(0, None, 0, 0, None)
        )

    race = Rounds(answering(ask), SimpleNamespace(problem=pose(IRIS)))
    race._calls(three)
    race._weigh(three)
    assert asked == [messages.Pilot] * 3 + [messages.Weigh] * 3
    assert max(most) == 1


@pytest.mark.parametrize("name, seconds", [(IRIS, 0.0), ("factorisation/2000x1000r32", 0.1)])
def test_a_race_is_begun_with_the_records_warm_up_where_a_step_outgrows_a_cores_cache(
    three: list[Entrant], name: str, seconds: float
):
    asked = []

    def ask(entrant: Entrant, request: messages.Request) -> Any:
        asked.append(request)
        if isinstance(request, messages.Begin):
            raise KeyboardInterrupt
        return messages.Done()

    workers = answering(ask)
    workers.racing_cores, workers.record.settings.warm_up_seconds = [0], 0.1
    with pytest.raises(KeyboardInterrupt):
        Rounds(workers, SimpleNamespace(problem=pose(name))).run(0, three, None)
    assert asked[-1].warm_up_seconds == seconds


@pytest.mark.parametrize("pace, seconds", [("default", UNSET), ("rigorous", 0.1), ("quick", UNSET)])
def test_a_rigorous_race_alone_asks_for_warmer_caches(pace: str, seconds: float):
    record, _ = beginning.new(Choice(["numpy"], [IRIS], ["cpu"], pace=pace))
    assert record.settings.warm_up_seconds == seconds


@pytest.mark.parametrize("pair_seconds, expected", [(10.0, 6), (1.4 / 4, 8), (1e-3, 10)])
def test_there_are_as_many_rounds_as_there_is_time_for_and_in_every_generation_the_same(
    three: list[Entrant], monkeypatch: pytest.MonkeyPatch, pair_seconds: float, expected: int
):
    taken: list[str] = []

    def ask(entrant: Entrant, request: messages.Turn) -> messages.Turned:
        taken.append(entrant.label)
        return messages.Turned(1, 0.0, 0.0)

    monkeypatch.setattr(rounds.clock, "timed", lambda call: (next(seconds), call()))
    monkeypatch.setattr(rounds.gates, "timed_call_agrees", lambda *asked: True)
    workers = answering(ask)
    workers.rounds_like = lambda entrant: "numpy"
    workers.record.settings.seconds_per_race, workers.record.settings.most_rounds = 1.4, 10
    first = Race(0, IRIS, "float32", 0, {}, {"train": {}})
    for race in (first, Race(1, IRIS, "float32", 1, first.rounds, first.calls)):
        seconds = itertools.chain([100.0], itertools.repeat(pair_seconds))  # the first is disturbed
        Rounds(workers, SimpleNamespace(problem=pose(IRIS)))._rounds(race, "train", three)
        assert race.rounds == {"train": expected}
        assert sorted(taken) == sorted(LABELS * expected)
        cells = [workers.cell(entrant, pose(IRIS)) for entrant in three]
        assert [len(cell.samples[-1].nanoseconds) for cell in cells] == [expected] * 3
        assert all(taken[i : i + 3] == taken[i + 3 : i + 6][::-1] for i in range(0, len(taken), 6))
        taken.clear()
