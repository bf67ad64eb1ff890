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
from bench.statistics import Estimate

GENERATIONS, ROUNDS = 8, 6


@pytest.fixture(autouse=True)
def a_warning_is_an_error() -> Iterator[None]:
    """Fail where NumPy only warns: when it divides by zero or takes the mean of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def samples(generations, calls: int = 1) -> list[Samples]:
    """Return samples from a row of seconds a call for each generation."""
    return [
        Samples(generation=g, operation="train", calls=calls, nanoseconds=[round(s * calls * 1e9) for s in row])
        for g, row in enumerate(generations)
    ]


def noisy(rng: np.random.Generator, generations: int = GENERATIONS, rounds: int = ROUNDS) -> list[Samples]:
    return samples(0.005 * np.exp(0.02 * rng.standard_normal((generations, rounds))))


def between(low: float, high: float, freedom: float = 9.0) -> Estimate:
    """Return the estimate whose 95 % interval has these ends."""
    ends = np.log([low, high])
    return Estimate(float(ends.mean()), float(np.ptp(ends) / 2 / stats.t.ppf(0.975, freedom)), freedom)


def finite(*numbers) -> bool:
    return all(x is None or np.isfinite(x) for x in numbers)


# The estimate.


@pytest.mark.parametrize(
    ("ours", "theirs", "ratio"),
    [([2.0, 32.0, 32.0, 9.0, 2.5, 32.0], [1.0, 9.0, 1.1, 1.0], 2.0), ([0.003], [0.002] * 10, 1.5)],
    ids=["disturbed samples", "one sample and ten"],
)
def test_the_time_of_a_generation_is_that_of_its_fastest_sample(ours, theirs, ratio):
    found = statistics.ratio(samples([ours]), samples([theirs]))
    assert found is not None
    assert found.value == pytest.approx(ratio)


def test_a_ratio_is_the_quotient_of_two_times():
    rng = np.random.default_rng(0)
    a, b = noisy(rng), noisy(rng)
    assert statistics.ratio(a, b).value == pytest.approx(statistics.time_per_call(a) / statistics.time_per_call(b))


def test_how_much_longer_the_middle_sample_took_is_told_by_the_median_generation():
    assert statistics.middle_sample(samples([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [2.0, 3.0, 9.0]])) == 1.5


def test_a_batch_counts_by_the_call():
    found = statistics.ratio(samples([[0.001] * 4], calls=100), samples([[0.002] * 4], calls=7))
    assert found == Estimate(pytest.approx(np.log(0.5)))


def test_only_generations_that_both_were_in_are_compared():
    a, b = samples([[1.0] * 4, [3.0] * 4, [9.0] * 4]), samples([[1.0] * 4])
    assert statistics.log_ratios(a, b) == pytest.approx([0.0])
    assert statistics.ratio(a[1:], b) is None


def test_processes_of_the_same_code_are_averaged_generation_by_generation():
    a, b = samples([[1.0] * 4, [1.0] * 4]), samples([[1.0] * 4, [4.0] * 4])
    again = samples([[4.0] * 4, [16.0] * 4])
    assert statistics.log_ratios(a, b + again) == pytest.approx(-np.log([2.0, 8.0]))
    assert statistics.log_ratios(b + again[:1], a) == pytest.approx(np.log([2.0, 4.0])), "a process that ended early"


def test_the_interval_is_scipys():
    rng = np.random.default_rng(0)
    for size in (3, 8, 20):
        logs = rng.normal(0.1, 0.02, size)
        found = statistics.of_logs(logs)
        assert found is not None
        for confidence, ends in [(0.95, found.interval()), (0.99, found.among(5).interval())]:
            expected = np.exp(stats.t.interval(confidence, size - 1, logs.mean(), stats.sem(logs)))
            assert ends == pytest.approx(expected, rel=1e-12)


def test_the_interval_of_two_runs_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.1, 0.02, 5), rng.normal(0.0, 0.1, 9)
    found = statistics.of_two_runs(a, b)
    assert found is not None
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.interval() == pytest.approx(np.exp([expected.low, expected.high]), rel=1e-12)


def test_two_runs_without_spread_have_an_interval_of_no_width_and_those_of_two_generations_none():
    found = statistics.of_two_runs([1.0] * 3, [0.0] * 3)
    assert found is not None
    assert found.interval() == pytest.approx((np.e, np.e))
    assert statistics.of_two_runs([1.0, 1.0], [0.0] * 3) == Estimate(1.0)
    assert statistics.of_two_runs([], [0.0] * 3) is None


# How often it is wrong.

RUNS = 800


@pytest.fixture(scope="module")
def races() -> np.ndarray:
    """Return seconds [run, process, generation, round] of identical code, as measured on the machines this was made on.

    Every process has a speed of its own, and successive rounds correlate by 0.55.
    """
    rng = np.random.default_rng(0)
    shape = RUNS, 3, GENERATIONS, ROUNDS
    shocks, rounds = 0.02 * rng.standard_normal(shape), [np.zeros(shape[:-1])]
    for i in range(ROUNDS):
        rounds.append(0.55 * rounds[-1] + shocks[..., i])
    return 0.005 * np.exp(np.stack(rounds[1:], axis=-1) + 0.012 * rng.standard_normal((*shape[:-1], 1)))


def held(found: list[Estimate]) -> int:
    return sum(f.low <= 1 <= f.high for f in found)


@pytest.mark.parametrize("generations", [3, GENERATIONS])
def test_an_interval_holds_the_truth_in_95_of_100_races_although_rounds_correlate(races: np.ndarray, generations: int):
    given = races[:, :, :generations]
    times = held([statistics.ratio(samples(a), samples(b)) for a, b, _ in given])
    assert stats.binomtest(times, RUNS, 0.95).pvalue > 0.01, f"{times} of {RUNS}"
    naive = sum(stats.ttest_1samp(np.log(a / b).ravel(), 0).pvalue > 0.05 for a, b, _ in given)
    assert naive < 0.8 * RUNS, "rounds taken for independent: this data would not have shown the fault"


def test_a_second_process_of_one_side_narrows_the_interval_and_it_still_holds_the_truth(races: np.ndarray):
    one = [statistics.ratio(samples(a), samples(b)) for a, b, _ in races]
    two = [statistics.ratio(samples(a), samples(b) + samples(c)) for a, b, c in races]
    assert stats.binomtest(held(two), RUNS, 0.95).pvalue > 0.01
    assert np.mean([b.half_width / a.half_width for a, b in zip(one, two, strict=True)]) < 0.92


def test_intervals_among_several_hold_together():
    """Of ten comparisons all hold in 95 of 100 families; single intervals would in 60."""
    logs = np.random.default_rng(0).normal(0, 0.02, (400, 10, 8))
    families = [[statistics.of_logs(x).among(10) for x in family] for family in logs]
    times = sum(held(family) == 10 for family in families)
    assert stats.binomtest(times, 400, 0.95, alternative="less").pvalue > 0.01, f"{times} of 400"
    assert sum(held([f._replace(confidence=0.95) for f in family]) == 10 for family in families) < 0.75 * 400


# Verdicts.


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (between(0.85, 0.95), "faster"),
        (between(1.05, 1.15), "slower"),
        (between(0.995, 1.2), "unknown"),
        (between(0.8, 1.01), "unknown"),
        (between(0.98, 1.02), "level"),
        (between(1.001, 1.02), "level"),  # a difference that is real and does not matter
        (between(0.96, 1.02), "unknown"),
        (Estimate(np.log(2.0)), "unknown"),
        (None, "unknown"),
    ],
)
def test_a_verdict_follows_from_the_interval_alone(estimate: Estimate | None, verdict: str):
    assert statistics.verdict(estimate) == verdict


def test_level_is_two_one_sided_tests_at_five_percent():
    rng = np.random.default_rng(1)
    for logs in rng.normal(0.0, 0.03, (200, 8)):
        above = stats.ttest_1samp(logs, -np.log(1.03), alternative="greater").pvalue
        below = stats.ttest_1samp(logs, np.log(1.03), alternative="less").pvalue
        assert (statistics.verdict(statistics.of_logs(logs)) == "level") == (max(above, below) < 0.05)


@pytest.mark.parametrize("control", [between(0.98, 1.03), between(0.96, 1.02), between(1.02, 1.08)])
def test_no_verdict_is_finer_than_the_control(control: Estimate):
    reach = max(abs(np.log(end)) for end in control.interval())
    for log in np.linspace(-0.15, 0.15, 101):
        said = statistics.verdict(Estimate(log, 1e-9, 9.0), control, margin=0.0)
        assert said == ("unknown" if abs(log) <= reach else "faster" if log < 0 else "slower")


def test_a_verdict_among_many_is_as_careful_about_level_as_about_faster():
    apart, alike = between(1.001, 1.08), between(0.975, 1.025)
    assert statistics.verdict(apart) == "slower"
    assert statistics.verdict(alike) == "level"
    assert {statistics.verdict(x.among(50)) for x in (apart, alike)} == {"unknown"}


def test_the_smallest_slowdown_that_is_noticed_is_the_smallest_that_has_the_verdict():
    for control in (None, Estimate(0.02, 0.002, 9.0)):
        for error in (1e-4, 3e-3, 2e-2):
            shape = Estimate(0.0, error, 9.0).among(20)
            least = np.log(statistics.noticed_from(shape, control))
            for log, said in ((least + 1e-6, True), (least - 1e-6, False)):
                assert (statistics.verdict(shape._replace(log=log), control) == "slower") is said
    assert statistics.noticed_from(Estimate(0.0)) == statistics.NEVER


# Planning a longer run.


def test_the_variance_between_processes_is_told_from_that_of_their_rounds():
    rng = np.random.default_rng(0)
    within, across = rng.normal(0, 0.02, (2000, 6)), rng.normal(0, 0.02, (2000, 1))
    for logs, share in [(within, 0.0), (within + across, 6 / 7), (across + 0 * within, 1.0)]:
        assert statistics.between_processes(samples(np.exp(logs))) == pytest.approx(share, abs=0.06)
    assert statistics.between_processes(samples(np.exp(within[:2]))) is None


def test_the_generations_that_an_interval_takes_are_those_that_give_it():
    estimate = statistics.of_logs(np.random.default_rng(0).normal(0, 0.03, 10))
    needed = statistics.generations_for(0.01, estimate)
    deviation = estimate.error * np.sqrt(10)

    def half_width(generations: int) -> float:
        return stats.t.ppf(0.975, generations - 1) * deviation / np.sqrt(generations)

    assert half_width(needed) <= 0.01 < half_width(round(0.94 * needed) - 1)
    assert statistics.generations_for(1.0, estimate) == statistics.FEWEST_GENERATIONS
    assert statistics.generations_for(0.01, Estimate(0.0)) is None


# Defined results.


@pytest.mark.parametrize("generations", [1, 2])
def test_fewer_than_three_generations_give_a_ratio_without_an_interval(generations: int):
    rng = np.random.default_rng(0)
    found = statistics.ratio(noisy(rng, generations), noisy(rng, generations))
    assert found is not None
    assert found.value == pytest.approx(1, abs=0.05)
    assert (found.low, found.high, found.half_width) == (None, None, None)


def test_constant_samples_give_an_interval_of_no_width():
    found = statistics.ratio(samples([[0.003] * 10] * 3), samples([[0.002] * 10] * 3))
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((1.5, 1.5, 1.5))
    assert statistics.verdict(found) == "slower"


def test_an_outlier_of_a_thousand_times_moves_nothing():
    rng = np.random.default_rng(0)
    a, b = noisy(rng), noisy(rng)
    before = statistics.ratio(a, b)
    a[3].nanoseconds[4] *= 1000
    assert statistics.ratio(a, b) == pytest.approx(before, abs=0.01)
    assert statistics.time_per_call(a) == pytest.approx(0.005, rel=0.02)


def test_an_outlier_in_the_only_turn_of_a_generation_widens_the_interval_and_decides_nothing():
    rng = np.random.default_rng(0)
    a, b = noisy(rng, rounds=1), noisy(rng, rounds=1)
    a[3].nanoseconds[0] *= 1000
    found = statistics.ratio(a, b)
    assert found is not None
    assert finite(found.low, found.high, found.half_width)
    assert statistics.verdict(found) == "unknown"


nanoseconds = st.lists(st.lists(st.integers(1, 10**15), min_size=1, max_size=5), max_size=4)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(nanoseconds, nanoseconds)
def test_no_samples_give_nan(ours: list[list[int]], theirs: list[list[int]]):
    a, b = ([Samples(g, "train", 1, row) for g, row in enumerate(side)] for side in (ours, theirs))
    found = statistics.ratio(a, b)
    assert (found is None) == (not a or not b)
    if found is not None:
        assert finite(found.value, found.low, found.high, found.half_width)
        assert found.low is None or found.low <= found.value <= found.high
        assert statistics.verdict(found, found) in ("unknown", "level")
    assert all(finite(statistics.time_per_call([s]), statistics.middle_sample([s])) for s in a)


# Paying for a compilation.


@pytest.mark.parametrize("first_call", [0.0005, 0.02, 3.0])
def test_break_even_is_the_step_where_both_have_taken_as_long(first_call: float):
    per_step, other, in_call = 1e-5, 4e-5, 10
    steps = statistics.break_even(first_call, per_step, other, in_call)
    assert first_call + (steps - in_call) * per_step == pytest.approx(steps * other)


def test_what_is_no_faster_never_breaks_even_and_a_first_call_without_a_price_has_at_once():
    assert statistics.break_even(3.0, 4e-5, 4e-5, 10) == statistics.NEVER
    assert statistics.break_even(0.0, 5e-5, 4e-5, 10) == statistics.NEVER
    assert statistics.break_even(1e-4, 1e-5, 4e-5, 10) == 0
    assert statistics.break_even(0.5e-4, 1e-5, 4e-5, 10) == 0
