"""The pipeline writes what the stages found into the record, and a cell that failed keeps no sample."""

from types import SimpleNamespace

import pytest

from bench.records.schema import Outcome
from bench.session import Pipeline
from bench.workers.process import Failed
from bench.workloads import pose
from tests.sample_record import sample_record

IRIS = "factorisation/iris"


def pipeline() -> Pipeline:
    """Return a pipeline over a record of one cell that was timed."""
    record = sample_record(["numpy"], [IRIS], control=False)
    return Pipeline(record, [pose(IRIS)], pool=SimpleNamespace())


def test_an_entrant_that_cannot_be_loaded_in_a_later_generation_keeps_no_sample_of_an_earlier_one():
    of = pipeline()
    (entrant,), (cell,) = of.record.entrants, of.record.cells
    entrant.outcome = Outcome("crashed", "on loading")
    assert cell.samples
    assert not of._enters(entrant, pose(IRIS))
    assert (cell.outcome.status, cell.samples) == ("crashed", [])


@pytest.mark.parametrize(
    ("failure", "status", "reason"),
    [
        (Failed("crashed", "it ended", "last words"), "crashed", "it ended"),
        (
            Failed("not installed", "No module"),
            "failed",
            "not installed, it said after every check was passed: No module",
        ),
    ],
)
def test_a_failure_empties_the_cell_and_keeps_the_last_words(failure: Failed, status: str, reason: str):
    of = pipeline()
    of._add_failures(pose(IRIS), {"numpy": failure})
    (cell,), (entrant,) = of.record.cells, of.record.entrants
    assert (cell.outcome.status, cell.outcome.reason, cell.samples) == (status, reason, [])
    assert entrant.last_output == failure.output


@pytest.mark.parametrize(
    ("times", "samples", "status"), [(1.0, True, "ok"), (1e-6, True, "failed"), (1.0, False, "starved")]
)
def test_samples_that_are_no_measurement_are_told_when_the_race_is_over(times: float, samples: bool, status: str):
    of = pipeline()
    (cell,) = of.record.cells
    for s in cell.samples:
        s.nanoseconds[:] = [max(1, round(times * n)) for n in s.nanoseconds]
    if not samples:
        cell.samples.clear()
    of._refuse_impossible()
    of._judge_samples()
    assert cell.outcome.status == status, cell.outcome.reason
