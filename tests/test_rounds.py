"""A race: on one core entrants take turns, in rounds there and back."""

import time
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from bench.plan import new_record
from bench.plan.selection import Choice
from bench.race import rounds
from bench.race.rounds import Rounds
from bench.records.schema import OPERATIONS, Entrant, Race
from bench.workers import messages
from bench.workers.pool import Workers
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
        return messages.Piloted({"train": 1e-3}) if asked[-1] is messages.Pilot else messages.Weighed(None, 0, 0, None)

    race = Rounds(answering(ask), SimpleNamespace(problem=pose(IRIS)))
    race._calls(three)
    race._weigh(three)
    assert asked == [messages.Pilot] * 3 + [messages.Weigh] * 3
    assert max(most) == 1


def test_a_race_is_begun_with_the_records_warm_up(three: list[Entrant]):
    asked = []

    def ask(entrant: Entrant, request: messages.Request) -> Any:
        asked.append(request)
        if isinstance(request, messages.Begin):
            raise KeyboardInterrupt
        return messages.Done()

    workers = answering(ask)
    workers.racing_cores, workers.record.settings.warm_up_seconds = [0], 0.3
    with pytest.raises(KeyboardInterrupt):
        Rounds(workers, SimpleNamespace(problem=pose(IRIS))).run(0, three, None)
    assert asked[-1].warm_up_seconds == 0.3


@pytest.mark.parametrize("pace, seconds", [("default", 0.02), ("rigorous", 0.1)])
def test_a_rigorous_race_asks_for_warmer_caches(pace: str, seconds: float):
    record, _ = new_record.new(Choice(["numpy"], [IRIS], ["cpu"], pace=pace))
    assert record.settings.warm_up_seconds == seconds


def test_a_round_goes_there_in_an_order_and_back_in_the_same_and_train_is_the_first_of_a_turn(
    three: list[Entrant], monkeypatch: pytest.MonkeyPatch
):
    taken: list[tuple[str, tuple[str, ...]]] = []

    def ask(entrant: Entrant, request: messages.Turn) -> messages.Turned:
        if isinstance(request, messages.Tally):
            return messages.Tallied(1.0, 0.0, 1, 0, 0)
        taken.append((entrant.label, tuple(request.calls)))
        return messages.Turned({operation: messages.Sample(1, 0.0, 0.0) for operation in request.calls})

    monkeypatch.setattr(rounds.checks, "timed_call_agrees", lambda *asked: True)
    workers = answering(ask)
    workers.record.settings.operations = list(OPERATIONS)
    three[0].mode = "compiled loop"
    workers.operations = partial(Workers.operations, workers)
    workers.record.settings.rounds = 6
    race = Race(0, IRIS, "float32", 0, {}, {operation: {} for operation in OPERATIONS})
    samples, _ = Rounds(workers, SimpleNamespace(problem=pose(IRIS)))._rounds(race, three)
    assert len(taken) == 6 * len(three)
    for pair in (taken[i : i + 6] for i in range(0, len(taken), 6)):
        assert [label for label, _ in pair[:3]] == [label for label, _ in pair[3:]][::-1]
        assert sorted(label for label, _ in pair[:3]) == sorted(LABELS)
        assert {operations[0] for _, operations in pair} == {"train"}
    for entrant in three:
        counts = {operation: len(found) for (label, operation), found in samples.items() if label == entrant.label}
        assert counts == dict.fromkeys(workers.operations(entrant), 6)
