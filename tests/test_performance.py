"""Whether the suite's own shapes cost anything is told by the interval, as every other verdict is."""

from pathlib import Path

import numpy as np
import pytest

from bench.errors import UsageError
from bench.records.store import save
from bench.statistics import Estimate
from tests.performance import __main__ as performance
from tests.performance import coverage
from tests.performance.__main__ import BARE, verdict
from tests.sample_record import fail, sample_record


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((1.0, 1.04), "within"),
        ((0.72, 1.46), "unknown"),
        ((0.9, 1.2), "unknown"),
        ((1.06, 1.14), "above"),
        ((0.9, 1.02), "within"),
        ((0.91, 0.94), "no best loop"),
    ],
)
def test_a_mode_is_within_five_percent_or_not_when_all_of_its_interval_is(ends: tuple[float, float], expected: str):
    low, high = np.log(ends)
    ratio = Estimate((low + high) / 2, (high - low) / 2 / 12.706204736, freedom=1.0)  # of Student's t with one degree
    assert ratio.interval() == pytest.approx(ends)
    assert verdict(ratio) == expected


def test_a_ratio_without_an_interval_is_unknown():
    assert verdict(Estimate(0.0)) == "unknown"


def test_an_unsteady_loop_is_held_against_nothing():
    raced = ["numpy", BARE["numpy"]]
    record = fail(sample_record(raced, performance.PROBLEMS), BARE["numpy"], "unsteady")
    assert [c.samples != [] for c in record.cells if c.entrant == BARE["numpy"]] == [True] * len(performance.PROBLEMS)
    assert [said for _, said in performance.lines(record, ["numpy"])] == ["not measured"] * len(performance.PROBLEMS)


def test_a_race_of_some_modes_goes_on_with_those(tmp_path: Path):
    raced = ["numpy", "jax-scan", BARE["numpy"], BARE["jax-scan"]]
    save(sample_record(raced), tmp_path / "begun.json")
    assert performance._begun(tmp_path / "begun.json").backends == raced


@pytest.mark.parametrize("raced", [["numpy", "jax-scan"], ["numpy", BARE["jax-scan"]], ["someone.elses:factory"]])
def test_a_record_of_anything_else_is_not_gone_on_with(tmp_path: Path, raced: list[str]):
    save(sample_record(raced), tmp_path / "other.json")
    with pytest.raises(UsageError, match="is no record of this command; resume it by the one that it names"):
        performance._begun(tmp_path / "other.json")


def test_simulated_coverage_is_what_students_interval_has(monkeypatch):
    """A tail on one side makes it miss more often than the normal distribution, for which it is exact."""
    monkeypatch.setattr(coverage, "DRAWS", 4000)
    rng = np.random.default_rng(0)
    normal, skewed = ([draw((10,)) for _ in range(200)] for draw in (rng.standard_normal, rng.standard_exponential))
    assert coverage.missed(normal) == pytest.approx(0.05, abs=0.01)
    assert coverage.missed(skewed) > 0.08


def test_the_residuals_of_a_record_are_centred_and_of_one_variance(tmp_path):
    save(sample_record(("numpy", "jax-jit", "torch-eager"), ("mlp/iris",)), tmp_path / "r.json")
    found = coverage.residuals(tmp_path / "r.json")
    assert len(found) == 2
    for of_a_cell in found:
        assert of_a_cell.mean() == pytest.approx(0)
        assert np.mean(of_a_cell**2) == pytest.approx(1)
