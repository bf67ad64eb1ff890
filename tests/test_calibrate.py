"""A calibration counts every comparison once, and only races of one machine, one version and one setting together."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
from scipy.stats import binomtest

from bench import calibrate
from bench.errors import UsageError
from bench.records import calibration
from bench.records.calibration import Rate, Trial
from bench.records.schema import Record
from bench.statistics import MARGIN
from tests.sample_record import fail, sample_record


def test_a_calibration_of_the_same_conditions_goes_on(tmp_path: Path):
    known = calibrate.begun(tmp_path)
    for trial in known.trials:
        trial.races = 5 if trial.backend == "numpy" else 1
    calibration.save(known, tmp_path)
    assert calibrate.begun(tmp_path).races == 5 + 4


def test_a_race_is_counted_for_its_backend_alone_and_saved_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    raced, problems = [], list(calibrate.PROBLEMS)
    labels = [BACKEND, *map(partial(calibrate._copy, BACKEND), range(calibrate.COPIES))]
    labels += map(partial(calibrate._slowed, BACKEND), calibrate.SLOWED)
    monkeypatch.setattr(calibrate, "race", lambda *given: raced.append(given[:2]) or sample_record(labels, problems))
    monkeypatch.setattr(calibrate.cores, "reserved", lambda usable: nullcontext())
    assert calibrate.main(["--backend", BACKEND, "--races", "2", "--results", str(tmp_path)]) == 0
    assert raced == [(BACKEND, 1), (BACKEND, 2)], "every race has a seed of its own"
    found = calibration.read(tmp_path)
    assert found is not None
    assert {(t.backend, t.races) for t in found.trials if t.races} == {(BACKEND, 2)}
    assert all(t.missed.trials == (calibrate.COPIES if t.backend == BACKEND else 0) for t in found.trials)


CONDITIONS = {
    "host": "machine",
    "code": "version of the code",
    "generations": "number of generations",
    "rounds": "number of rounds",
    "warm_up_seconds": "warm-up",
    "margin": "margin",
    "trials": "choice of backends and problems",
}


@pytest.mark.parametrize("what", CONDITIONS)
def test_a_calibration_of_other_conditions_is_refused_and_left_as_it_is(tmp_path: Path, what: str):
    known = calibrate.begun(tmp_path)
    match what:
        case "host":
            known.host.cpu = "Another CPU"
        case "trials":
            del known.trials[0]
        case _:
            setattr(known, what, "1234567" if what == "code" else 99)
    calibration.save(known, tmp_path)
    before = (tmp_path / calibration.FILE).read_bytes()
    told = CONDITIONS[what]
    with pytest.raises(UsageError, match=f"was made with another {told}; give --results another folder, or remove it"):
        calibrate.begun(tmp_path)
    assert (tmp_path / calibration.FILE).read_bytes() == before


def test_the_code_that_measures_is_told_by_what_it_does_and_not_by_its_comments():
    code = "def f():\n    {}return 1{}\n"
    assert calibration._code(code.format("", "")) == calibration._code(code.format('"""Return 1."""\n    ', "  # one"))
    assert calibration._code(code.format("", "")) != calibration._code(code.format("", "0"))


BACKEND, PROBLEM = "numpy", next(iter(calibrate.PROBLEMS))


def raced(slower: float = 1.0, noise: float = 0.002) -> Record:
    """Return a record of NumPy, its copies, and slowed ones that take so many times as long as they should."""
    copies = [calibrate._copy(BACKEND, i) for i in range(calibrate.COPIES)]
    slowed = {calibrate._slowed(BACKEND, p): slower * (1 + p / 100) for p in calibrate.SLOWED}
    return sample_record([BACKEND, *copies, *slowed], [PROBLEM], noise=noise, slower=slowed)


def tallied(record: Record) -> Trial:
    trial = Trial(BACKEND, PROBLEM)
    calibrate.tally(record, trial)
    return trial


def test_every_pair_of_copies_and_every_slowed_one_is_a_comparison():
    found = tallied(raced())
    assert found.missed.trials == found.false_verdicts.trials == len(found.half_widths) == calibrate.COPIES // 2
    detected = {percent: (rate.times, rate.trials) for percent, rate in found.detected.items()}
    assert detected == {"2": (1, 1), "3": (1, 1), "5": (1, 1), "10": (1, 1)}, "by the interval, also within the margin"
    assert [p > 100 * MARGIN for p in calibrate.SLOWED] == [False, False, True, True]
    at_the_margin = sum(percent >= 100 * MARGIN for percent in calibrate.SLOWED)
    assert (found.false_level.times, found.false_level.trials) == (0, at_the_margin) == (0, 3)


def test_slowed_code_that_is_called_level_counts_as_an_error():
    found = tallied(raced(slower=1 / 1.1))
    assert found.detected["10"].times == 0
    assert found.false_level.times > 0


def test_a_comparison_that_a_failed_cell_leaves_out_is_counted_nowhere():
    whole, without = tallied(raced()), tallied(fail(raced(), calibrate._slowed(BACKEND, 5), "unsteady"))
    assert whole.detected["5"].trials == 1
    assert "5" not in without.detected
    without = tallied(fail(raced(), calibrate._copy(BACKEND, 1), "crashed"))
    assert without.missed.trials == whole.missed.trials - 1


@pytest.mark.parametrize(("times", "trials"), [(0, 12), (1, 40), (9, 10), (12, 12)])
def test_the_interval_of_a_rate_is_the_exact_one(times: int, trials: int):
    exact = binomtest(times, trials).proportion_ci(0.95, method="exact")
    assert Rate(times, trials).interval() == pytest.approx((exact.low, exact.high), abs=1e-12)
