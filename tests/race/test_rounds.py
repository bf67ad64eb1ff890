"""A race: on one core entrants take turns, in rounds there and back."""

from collections.abc import Callable, Mapping, Sequence
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
from bench.workloads import pose
from tests.agreement.judging import reference
from tests.sample_record import sample_record

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


UNDISTURBED = {(e.label, operation): 1.0 for e in THREE for operation in OPERATIONS}
"""As fast as nothing is slower than in an earlier generation."""


def raced(
    workers: Workers,
    generation: int = 0,
    rounds: int = 6,
    operations: Sequence[str] = tuple(OPERATIONS),
    fastest: Mapping[tuple[str, str], float] = UNDISTURBED,
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
    return Rounds(workers, of, settings).race(generation, THREE, None, fastest)


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


CALL = 1000e-9 / 4
"""The seconds per call of every sample, of four calls."""


@pytest.mark.parametrize(("earlier", "turns"), [(CALL, 6), (CALL / 1.02, 6), (CALL / 1.04, 18)])
def test_an_entrant_that_was_faster_in_an_earlier_generation_takes_more_turns_at_most_twice_as_many(earlier, turns):
    workers = Workers()
    found = raced(workers, fastest=UNDISTURBED | {(B, "loss"): earlier, (A, "train"): CALL, ("other", "train"): 1e-12})
    taken = [label for label, _ in workers.of_kind("turn")]
    assert {label: taken.count(label) for label in (LOOP, A, B)} == {LOOP: 6, A: 6, B: turns}
    assert [len(samples.nanoseconds) for samples in found.samples[B]] == [turns * MOST_SAMPLES] * 3


def test_in_the_first_generation_all_take_more_turns_in_random_orders():
    workers = Workers()
    raced(workers, fastest={})
    taken = [label for label, _ in workers.of_kind("turn")]
    assert len(taken) == 18 * 3
    assert len({tuple(taken[i : i + 3]) for i in range(18, 54, 3)}) > 2


def test_it_takes_no_more_turns_than_until_one_is_as_fast_as_before():
    of_b = iter([1000] * 8 + [900] + [1000] * 10)
    end = reference("factorisation").timed["train"]

    def change(label: str, method: str, told: Any) -> Any:
        return {"train": [messages.Sample(next(of_b), *end)]} if (label, method) == (B, "turn") else told

    found = raced(Workers(change), operations=["train"], fastest=UNDISTURBED | {(B, "train"): 900e-9 / 4})
    assert found.samples[B][0].nanoseconds == [1000] * 8 + [900]


def test_short_calls_are_batched_into_samples_of_a_millisecond():
    found = raced(Workers()).race.calls
    assert found == {"train": dict.fromkeys("abc", 4), "loss": {A: 4, B: 4}, "value_and_grad": {A: 4, B: 4}}
    instant = Workers(lambda label, method, told: {"train": 1e-9} if method == "pilot" else told)
    assert raced(instant, operations=["train"]).race.calls == {"train": dict.fromkeys("abc", MOST_CALLS)}


@pytest.mark.parametrize(("seconds", "samples"), [(1e-5, 4), (2e-3, 4), (7e-3, 3), (12e-3, 2), (3.0, 1)])
def test_a_turn_has_as_many_samples_as_fill_20_ms_and_four_at_most(seconds: float, samples: int):
    workers = Workers(lambda label, method, told: {"train": seconds} if method == "pilot" else told)
    found = raced(workers, operations=["train"])
    assert found.race.samples == {"train": dict.fromkeys("abc", samples)}
    assert {len(of[0].nanoseconds) for of in found.samples.values()} == {6 * samples}


def test_copies_of_one_backend_have_the_same_plan_that_of_the_fastest_though_a_pilot_is_disturbed():
    disturbed = Workers(
        lambda label, method, told: {"train": {"a": 4e-4, "b": 9e-4, "c": 7e-3}[label]} if method == "pilot" else told
    )
    found = raced(disturbed, operations=["train"]).race
    assert (found.calls, found.samples) == ({"train": dict.fromkeys("abc", 3)}, {"train": dict.fromkeys("abc", 4)})


def test_the_fastest_sample_so_far_is_of_one_problem_by_operation_over_all_generations():
    record = sample_record(["numpy"], ["factorisation/iris", "mlp/iris"], control=False)
    samples = record.cell("numpy", "mlp/iris", "float32").samples
    least = {o: min(min(s.nanoseconds) for s in samples if s.operation == o) / 1e10 for o in OPERATIONS}
    expected = {("numpy", operation): pytest.approx(time) for operation, time in least.items()}
    assert rounds.fastest_so_far(record, pose("mlp/iris")) == expected


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
