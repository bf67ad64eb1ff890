"""What the samples say is right where it can be known, and defined wherever there are samples."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench import statistics
from bench.records.schema import Samples
from bench.statistics import Interval

GENERATIONS, ROUNDS = 8, 10


@pytest.fixture(autouse=True)
def a_warning_is_an_error() -> Iterator[None]:
    """NumPy only warns when it divides by zero or takes the mean of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def samples(generations, calls: int = 1) -> list[Samples]:
    """A row of seconds a call for each generation."""
    return [
        Samples(generation=g, operation="train", calls=calls, nanoseconds=[round(s * calls * 1e9) for s in row])
        for g, row in enumerate(generations)
    ]


def noisy(rng: np.random.Generator, generations: int = GENERATIONS, rounds: int = ROUNDS) -> list[Samples]:
    return samples(0.005 * np.exp(0.02 * rng.standard_normal((generations, rounds))))


def finite(*numbers) -> bool:
    return all(x is None or np.isfinite(x) for x in numbers)


# The estimate.


def test_a_round_that_was_disturbed_does_not_spoil_the_one_back():
    """The median of the six log ratios is log 2; that of the three pairs' means would be log 8."""
    a, b = samples([[2.0, 32.0, 32.0, 2.0, 2.0, 2.0]]), samples([[1.0] * 6])
    assert statistics.ratio(a, b) == Interval(pytest.approx(2.0))


def test_a_drift_that_is_linear_over_a_pair_cancels():
    """In turns a b b a the second costs twice the first, and so on; both are the same code."""
    a, b = samples([[1.0, 8.0] * 5]), samples([[2.0, 4.0] * 5])
    found = statistics.ratio(a, b)
    assert found is not None
    assert found.value == pytest.approx(1.0, abs=1e-12)


def test_a_batch_counts_by_the_call():
    a, b = samples([[0.001] * 4], calls=100), samples([[0.002] * 4], calls=7)
    assert statistics.ratio(a, b) == Interval(pytest.approx(0.5))


def test_only_generations_that_both_were_in_are_compared():
    a, b = samples([[1.0] * 4, [3.0] * 4, [9.0] * 4]), samples([[1.0] * 4])
    assert statistics.ratio(a, b) == Interval(pytest.approx(1.0))
    assert statistics.ratio(a[1:], b) is None


def test_processes_of_the_same_code_are_averaged_generation_by_generation():
    a, b = samples([[1.0] * 4, [1.0] * 4]), samples([[1.0] * 4, [4.0] * 4])
    again = samples([[4.0] * 4, [16.0] * 4])
    assert statistics.log_ratios(a, b + again) == pytest.approx(-np.log([2.0, 8.0]))
    assert statistics.log_ratios(b + again, a) == pytest.approx(np.log([2.0, 8.0]))
    assert statistics.log_ratios(b + again[:1], a) == pytest.approx(np.log([2.0, 4.0])), "a process that ended early"


def test_the_interval_is_scipys():
    rng = np.random.default_rng(0)
    for size in (3, 8, 20):
        logs = rng.normal(0.1, 0.02, size)
        low, high = stats.t.interval(0.95, size - 1, logs.mean(), stats.sem(logs))
        assert statistics.of_logs(logs) == pytest.approx(np.exp([logs.mean(), low, high]), rel=1e-12)


def test_the_spread_is_the_median_and_the_quartiles_of_all_samples():
    found = statistics.spread(samples([[1.0, 2.0, 3.0], [4.0, 5.0]]))
    assert found == pytest.approx((3.0, 2.0, 4.0))


# How often it is wrong.


def correlated(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Log seconds [run, entrant, generation, round] of identical code, as measured on the machines this was made on.

    Every process has a speed of its own, and successive rounds correlate by 0.55.
    """
    shape = runs, 2, GENERATIONS, ROUNDS
    shocks, rounds = 0.02 * rng.standard_normal(shape), [np.zeros(shape[:-1])]
    for i in range(ROUNDS):
        rounds.append(0.55 * rounds[-1] + shocks[..., i])
    return np.stack(rounds[1:], axis=-1) + 0.012 * rng.standard_normal((*shape[:-1], 1))


def test_an_interval_holds_the_truth_in_95_of_100_races_although_rounds_correlate():
    runs = 1500
    races, held, naive = np.exp(correlated(np.random.default_rng(0), runs)) * 0.005, 0, 0
    for a, b in races:
        found = statistics.ratio(samples(a), samples(b))
        assert found is not None
        held += found.low <= 1 <= found.high
        naive += stats.ttest_1samp(np.log(a / b).ravel(), 0).pvalue > 0.05
    assert stats.binomtest(held, runs, 0.95).pvalue > 0.01, f"{held} of {runs}"
    assert naive < 0.75 * runs, "rounds taken for independent: this data would not have shown the fault"


def test_a_second_process_of_one_side_narrows_the_interval_and_it_still_holds_the_truth():
    runs = 1500
    races, again = (np.exp(correlated(np.random.default_rng(seed), runs)) * 0.005 for seed in (0, 1))
    held, narrower = 0, []
    for (a, b), (other, _) in zip(races, again, strict=True):
        one, two = (statistics.ratio(samples(a), of_b) for of_b in (samples(b), samples(b) + samples(other)))
        assert one is not None
        assert two is not None
        held += two.low <= 1 <= two.high
        narrower.append(two.half_width / one.half_width)
    assert stats.binomtest(held, runs, 0.95).pvalue > 0.01, f"{held} of {runs}"
    assert np.mean(narrower) < 0.92


def test_three_generations_are_enough_for_an_honest_interval():
    runs = 1500
    races = np.exp(correlated(np.random.default_rng(1), runs))[:, :, :3]
    found = [statistics.ratio(samples(a), samples(b)) for a, b in races]
    held = sum(f.low <= 1 <= f.high for f in found)
    assert stats.binomtest(held, runs, 0.95).pvalue > 0.01, f"{held} of {runs}"


# Verdicts.


@pytest.mark.parametrize("control", [Interval(1.0, 0.98, 1.03), Interval(0.99, 0.96, 1.02), Interval(1.05, 1.02, 1.08)])
def test_no_verdict_is_finer_than_the_control(control: Interval):
    reach = max(abs(np.log(end)) for end in control)
    for log in np.linspace(-0.15, 0.15, 301):
        tight = Interval(*np.exp([log, log - 1e-6, log + 1e-6]))
        decided = abs(log) > max(reach, 1e-6)
        expected = "undecided" if not decided else "faster" if log < 0 else "slower"
        assert statistics.verdict(tight, control) == expected


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(0.9, 0.85, 0.95), "faster"),
        (Interval(1.1, 1.05, 1.15), "slower"),
        (Interval(1.1, 1.0, 1.2), "undecided"),
        (Interval(0.9, 0.8, 1.01), "undecided"),
        (Interval(2.0), "undecided"),
        (None, "undecided"),
    ],
)
def test_a_verdict_follows_from_the_interval_alone(interval: Interval | None, verdict: str):
    assert statistics.verdict(interval) == verdict


# Defined results.


@pytest.mark.parametrize("generations", [1, 2])
def test_fewer_than_three_generations_give_a_ratio_without_an_interval(generations: int):
    rng = np.random.default_rng(0)
    found = statistics.ratio(noisy(rng, generations), noisy(rng, generations))
    assert found is not None
    assert found.value == pytest.approx(1, abs=0.05)
    assert (found.low, found.high, found.half_width) == (None, None, None)


@pytest.mark.parametrize("generations", [1, 3, 8])
def test_constant_samples_give_an_interval_of_no_width(generations: int):
    a, b = samples([[0.003] * 10] * generations), samples([[0.002] * 10] * generations)
    found = statistics.ratio(a, b)
    bounds = [1.5, 1.5] if generations >= 3 else [None, None]
    assert found == (pytest.approx(1.5), *(x and pytest.approx(x) for x in bounds))
    assert statistics.verdict(found) == ("slower" if generations >= 3 else "undecided")
    assert statistics.spread(a) == pytest.approx((0.003,) * 3)


def test_one_sample_is_enough_for_a_median_and_a_ratio():
    a, b = samples([[0.003]]), samples([[0.002]])
    assert statistics.spread(a) == pytest.approx((0.003,) * 3)
    assert statistics.ratio(a, b) == Interval(pytest.approx(1.5))
    assert statistics.ratio(a, samples([[0.002] * 10])) == Interval(pytest.approx(1.5))


def test_an_outlier_of_a_thousand_times_moves_nothing():
    rng = np.random.default_rng(0)
    a, b = noisy(rng), noisy(rng)
    before = statistics.ratio(a, b)
    a[3].nanoseconds[4] *= 1000
    after = statistics.ratio(a, b)
    assert before is not None
    assert after is not None
    assert after == pytest.approx(before, abs=0.01)
    assert statistics.spread(a).median == pytest.approx(0.005, rel=0.01)


def test_an_outlier_in_the_only_pair_of_a_generation_widens_the_interval_and_decides_nothing():
    rng = np.random.default_rng(0)
    a, b = noisy(rng, rounds=2), noisy(rng, rounds=2)
    a[3].nanoseconds[1] *= 1000
    found = statistics.ratio(a, b)
    assert found is not None
    assert finite(*found, found.half_width)
    assert statistics.verdict(found) == "undecided"


nanoseconds = st.lists(st.lists(st.integers(1, 10**15), min_size=1, max_size=5), max_size=4)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(nanoseconds, nanoseconds)
def test_no_samples_give_nan(ours: list[list[int]], theirs: list[list[int]]):
    a, b = ([Samples(g, "train", 1, row) for g, row in enumerate(side)] for side in (ours, theirs))
    found = statistics.ratio(a, b)
    assert (found is None) == (not a or not b)
    if found is not None:
        assert finite(*found, found.half_width)
        assert found.low is None or found.low <= found.value <= found.high
        assert statistics.verdict(found, found) == "undecided"
    assert all(finite(*statistics.spread([s])) for s in a)


# Paying for a compilation.


@pytest.mark.parametrize("first_call", [0.0005, 0.02, 3.0])
def test_break_even_is_the_step_where_both_have_taken_as_long(first_call: float):
    per_step, other, in_call = 1e-5, 4e-5, 10
    steps = statistics.break_even(first_call, per_step, other, in_call)
    assert steps is not None
    compiled = first_call + (steps - in_call) * per_step
    assert compiled == pytest.approx(steps * other)


def test_what_is_no_faster_never_breaks_even():
    assert statistics.break_even(3.0, 4e-5, 4e-5, 10) == statistics.NEVER
    assert statistics.break_even(0.0, 5e-5, 4e-5, 10) == statistics.NEVER


def test_a_first_call_without_a_price_has_paid_at_once():
    assert statistics.break_even(1e-4, 1e-5, 4e-5, 10) == 0
    assert statistics.break_even(0.5e-4, 1e-5, 4e-5, 10) == 0
