"""A race: on one core entrants take turns, in rounds there and back."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from bench.operations import OPERATIONS
from bench.plan.new_record import new_record
from bench.plan.selection import Selection
from bench.race import refusals, rounds
from bench.race.rounds import MOST_CALLS, MOST_SAMPLES, Raced, Rounds
from bench.records.schema import Entrant, Settings
from bench.resources import Resources
from bench.workers import messages
from bench.workers.cores import Cores
from bench.workers.pool import Pool
from bench.workers.process import Failed, Remote
from tests.agreement.judging import reference

THREE = [Entrant(label, "numpy", Resources(), "float32") for label in ("a", "b", "c")]
LOOP, A, B = "a", "b", "c"
"""The first is a compiled loop."""


class Workers(Pool):
    """A pool whose processes answer at once; `asked` is what they were asked, by the entrant's label."""

    def __init__(self, change: Callable[[str, str, Any], Any] = lambda label, method, answer: answer) -> None:
        self.cores, self.asked, self._change = Cores([0], [0], [0]), [], change
        loops = {LOOP: "compiled loop"}
        self._processes = {
            e.key: SimpleNamespace(
                loaded=messages.Loaded(0.1, loops.get(e.label, "eager"), {}, False, list(OPERATIONS)),
                kill=lambda label=e.label: self.asked.append((label, "killed", ())),
            )
            for e in THREE
        }

    def ask(self, entrant: Entrant) -> Remote:
        def told(method: str, *given: Any) -> Any:
            self.asked.append((entrant.label, method, given))
            return self._change(entrant.label, method, answer(method, *given))

        return Remote(told)

    def of_kind(self, kind: str) -> list[tuple[str, Any]]:
        """Return the requests of a kind: the entrant's label, and what was given."""
        return [(label, given) for label, method, given in self.asked if method == kind]


def answer(method: str, *given: Any) -> Any:
    match method:
        case "pilot":
            return dict.fromkeys(given[0], 3e-4)
        case "turn":
            end = reference("factorisation").timed
            calls, samples, _ = given
            return {op: [messages.Sample(1000, *end[op])] * samples[op] for op in calls}
        case "tally":
            return messages.Tallied(1.0, 0.0, 1, 0, 0)
        case "transfer":
            return messages.Transferred(None, 1e-3, 1e-3, None)
    return None


def raced(
    workers: Workers, generation: int = 0, rounds: int = 6, operations: Sequence[str] = tuple(OPERATIONS)
) -> Raced:
    of = reference("factorisation")
    settings = Settings(
        generations=2,
        rounds=rounds,
        warm_up_seconds=0.3,
        seed=0,
        operations={of.problem.name: list(operations)},
        problems=[of.problem.name],
        backends=["numpy"],
        resources=[Resources()],
        dtypes=["float32"],
        allocators=["default"],
    )
    return Rounds(workers, of, settings).race(generation, THREE, None)


def test_a_round_goes_there_in_an_order_and_back_in_the_same_and_train_is_the_first_of_a_turn():
    workers = Workers()
    samples = raced(workers).samples
    turns = [(label, list(calls)) for label, (calls, _, _) in workers.of_kind("turn")]
    assert len(turns) == 6 * 3
    for pair in (turns[i : i + 6] for i in range(0, len(turns), 6)):
        there, back = [label for label, _ in pair[:3]], [label for label, _ in pair[3:]]
        assert there == back[::-1]
        assert sorted(there) == ["a", "b", "c"]
    assert {tuple(operations) for label, operations in turns if label == LOOP} == {("train",)}
    assert {tuple(operations) for label, operations in turns if label != LOOP} == {tuple(OPERATIONS)}
    assert next(iter(OPERATIONS)) == "train"
    for label, of in samples.items():
        expected = ["train"] if label == LOOP else list(OPERATIONS)
        assert [(s.operation, len(s.nanoseconds)) for s in of] == [
            (operation, 6 * MOST_SAMPLES) for operation in expected
        ]


def test_each_round_has_a_new_order_and_every_turn_new_starts():
    workers = Workers()
    raced(workers, rounds=60)
    turns = workers.of_kind("turn")
    orders = {tuple(label for label, _ in turns[i : i + 3]) for i in range(0, len(turns), 6)}
    assert len(orders) == 6
    assert len({seed for _, (_, _, seed) in turns}) == len(turns)


def test_order_and_starts_repeat_by_the_seed_and_are_others_in_another_generation():
    def turns(generation: int) -> list:
        workers = Workers()
        raced(workers, generation)
        return [(label, seed) for label, (_, _, seed) in workers.of_kind("turn")]

    assert turns(1) == turns(1) != turns(2)


def test_short_calls_are_batched_into_samples_of_a_millisecond():
    found = raced(Workers()).race.calls
    assert found == {"train": dict.fromkeys("abc", 4), "loss": {A: 4, B: 4}, "value_and_grad": {A: 4, B: 4}}
    instant = Workers(lambda label, method, told: {"train": 1e-9} if method == "pilot" else told)
    assert raced(instant, operations=["train"]).race.calls == {"train": dict.fromkeys("abc", MOST_CALLS)}


@pytest.mark.parametrize(("seconds", "samples"), [(1e-5, 8), (2e-3, 8), (4.5e-3, 4), (12e-3, 1), (3.0, 1)])
def test_a_turn_has_as_many_samples_as_fit_into_20_ms_one_at_least_and_eight_at_most(seconds: float, samples: int):
    workers = Workers(lambda label, method, told: {"train": seconds} if method == "pilot" else told)
    found = raced(workers, operations=["train"])
    assert found.race.samples == {"train": dict.fromkeys("abc", samples)}
    assert {len(of[0].nanoseconds) for of in found.samples.values()} == {6 * samples}


def test_all_are_pinned_to_the_core_and_begin_with_the_records_warm_up():
    workers = Workers()
    raced(workers)
    assert [cores for _, (cores,) in workers.of_kind("pin")] == [[0]] * 3
    assert [warm_up_seconds for _, (_, _, warm_up_seconds) in workers.of_kind("begin")] == [0.3] * 3


def test_transfers_are_measured_in_the_first_generation_alone():
    assert raced(Workers()).transferred.keys() == {"a", "b", "c"}
    assert raced(Workers(), generation=1).transferred == {}


def wrong_for(label: str, kind: str, told: Any) -> Callable[[str, str, Any], Any]:
    """Return the change of what one entrant answers; an error is raised."""

    def change(who: str, method: str, right: Any) -> Any:
        if who == label and method == kind:
            if isinstance(told, Exception):
                raise told
            return told
        return right

    return change


def test_a_timed_call_that_ends_elsewhere_disagrees_and_leaves_no_sample():
    right = messages.Sample(1000, *reference("factorisation").timed["train"])
    elsewhere = {"train": [right, messages.Sample(1000, 1e6, 0.0), right]}
    found = raced(Workers(wrong_for(B, "turn", elsewhere)), operations=["train"])
    assert found.failed[B].outcome.status == "disagrees"
    assert (
        "a timed call of train ended on loss 1000000, 0 from its start, instead of " in found.failed[B].outcome.reason
    )
    assert found.samples.keys() == {LOOP, A}


@pytest.mark.parametrize(
    ("tally", "reason"),
    [
        (messages.Tallied(1.2, 0.0, 2, 0, 0), "used 1.20 cores during its turns, where 1 was allowed"),
        (messages.Tallied(1.0, 0.3, 1, 0, 0), "computed for 30 % of the time in which others had their turn"),
        (messages.Tallied(1.0, 0.0, 1, 2, 0), "compiled 2 programs inside timed turns"),
        (messages.Tallied(1.0, 0.0, 1, 0, 1), "left its core: one of its threads may run on another"),
    ],
)
def test_an_entrant_that_breaks_a_rule_is_refused_and_leaves_no_sample(tally: messages.Tallied, reason: str):
    found = raced(Workers(wrong_for(B, "tally", tally)))
    assert found.failed[B].outcome.status == "failed"
    assert found.failed[B].outcome.reason.startswith(reason)
    assert found.samples.keys() == {LOOP, A}


def test_an_entrant_that_ends_in_its_turn_is_asked_no_more_and_the_others_go_on():
    workers = Workers(wrong_for(B, "turn", Failed("crashed", "the process ended")))
    found = raced(workers)
    assert found.samples.keys() == {LOOP, A}
    assert sum(label == B for label, _ in workers.of_kind("turn")) == 1


def test_a_race_in_which_one_got_too_little_of_its_core_is_repeated_once_without_its_samples(monkeypatch):
    monkeypatch.setattr(refusals, "FEWEST_CORES_USED", 0.9)
    monkeypatch.setattr(rounds.Watch, "cause", lambda watch: "something else ran")
    workers = Workers(wrong_for(B, "tally", messages.Tallied(0.5, 0.0, 1, 0, 0)))
    found = raced(workers)
    assert (found.race.attempts, found.race.starved, found.race.cause) == (2, {B: 0.5}, "something else ran")
    assert len(workers.of_kind("turn")) == 2 * 6 * 3
    assert found.samples.keys() == {LOOP, A}
    assert found.failed == {}


def test_where_several_threads_race_all_of_them_wake_up_first(monkeypatch):
    monkeypatch.setattr("bench.plan.selection.cores.usable_cores", lambda: [0, 1])
    record, _ = new_record(Selection(["numpy"], ["factorisation/iris"], ["cpu"], [1, 2]))
    assert record.settings.warm_up_seconds == 0.1


@pytest.mark.parametrize(("pace", "seconds"), [("default", 0.005), ("rigorous", 0.1)])
def test_a_rigorous_race_asks_for_warmer_caches(pace: str, seconds: float):
    record, _ = new_record(Selection(["numpy"], ["factorisation/iris"], ["cpu"], pace=pace))
    assert record.settings.warm_up_seconds == seconds
