"""The program: soon done, the same bytes each time, one sentence for what cannot be."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.records.schema import SCHEMA
from bench.records.store import save
from tests.reported import IRIS, MLP, PAIR, called, reported, without_samples
from tests.running import ROOT, published
from tests.sample_record import fail, sample_record

LIBRARIES = "import jinja2, matplotlib.figure, msgspec, rich.console, scipy.special, tabulate"
TIMES_THE_IMPORTS = 6
"""What three seconds are on a machine slower than the ones they were set for, where a report took 4.1 to 5.6 times as
long as importing what it is made with."""


def _seconds(code: str, *arguments: str) -> tuple[float, str]:
    """That a Python takes to run `code`, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - began, done.stdout


@pytest.mark.alone
def test_the_report_is_soon_done_and_imports_no_framework(tmp_path: Path):
    """Of a whole default run, the one that README shows."""
    shutil.copy(published(), tmp_path / "a.json")
    code = (
        "import sys; from bench.report.__main__ import main; code = main(sys.argv[1:]);"
        "print(code, [m for m in ('torch', 'jax', 'sklearn', 'pandas', 'scipy.stats', 'matplotlib.pyplot') if m in sys.modules])"
    )
    for _ in range(3):
        seconds, printed = _seconds(code, str(tmp_path / "a.json"), "--results", str(tmp_path))
        assert printed.splitlines()[-1] == "0 []"
        allowed = max(3.0, TIMES_THE_IMPORTS * _seconds(LIBRARIES)[0])
        if seconds < allowed:
            return
    pytest.fail(f"{seconds:.1f} s in the last of three tries, of {allowed:.1f} s allowed")


def test_colour_is_for_a_terminal_without_no_color(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save(sample_record(PAIR, [IRIS]), tmp_path / "a.json")
    arguments = (str(tmp_path / "a.json"), "--results", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain, coloured = called(*arguments)[1], called(*arguments, terminal=True)[1]
    assert "\033" not in plain
    assert "\033[32m" in coloured
    assert re.sub(r"\033\[\d+m", "", coloured) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert called(*arguments, terminal=True)[1] == plain
    monkeypatch.setenv("NO_COLOR", "")
    assert called(*arguments, terminal=True)[1] == coloured


def test_the_newest_complete_record_is_taken(tmp_path: Path):
    for name, status in (("2024-01-01", "complete"), ("2024-02-02", "complete"), ("2024-03-03", "interrupted")):
        record = sample_record(PAIR, [IRIS])
        record.id, record.status = name, status
        save(record, tmp_path / f"{name}.json")
    code, printed, told = called("--results", str(tmp_path))
    assert (code, printed.splitlines()[-1].partition(":")[0]) == (0, "2024-02-02")
    assert "2024-03-03.json is interrupted; name it to see what it holds, or go on with --resume" in told


def test_pictures_of_an_earlier_report_go_and_others_stay(tmp_path: Path):
    reported(sample_record(PAIR, [IRIS]), tmp_path)
    (tmp_path / "out" / "mine.png").write_bytes(b"mine")
    reported(without_samples(sample_record(PAIR, [MLP])), tmp_path)
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["mine.png"]


BAD = {
    "empty": b"",
    "truncated": b'{"schema": 1, "id": "2024',
    "foreign": b'{"benchmarks": []}',
    "a list": b"[1, 2]",
    "no text": b"\xff\xfe\x00",
    "of another schema": b'{"schema": %d}' % (SCHEMA + 1),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_record_is_one_sentence_and_overwrites_nothing(bad: str, tmp_path: Path):
    (tmp_path / "bad.json").write_bytes(BAD[bad])
    (tmp_path / "report.md").write_text("the report before")
    code, printed, error = called(str(tmp_path / "bad.json"), "--results", str(tmp_path))
    assert (code, printed, len(error.splitlines())) == (2, "", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"bad.json", "report.md"}
    assert (tmp_path / "report.md").read_text() == "the report before"


def test_usage_that_cannot_be_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    save(sample_record(PAIR, [IRIS]), tmp_path / "a.json")
    for arguments in (
        (str(tmp_path / "none.json"),),
        ("--results", str(tmp_path / "nothing here")),
        (str(tmp_path / "a.json"), "--force"),
        (str(tmp_path / "a.json"), "--fail-on-regression"),
        (str(tmp_path / "a.json"), "--results", str(tmp_path / "file")),
    ):
        code, printed, error = called(*arguments)
        assert (code, printed, len(error.splitlines())) == (2, "", 1)


def test_the_exit_code_survives_a_reader_who_leaves(tmp_path: Path):
    save(fail(sample_record(PAIR, [IRIS]), PAIR[1], "disagrees", "the loss"), tmp_path / "a.json")
    command = f"set -o pipefail; {sys.executable} -m bench.report {tmp_path / 'a.json'} --results {tmp_path} | true"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert (tmp_path / "report.md").exists()
