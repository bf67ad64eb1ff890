"""A cell without numbers says why, and the exit code tells what failed from what was left out."""

import re
from pathlib import Path

import pytest

from bench.console import exit
from bench.records.schema import Check
from bench.report import words
from bench.report.findings import all_findings
from tests.reported import IRIS, PAIR, reported
from tests.sample_record import fail, sample_record


def test_an_empty_cell_shows_its_word_and_the_reason_stands_below(tmp_path: Path):
    record = fail(sample_record(("numpy", *PAIR), [IRIS]), "torch-eager", "timed out", "no answer within 600 s")
    code, printed, markdown = reported(record, tmp_path)
    assert code == exit.FAILED
    assert re.search(r"^torch-eager +timed out +timed out +timed out", printed, re.MULTILINE)
    assert re.search(r"\| iris +\| torch-eager +\| timed out", markdown)
    assert f"- torch-eager timed out on {IRIS}: no answer within 600 s" in printed


@pytest.mark.parametrize("word", ["crashed", "timed out", "out of memory"])
def test_the_last_that_a_failed_process_printed_stands_beside_the_reason(word: str, tmp_path: Path):
    record = fail(sample_record(PAIR, [IRIS]), "torch-eager", word, "the process ended with exit code 1")
    record.entrants[0].last_output = "loading\n\x1b[31mno such device\n\n"
    told = " ".join(reported(record, tmp_path)[1].split())
    assert "the process ended with exit code 1; it last printed: \\x1b[31mno such device" in told


def test_what_disagrees_is_not_timed(tmp_path: Path):
    record = sample_record(("numpy", *PAIR), [IRIS])
    cell = record.cell("torch-eager", IRIS, "float32")
    cell.outcome.status, cell.outcome.reason = "disagrees", "trajectory: the worst of all steps"
    cell.checks.append(Check(name="trajectory", error=0.1, tolerance=1e-6, passed=False, what="the worst of all steps"))
    code, printed, _ = reported(record, tmp_path)
    assert code == exit.DISAGREEMENT
    assert cell.samples
    assert "1 cell of 4 DISAGREE" in printed
    assert re.search(r"^torch-eager +disagrees +disagrees", printed, re.MULTILINE)
    assert "torch-eager on factorisation/iris fails trajectory: the worst of all steps" in printed


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (w, 3)
        for w in ("pending", "diverged", "crashed", "timed out", "out of memory", "failed", "unsteady", "interrupted")
    ]
    + [(w, 0) for w in ("not installed", "not on cpu", "not for mlp", "needs torch >= 2.12", "skipped")]
    + [("disagrees", 1)],
)
def test_the_exit_code_tells_failed_from_left_out(word: str, expected: int):
    record = fail(sample_record(PAIR, [IRIS]), "torch-eager", word)
    assert words.exit_code(all_findings(record)) == expected
