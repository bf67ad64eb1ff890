"""The answer comes first, and is what the record says."""

import re

import msgspec
import numpy as np
import pytest

from bench.records.schema import Record
from bench.report import answer, cost
from bench.report.document import Ratio, Section
from bench.report.findings import groups_of
from bench.report.units import number
from bench.statistics import CONFIDENCE
from tests.reported import FEW, IRIS, MLP, table, texts
from tests.sample_record import fail, sample_record, step_seconds

LARGE = "factorisation/2000x1000r32"


def test_a_row_is_a_mode_with_autodiff_beside_numpy_and_the_fastest_stands_first(report: list[Section]):
    rows = table(report, "Ways of writing the loop").rows
    ratios = [row[1].key for row in rows]
    assert [row[0].value for row in rows][0] == "jax-scan"
    assert {row[0].value for row in rows} == {
        "autograd",
        "torch-eager",
        "torch-compile",
        "torch-scan",
        "jax-jit",
        "jax-scan",
    }
    assert ratios == sorted(ratios)
    assert texts(table(report, "Ways"))["torch-scan prototype"][0].endswith("faster")


def test_the_time_is_the_geometric_mean_over_the_problems():
    record = sample_record(FEW, [IRIS, MLP, LARGE], noise=0)
    (way,) = [
        w for w in answer.ways(groups_of(record)[0], record.settings.problems) if w.entrant.backend == "torch-eager"
    ]
    ratios = [step_seconds("torch-eager", p) / step_seconds("numpy", p) for p in (IRIS, MLP, LARGE)]
    assert way.overall.value == pytest.approx(float(np.exp(np.mean(np.log(ratios)))), rel=1e-3)


def test_what_was_picked_has_intervals_that_hold_together(sample: Record, report: list[Section]):
    rows = table(report, "Ways of writing the loop").rows
    assert {row[1].value.confidence for row in rows} == {1 - (1 - CONFIDENCE) / 6}
    (g,) = groups_of(sample)
    most = cost.with_the_most(g, cost.smallest_and_largest(g))
    column = most.headers.index("most")
    assert {row[column].value.confidence for row in most.rows} == {1 - (1 - CONFIDENCE) / (6 * len(g.problems))}
    largest = max((row for row in most.rows), key=lambda row: row[column].key)
    assert f"{largest[column].main} times the time by hand on `{largest[column + 1].value}`" in cost.lead(g)[0]


def test_the_headline_says_that_it_is_an_average_how_far_problems_range_and_how_many_go_which_way():
    record = sample_record(FEW, [IRIS, MLP, LARGE], slower={"jax-scan": 1.5, "torch-eager": 9.0})
    (g,) = groups_of(record)
    opening, mean, tally = answer.lead(g)
    way = answer.rivals(g, g.problems)[0].entrant
    each = [g.compare(way, g.reference, p, 3 * len(g.modes)) for p in g.problems]
    low, high = min(c.estimate.low for c in each), max(c.estimate.high for c in each)
    assert "on average over 3 problems" in opening
    assert f"range from {number(low)} to {number(high)}, so" in mean
    assert tally == "By problem it is faster on 2, slower on 1."
    assert sorted(c.verdict for c in each) == ["faster", "faster", "slower"]
    row = next(row for row in answer.section(g, []).parts[0].rows if row[0].value == way.backend)
    assert row[4].text == f"{number(low)} to {number(high)}", "the same range as in the table"
    assert answer.lead(groups_of(sample_record(FEW, [IRIS, MLP]))[0])[-1] == "By problem it is faster on all."
    (g,) = groups_of(sample_record(FEW, [IRIS]))
    assert len(answer.lead(g)) == 1 and "average" not in answer.lead(g)[0]


def test_one_that_misses_a_problem_says_so_and_leads_nothing():
    record = sample_record(FEW, [IRIS, MLP])
    cell = record.cell("jax-scan", MLP, "float32")
    cell.outcome, cell.samples = cell.outcome.__class__("crashed", "signal 11"), []
    (g,) = groups_of(record)
    assert answer.ways(g, [IRIS, MLP])[-1].entrant.backend == "jax-scan"
    assert "(1 of 2 problems)" in answer.section(g, []).parts[0].rows[-1][4].text
    assert "jax-scan" not in " ".join(answer.lead(g))


def test_advice_is_of_small_and_of_large_steps_and_absent_without_them():
    (g,) = groups_of(sample_record(FEW, [IRIS, MLP, LARGE]))
    small, large = answer.advice(g)
    assert re.search(r"^Small steps .*: use `jax-scan` \(0\.\d+ times `numpy`'s time on average\)\.$", small)
    assert large.startswith("Large steps")
    (g,) = groups_of(sample_record(FEW, [LARGE]))
    assert [sentence.split()[0] for sentence in answer.advice(g)] == ["Large"]
    (g,) = groups_of(sample_record(FEW, [IRIS, MLP]))
    assert [sentence.split()[0] for sentence in answer.advice(g)] == ["Small", "The"]
    always = "The gradient by hand is faster than autodiff on every problem in `torch-eager`"
    assert answer.advice(g)[1].startswith(always)
    (g,) = groups_of(sample_record(FEW, [IRIS, "factorisation/1000x100r10"]))
    assert answer.advice(g)[-1] == f"{always}, most on the smallest step."
    (g,) = groups_of(sample_record(FEW, [IRIS, MLP, LARGE]))
    assert always not in answer.advice(g), "by hand is not surely faster on the largest step"
    (g,) = groups_of(sample_record(FEW[1:], [IRIS, MLP]))
    assert answer.advice(g) == []


def test_where_every_way_with_autodiff_is_slower_numpy_is_advised():
    slower = {"torch-eager": 9.0, "jax-scan": 9.0}
    (g,) = groups_of(sample_record(FEW, [IRIS], slower=slower))
    assert "write the gradient by hand in `numpy`" in answer.advice(g)[0]


def test_advice_depends_on_the_problem_where_the_best_way_is_faster_on_one_and_slower_on_another():
    between = ["factorisation/1000x100r10", "mlp/1000x100-64-10"]
    record = sample_record(("numpy", "jax-scan"), between)
    slow = record.cell("jax-scan", between[0], "float32")
    slow.samples = [msgspec.structs.replace(s, nanoseconds=[3 * x for x in s.nanoseconds]) for s in slow.samples]
    (g,) = groups_of(record)
    assert answer.advice(g) == ["Between: it depends on the problem; see the pictures."]
    (g,) = groups_of(sample_record(("numpy", "jax-scan"), between))
    assert answer.advice(g)[0].startswith("Between: use `jax-scan` (0.8")


def test_every_way_that_is_advised_has_its_own_number():
    record = sample_record(("numpy", "jax-scan", "torch-scan"), [LARGE], slower={"numpy": 1.5}, noise=0.001)
    (g,) = groups_of(record)
    ratios = [number(w.overall.value) for w in answer.rivals(g, [LARGE])]
    assert len(ratios) == 2 and sorted(re.findall(r"\((\d\.\d+)", answer.advice(g)[0])) == sorted(ratios)


def test_one_way_alone_is_not_called_the_fastest():
    (g,) = groups_of(sample_record(("numpy", "jax-jit"), [IRIS, MLP]))
    assert answer.lead(g)[0].startswith("`jax-jit` is the only way with autodiff timed, on average over 2 problems: ")


def test_ways_that_cannot_be_told_apart_are_both_named():
    record = sample_record(("numpy", "jax-scan", "torch-scan"), [IRIS], slower={"jax-scan": 6.5 / 3.6})
    (g,) = groups_of(record)
    assert re.search(r"has the least time: .*`(jax|torch)-scan` cannot be told from it", answer.lead(g)[0])


def test_autodiff_cost_is_its_time_over_the_time_by_hand(report: list[Section]):
    row = texts(table(report, "Time with autodiff / by hand"))["torch-eager"]
    expected = step_seconds("torch-eager", IRIS) / step_seconds("torch-eager-by-hand", IRIS)
    value, verdict = re.fullmatch(r"([\d.]+) \[.*\] (\w+)", row[0]).groups()
    assert float(value) == pytest.approx(expected, rel=0.02)
    assert verdict == "slower"


@pytest.mark.parametrize(
    ("slower", "said"),
    [(3.0, "Autodiff costs most in `jax-scan`: "), (1.5, "The largest sure cost of autodiff is in `")],
)
def test_the_largest_cost_is_called_so_only_where_it_surely_is(slower: float, said: str):
    some = ("numpy", "jax-scan", "jax-scan-by-hand", "torch-scan", "torch-scan-by-hand")
    (g,) = groups_of(sample_record(some, [IRIS], slower={"jax-scan": slower, "torch-scan": 1.5}))
    assert cost.lead(g)[0].startswith(said)


def test_a_cost_within_the_margin_is_level_and_said_to_be_nothing():
    (g,) = groups_of(sample_record(FEW, [IRIS, MLP], noise=0.003))
    said = {sentence.split(":")[0]: sentence for sentence in cost.section(g).parts[-1].sentences}
    assert said["`jax-scan`"] == "`jax-scan`: autodiff costs nothing; level on 2 problems."


def test_the_cost_of_a_backend_that_failed_is_its_status():
    (nothing,) = groups_of(fail(fail(sample_record(FEW, [IRIS]), FEW[2], "crashed"), FEW[4], "crashed"))
    assert cost.with_the_most(nothing, cost.smallest_and_largest(nothing)).rows == []
    (g,) = groups_of(fail(sample_record(FEW, [IRIS]), "torch-eager-by-hand", "timed out"))
    assert texts(table([cost.section(g)], "Time with"))["torch-eager"] == ["timed out"]


def test_a_ratio_is_sorted_by_its_number_and_not_by_its_text(report: list[Section]):
    cells = [row[1] for row in table(report, "Ways").rows]
    assert all(isinstance(cell, Ratio) and cell.key == cell.value.value for cell in cells)
