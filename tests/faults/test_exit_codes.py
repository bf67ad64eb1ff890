"""Commands end with a code and a sentence: 0 good, 1 disagreement, 2 usage, 3 cells failed; 130 after Ctrl-C."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import agree, calibrate
from bench.console import exit
from bench.records.store import sole_writer
from tests.running import ROOT, the_record, without_processes

ANSWERS, CALLS = "tests.faults.backends:", "tests.faults.in_calls:"
SMALL = ["--problem", "factorisation/12x8r2", "--backend", "numpy"]


@pytest.mark.parametrize(
    ("more", "code", "summary"),
    [
        ([], exit.GOOD, "1 cell of 1 agrees."),
        (["--backend", f"{CALLS}NotForThisWorkload"], exit.GOOD, "1 cell of 2 agrees, 1 not for factorisation."),
        (["--backend", f"{ANSWERS}SignFlipped"], exit.DISAGREEMENT, "1 cell of 2 agrees, 1 disagrees."),
        (["--backend", f"{CALLS}Raising"], exit.FAILED, "1 cell of 2 agrees, 1 failed."),
        (
            ["--backend", f"{CALLS}Raising", "--backend", f"{ANSWERS}SignFlipped"],
            exit.DISAGREEMENT,
            "1 cell of 3 agrees, 1 failed, 1 disagrees.",
        ),
        (["--backend", "numpi"], exit.USAGE, "no backend 'numpi'; choose from"),
        (["--deadline", "0"], exit.USAGE, "'0' is not a number of seconds above 0"),
        (["--deadline", "nan"], exit.USAGE, "'nan' is not a number of seconds above 0"),
        (["--problem", "mlp/0x0-0-0"], exit.USAGE, "mlp '0x0-0-0' has too few examples"),
    ],
)
def test_agreement_ends_with_its_code_and_a_line(
    capsys: pytest.CaptureFixture, more: list[str], code: int, summary: str
):
    with without_processes():
        assert agree.main([*SMALL, *more]) == code
    out, err = capsys.readouterr()
    assert summary in (out or err).strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "code", "summary"),
    [
        (["--backend", f"{ANSWERS}SignFlipped"], exit.DISAGREEMENT, "3 cells, 2 good, 1 disagrees"),
        (["--backend", f"{CALLS}Raising"], exit.FAILED, "3 cells, 2 good, 1 failed"),
    ],
)
def test_a_race_ends_with_its_code_and_a_line(tmp_path: Path, more: list[str], code: int, summary: str):
    done = race("-p", "tests.little", *SMALL, "--results", str(tmp_path), "-k", "loss", *more)
    assert done.returncode == code, done.stdout + done.stderr
    assert the_record(tmp_path).status == "complete"
    assert summary in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_race_of_nothing_is_wrong_usage(tmp_path: Path):
    done = race(*SMALL, "--results", str(tmp_path), "-k", "nothing_is_called_this")
    assert done.returncode == exit.USAGE
    assert "nothing was selected, so nothing raced" in done.stderr


def race(*options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "bench/", "--benchmark-only", "--quick", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_a_second_run_in_the_folder_is_sent_away_with_2_and_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture):
    with sole_writer(tmp_path):
        assert calibrate.main(["--races", "1", "--results", str(tmp_path)]) == exit.USAGE
    said = f"another run is writing to {tmp_path}; wait for it, or give --results another folder\n"
    assert capsys.readouterr().err == said
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]
