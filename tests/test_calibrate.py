"""A calibration counts races of one machine, one version and one setting together, or none."""

from pathlib import Path

import pytest

from bench import calibrate
from bench.errors import UsageError
from bench.records import calibration
from bench.records.calibration import Trial
from tests.sample_record import fail, sample_record


def test_a_calibration_of_the_same_conditions_goes_on(tmp_path: Path):
    known = calibrate.begun(tmp_path)
    known.races = 5
    calibration.save(known, tmp_path)
    assert calibrate.begun(tmp_path).races == 5


CONDITIONS = {
    "machine": "machine",
    "versions": "set of versions",
    "commit": "commit",
    "generations": "number of generations",
    "rounds": "number of rounds",
    "warm_up_seconds": "warm-up",
    "trials": "choice of problems",
}


@pytest.mark.parametrize("what", CONDITIONS)
def test_a_calibration_of_other_conditions_is_refused_and_left_as_it_is(tmp_path: Path, what: str):
    known = calibrate.begun(tmp_path)
    match what:
        case "machine":
            known.host.cpu = "Another CPU"
        case "versions":
            known.versions = {"numpy": "1.0"}
        case "trials":
            del known.trials[0]
        case _:
            setattr(known, what, "1234567" if what == "commit" else 99)
    calibration.save(known, tmp_path)
    before = (tmp_path / calibration.FILE).read_bytes()
    told = CONDITIONS[what]
    with pytest.raises(UsageError, match=f"was made with another {told}; give --results another folder, or remove it"):
        calibrate.begun(tmp_path)
    assert (tmp_path / calibration.FILE).read_bytes() == before


def test_a_comparison_that_a_failed_cell_leaves_out_is_counted_nowhere():
    names = ["numpy", *(f"{side}{i}" for side in "ab" for i in range(calibrate.PAIRS))]
    names += [calibrate._slowed(p, other) for p, against in calibrate.SLOWED.items() for other in against]
    (problem, *_), slowed = calibrate.PROBLEMS, calibrate._slowed(5, "b3")
    trial, missing = Trial(problem=problem), Trial(problem=problem)
    calibrate.tally(sample_record(names, [problem]), trial)
    record = fail(fail(sample_record(names, [problem]), slowed, "unsteady"), "numpy", "crashed")
    calibrate.tally(record, missing)
    assert missing.detected["5"].tried == trial.detected["5"].tried - 1
    assert missing.false_verdicts.tried == trial.false_verdicts.tried == calibrate.PAIRS
