"""The pipeline writes what the stages found into the record, and a cell that failed keeps no sample."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from bench import session
from bench.race.check import Checked
from bench.race.rounds import Raced
from bench.records.schema import Outcome, Race
from bench.session import Pipeline
from bench.workers.cores import Cores
from bench.workers.process import Failed
from bench.workloads import pose
from tests.sample_record import sample_record

IRIS = "factorisation/iris"


def pipeline() -> Pipeline:
    """Return a pipeline over a record of one cell that was timed."""
    record = sample_record(["numpy"], [IRIS], control=False)
    nothing = SimpleNamespace()
    return Pipeline(record, [pose(IRIS)], nothing, print, lambda: None, lambda: None)


def test_an_entrant_that_cannot_be_loaded_in_a_later_generation_keeps_no_sample_of_an_earlier_one():
    of = pipeline()
    (entrant,), (cell,) = of.record.entrants, of.record.cells
    entrant.outcome = Outcome("crashed", "on loading")
    assert cell.samples
    assert not of._enters(entrant, pose(IRIS))
    assert (cell.outcome.status, cell.samples) == ("crashed", [])


def test_references_are_computed_on_every_core_although_the_harness_stays_off_the_racing_one(monkeypatch):
    of, seen = pipeline(), []
    of.pool.cores = Cores(racing=[1], alike=[1, 2], harness=[0, 2])
    monkeypatch.setattr(session.cores, "pinned", lambda *given, **how: seen.append((given, how)) or nullcontext())
    monkeypatch.setattr(session, "check", lambda *_: Checked(None, {}, {}, {}, {}, {}, None, {}))
    of._check([], pose(IRIS))
    assert seen == [(([0, 1, 2],), {"all_threads": True})]


def test_a_race_whose_samples_are_left_out_is_told_of_at_once():
    of, said = pipeline(), []
    of.say = said.append
    race = Race(0, IRIS, "float32", 0, {}, {}, {}, 2, {"numpy": 0.5}, "python (process 7) took it")
    of._add_raced(pose(IRIS), Raced(race, {}, [], {}, [], {}))
    assert said == [f"left out on {IRIS}: numpy got too little of the racing core; python (process 7) took it"]


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
