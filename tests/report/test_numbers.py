"""The report computes what the record says: ratios with intervals, what the first call costs, fits."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bench.records.schema import Samples
from bench.report import scaling, start, sweep, tables, units, words
from bench.report.findings import overheads
from bench.statistics import NEVER, Interval, welch
from tests.reported import IRIS, PAIR, entrant, only, reported
from tests.sample_record import sample_record, step_seconds


def test_the_overhead_is_the_time_over_that_of_the_twin_by_hand():
    f = only(sample_record(PAIR, [IRIS], noise=0))
    (found,) = overheads(f, IRIS)
    assert found.interval is not None
    assert found.interval.value == pytest.approx(step_seconds(PAIR[0], IRIS) / step_seconds(PAIR[1], IRIS), rel=1e-4)
    assert (found.a.backend, found.b.backend, found.verdict) == (*PAIR, "slower")


def test_a_twin_of_ones_own_is_the_factory_whose_name_says_so():
    f = only(sample_record(["numpy", "mine:f", "mine:f_by_hand", "mine:g"], [IRIS], noise=0))
    (found,) = overheads(f, IRIS)
    assert (found.a.backend, found.b.backend) == ("mine:f", "mine:f_by_hand")


def test_an_interval_is_students_over_the_generations():
    record = sample_record(PAIR, [IRIS], generations=3, noise=0)
    logs = np.log([2.0, 2.1, 2.3])
    for cell, ratios in zip(record.cells, (np.exp(logs), np.ones(3)), strict=False):
        cell.samples = [Samples(g, "train", 1, [round(1e9 * r)] * 4) for g, r in enumerate(ratios)]
    (found,) = overheads(only(record), IRIS)
    low, high = stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs))
    assert found.interval == pytest.approx(np.exp([logs.mean(), low, high]), rel=1e-6)


def test_against_any_other_the_reference_and_its_control_are_two_processes_of_one_code():
    seconds = {"numpy": 1.0, "control": 1.21, "torch-eager": 2.2, "torch-eager-by-hand": 1.1}
    record = sample_record(["numpy", *PAIR], [IRIS], noise=0)
    for cell in record.cells:
        cell.samples = [Samples(g, "train", 1, [round(seconds[cell.entrant] * 1e9)] * 4) for g in range(8)]
    f = only(record)
    reference, eager, twin = (entrant(f, backend) for backend in ("numpy", *PAIR))
    assert f.control is not None
    assert f.ratio(eager, reference, IRIS) == pytest.approx([2.0] * 3)
    assert f.ratio(reference, eager, IRIS) == pytest.approx([0.5] * 3)
    assert f.ratio(eager, twin, IRIS) == pytest.approx([2.0] * 3)
    assert f.control_interval(IRIS) == pytest.approx([1.21] * 3)
    assert f.ratio(f.control, twin, IRIS) == pytest.approx([1.1] * 3), "the control's own row is the control's"


def test_a_ratio_within_the_spread_of_the_control_gets_no_verdict():
    record = sample_record(PAIR, [IRIS], noise=0)
    cells = {cell.entrant: cell for cell in record.cells}
    for label, factor in (("torch-eager", 1.02), ("torch-eager-by-hand", 1.0), ("control", 1.05)):
        cells[label].samples = [Samples(g, "train", 1, [round(factor * 1e9)] * 4) for g in range(8)]
    (found,) = overheads(only(record), IRIS)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(1.02)
    assert found.verdict == "undecided"
    cells["control"].samples = [Samples(g, "train", 1, [round(1.02 * 1e9)] * 4) for g in range(8)]
    assert overheads(only(record), IRIS)[0].verdict == "slower", "the control is as slow as what it is a copy of"
    record.entrants = [e for e in record.entrants if not e.control]
    assert overheads(only(record), IRIS)[0].verdict == "slower"


def test_time_per_step_is_the_call_over_its_steps():
    f = only(sample_record(["numpy"], [IRIS], noise=0))
    assert f.median(entrant(f, "numpy"), IRIS) == pytest.approx(step_seconds("numpy", IRIS), rel=1e-4)


def test_the_gradient_is_held_against_the_loss():
    f = only(sample_record(["numpy"], [IRIS], noise=0))
    found = f.ratio(f.racers[0], f.racers[0], IRIS, "value_and_grad", "loss")
    assert found is not None
    assert found.value == pytest.approx(2.7, rel=1e-3)


def test_the_first_call_is_paid_for_when_the_steps_have_saved_it():
    f = only(sample_record(["numpy", "jax-scan", "torch-compile"], [IRIS], noise=0))
    saved = step_seconds("numpy", IRIS) - step_seconds("jax-scan", IRIS)
    found = start.breaks_even(f, entrant(f, "jax-scan"), IRIS, "cold")
    assert found is not None
    assert found == pytest.approx((0.3 / saved,) * 3, rel=0.01)
    slower = start.breaks_even(f, entrant(f, "torch-compile"), IRIS, "cold")
    assert slower is not None
    assert words.steps(slower) == "never"
    assert start.breaks_even(f, entrant(f, "numpy"), IRIS, "cold") is None


def test_what_pays_in_some_generations_alone_says_so():
    assert words.steps(start.BreakEven(1200, 900, NEVER)) == "1.20k [900, never]"


def test_against_size_the_measured_points_are_shown_and_no_line_through_them():
    sizes = [f"factorisation/{s}" for s in ("iris", "digits", "1000x100r10", "2000x1000r32")]
    f = only(sample_record(["numpy", "jax-scan"], sizes, noise=0))
    section = scaling.sizes(f)
    assert section is not None
    (table,) = section.tables
    assert list(table.headers) == ["backend", "iris", "digits", "1000x100r10", "2000x1000r32", "overtakes at"]
    medians = [units.seconds(f.median(entrant(f, "jax-scan"), p) or 0) for p in sizes]
    assert list(table.rows[1]) == ["jax-scan", *medians, "every size"]


@pytest.mark.parametrize(
    ("ours", "expected"),
    [([1, 1, 1], sweep.ALWAYS), ([3, 3, 3], NEVER), ([4, 1, 1], 1e3), ([1, 1, 3], NEVER)],
)
def test_the_size_of_overtaking_lies_between_the_sizes_measured(ours: list[float], expected: float):
    flops = [1e2, 1e4, 1e6]
    mine = [sweep.Point(str(x), x, float(t)) for x, t in zip(flops, ours, strict=True)]
    found = sweep.overtakes(mine, [sweep.Point(str(x), x, 2.0) for x in flops])
    assert found == pytest.approx(expected)


def test_the_share_of_the_limit_is_the_larger_bound_over_the_time():
    f = only(sample_record(["numpy"], [IRIS], noise=0))
    moved, work = 4 * (600 + 2 * 2 * 154) / 1.2e10, 7200 / 9e10
    found = sweep.share_of_limit(f, f.racers[0], IRIS)
    assert found == pytest.approx(max(moved, work) / step_seconds("numpy", IRIS), rel=1e-4)


def test_welch_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.1, 0.01, 8), rng.normal(0.0, 0.03, 5)
    low, high = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.99)
    assert welch(list(a), list(b), 0.99) == pytest.approx((np.exp(a.mean() - b.mean()), np.exp(low), np.exp(high)))
    assert welch([], [1.0]) is None
    assert welch([0.0, 0.0], [0.0] * 8) == Interval(1.0)
    assert welch([0.5] * 3, [0.0] * 3) == pytest.approx((np.exp(0.5),) * 3)


def test_below_three_generations_no_interval_is_made_up(tmp_path: Path):
    _, printed, _ = reported(sample_record(PAIR, [IRIS], generations=2), tmp_path)
    assert re.search(r"torch-eager +2\.\d\d \[\?, \?\] +undecided", printed)


def test_what_autodiff_costs_a_step_has_the_sign_of_the_ratio_where_the_medians_differ_the_other_way():
    record = sample_record(PAIR, [IRIS], generations=5, noise=0, control=False)
    steps = record.problems[0].timed_steps
    original, twin = [0.135, 0.135, 0.99, 13.5, 13.5], [0.1, 0.1, 1.0, 10.0, 10.0]
    for cell, times in zip(record.cells, (original, twin), strict=True):
        cell.samples = [Samples(g, "train", 1, [round(1e6 * steps * t)] * 4) for g, t in enumerate(times)]
    f = only(record)
    (found,) = overheads(f, IRIS)
    assert found.interval is not None
    with_autodiff, by_hand = (f.median(e, IRIS) or 0 for e in (found.a, found.b))
    assert found.verdict == "slower"
    assert 0 < with_autodiff < by_hand
    value, low, high = ((x - 1) * by_hand for x in found.interval if x is not None)
    section = tables.overhead(f)
    assert section is not None
    assert section.tables[0].rows[0][-1] == units.seconds(value, (low, high))
