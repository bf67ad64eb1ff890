"""Whether the suite's own shapes cost anything is told by the interval, as every other verdict is."""

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.records.store import save
from bench.statistics import Interval
from tests.performance import __main__ as performance
from tests.performance.__main__ import BARE, verdict
from tests.sample_record import fail, sample_record


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        (Interval(1.02, 1.0, 1.04), "within"),
        (Interval(1.02, 0.72, 1.46), "undecided"),
        (Interval(1.06, 0.9, 1.2), "undecided"),
        (Interval(1.1, 1.06, 1.14), "above"),
        (Interval(0.96, 0.9, 1.02), "within"),
        (Interval(0.93, 0.91, 0.95), "no best loop"),
        (Interval(1.0), "undecided"),
    ],
)
def test_a_mode_is_within_five_percent_or_not_when_all_of_its_interval_is(interval: Interval, word: str):
    assert verdict(interval) == word


def test_an_unsteady_loop_is_held_against_nothing():
    raced = ["numpy", BARE["numpy"]]
    record = fail(sample_record(raced, performance.PROBLEMS), BARE["numpy"], "unsteady")
    assert [c.samples != [] for c in record.cells if c.entrant == BARE["numpy"]] == [True] * len(performance.PROBLEMS)
    assert [word for _, word in performance.lines(record, ["numpy"])] == ["not measured"] * len(performance.PROBLEMS)


def test_a_race_of_some_modes_goes_on_with_those(tmp_path: Path):
    raced = ["numpy", "jax-scan", BARE["numpy"], BARE["jax-scan"]]
    save(sample_record(raced), tmp_path / "begun.json")
    assert performance._begun(tmp_path / "begun.json").backends == raced


@pytest.mark.parametrize("raced", [["numpy", "jax-scan"], ["numpy", BARE["jax-scan"]], ["someone.elses:factory"]])
def test_a_record_of_anything_else_is_not_gone_on_with(tmp_path: Path, raced: list[str]):
    save(sample_record(raced), tmp_path / "other.json")
    with pytest.raises(UsageError, match="is no record of this command; resume it by the one that it names"):
        performance._begun(tmp_path / "other.json")
