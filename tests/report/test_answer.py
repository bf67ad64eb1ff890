"""The answer comes first, and is what the record says."""

import re

import numpy as np
import pytest

from bench.records.schema import Record
from bench.report import answer, cost
from bench.report.document import Ratio, Section
from bench.report.findings import groups_of
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
    (value, least) = re.findall(r"[\d.]+(?= times)|(?<=at least )[\d.]+\d", cost.lead(g)[0])
    single = g.compare(*g.twins[0], IRIS).estimate
    assert float(least) < single.low < float(value)


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
    small, large, by_hand = answer.advice(g)
    assert small.startswith("Small steps") and "use `jax-scan`" in small
    assert large.startswith("Large steps")
    assert by_hand.endswith("in `torch-eager`, most in `torch-eager`.")
    (g,) = groups_of(sample_record(FEW, [LARGE]))
    assert [sentence.split()[0] for sentence in answer.advice(g)] == ["Large"]
    (g,) = groups_of(sample_record(FEW, [IRIS, MLP]))
    assert [sentence.split()[0] for sentence in answer.advice(g)] == ["Small", "Writing"]
    (g,) = groups_of(sample_record(FEW[1:], [IRIS, MLP]))
    assert answer.advice(g) == []


def test_where_every_way_with_autodiff_is_slower_numpy_is_advised():
    slower = {"torch-eager": 9.0, "jax-scan": 9.0}
    (g,) = groups_of(sample_record(FEW, [IRIS], slower=slower))
    assert "write the gradient by hand in `numpy`" in answer.advice(g)[0]


def test_ways_that_cannot_be_told_apart_are_both_named():
    record = sample_record(("numpy", "jax-scan", "torch-scan"), [IRIS], slower={"jax-scan": 6.5 / 3.6})
    (g,) = groups_of(record)
    assert re.search(r"has the least time .*`(jax|torch)-scan` cannot be told from it", answer.lead(g)[0])


def test_autodiff_cost_is_its_time_over_the_time_by_hand(report: list[Section]):
    row = texts(table(report, "Time with autodiff / by hand"))["torch-eager"]
    expected = step_seconds("torch-eager", IRIS) / step_seconds("torch-eager-by-hand", IRIS)
    value, verdict = re.fullmatch(r"([\d.]+) \[.*\] (\w+)", row[0]).groups()
    assert float(value) == pytest.approx(expected, rel=0.02)
    assert verdict == "slower"


def test_a_cost_within_the_margin_is_level_and_said_to_be_nothing():
    (g,) = groups_of(sample_record(FEW, [IRIS, MLP], noise=0.003))
    said = {sentence.split(":")[0]: sentence for sentence in cost.section(g).parts[-1].sentences}
    assert said["`jax-scan`"] == "`jax-scan`: autodiff costs nothing; level on 2 problems."


def test_the_cost_of_a_backend_that_failed_is_its_status():
    (g,) = groups_of(fail(sample_record(FEW, [IRIS]), "torch-eager-by-hand", "timed out"))
    assert texts(table([cost.section(g)], "Time with"))["torch-eager"] == ["timed out"]


def test_a_ratio_is_sorted_by_its_number_and_not_by_its_text(report: list[Section]):
    cells = [row[1] for row in table(report, "Ways").rows]
    assert all(isinstance(cell, Ratio) and cell.key == cell.value.value for cell in cells)
