"""A record with little in it is reported in words."""

import re
from pathlib import Path

import msgspec
import pytest

from bench.console import exit
from bench.records.schema import Entrant, LabReport, Record
from tests.reported import IRIS, MLP, PAIR, reported, without_samples
from tests.sample_record import fail, sample_record


def _with_empty_samples(record: Record) -> Record:
    for cell in record.cells:
        for samples in cell.samples:
            samples.nanoseconds = []
    return record


def _with_losses_alone(record: Record) -> Record:
    for cell in record.cells:
        cell.samples = [s for s in cell.samples if s.operation == "loss"]
    return record


def _without_facts(record: Record) -> Record:
    record.limits, record.host_states, record.lab = [], [], None
    return record


def _with_a_bent_scatter(record: Record) -> Record:
    record.lab = LabReport("x", [0, 1], [[1.0], [2.0, 3.0]], [[1.0, 2.0], [3.0, 4.0]], 0.0, [], 1.0, 1.0)
    return record


def _on_two_devices(record: Record) -> Record:
    record.entrants.append(Entrant(label="jax-scan@cuda", backend="jax-scan", device="cuda", dtype="float32"))
    record.cells.append(msgspec.structs.replace(record.cells[0], entrant="jax-scan@cuda"))
    return record


LITTLE = {
    "one backend": (lambda: sample_record(["numpy"], [IRIS, MLP], control=False), exit.GOOD),
    "one problem": (lambda: sample_record(problems=[MLP]), exit.GOOD),
    "one cell": (lambda: sample_record(["jax-scan"], [IRIS], control=False), exit.GOOD),
    "one generation": (lambda: sample_record(problems=[IRIS], generations=1), exit.GOOD),
    "two rounds of two generations": (lambda: sample_record(problems=[IRIS], generations=2, rounds=2), exit.GOOD),
    "no generation": (lambda: sample_record(problems=[IRIS], generations=0), exit.GOOD),
    "no numpy": (lambda: sample_record(PAIR, [IRIS, MLP]), exit.GOOD),
    "no numbers": (lambda: without_samples(sample_record(PAIR, [IRIS, MLP])), exit.GOOD),
    "samples without a number": (lambda: _with_empty_samples(sample_record(PAIR, [IRIS])), exit.GOOD),
    "no descent": (lambda: _with_losses_alone(sample_record(PAIR, [IRIS])), exit.GOOD),
    "no facts": (lambda: _without_facts(sample_record(PAIR, [IRIS, MLP])), exit.GOOD),
    "a bent scatter": (lambda: _with_a_bent_scatter(sample_record(PAIR, [IRIS])), exit.GOOD),
    "two devices": (lambda: _on_two_devices(sample_record(["numpy", "jax-scan"], [IRIS])), exit.GOOD),
    "no problem": (lambda: sample_record(PAIR, []), exit.FAILED),
    "no backend": (lambda: sample_record([], [IRIS]), exit.FAILED),
    "nothing": (lambda: sample_record([], []), exit.FAILED),
    "all crashed": (lambda: fail(sample_record(["numpy"], control=False), "numpy", "crashed"), exit.FAILED),
    "all left out": (lambda: fail(sample_record(["numpy"], control=False), "numpy", "not on cpu"), exit.FAILED),
}


def test_what_was_raced_without_a_descent_is_not_said_to_be_untimed(tmp_path: Path):
    _, printed, _ = reported(_with_losses_alone(sample_record(PAIR, [IRIS])), tmp_path)
    assert "No descent was raced" in printed
    assert "Nothing was timed" not in printed


@pytest.mark.parametrize("little", LITTLE)
def test_a_record_with_little_in_it_is_reported_in_words(little: str, tmp_path: Path):
    make, expected = LITTLE[little]
    code, printed, markdown = reported(make(), tmp_path, png=True)
    assert code == expected
    assert not re.search(r"\b(nan|NaN|inf|None)\b", printed + markdown)
    assert max(map(len, printed.splitlines())) <= 80
    for picture in re.findall(r"\]\(([^)]+\.png)\)", markdown):
        assert (tmp_path / "out" / picture).stat().st_size > 1000
