"""The command: how it ends, what it prints, where it writes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import agree
from bench.records.schema import Record
from bench.records.store import save
from bench.report import __main__ as program
from bench.report import summary
from tests.reported import FEW, IRIS, MLP, PAIR, called, reported
from tests.sample_record import fail, sample_record

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(sample: Record, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What is printed of the whole sample in short, and in full."""
    folder = tmp_path_factory.mktemp("whole")
    return reported(sample, folder)[1], called(folder / "a.json", "--results", folder / "out", "--full")[1]


def test_the_short_report_fits_sixty_lines_and_eighty_columns(whole: tuple[str, str], tmp_path: Path):
    short, full = whole
    assert len(short.splitlines()) <= 60
    paths = [line for text in whole for line in text.splitlines() if line.startswith("- /")]
    assert [line for text in whole for line in text.splitlines() if len(line) > 80 and line not in paths] == []
    assert len(full.splitlines()) > 5 * len(short.splitlines())


def test_the_short_report_has_the_two_tables_the_warnings_and_the_whole_path_of_the_page(tmp_path: Path):
    record = sample_record(FEW, [IRIS, MLP])
    record.warnings.append("the host was restarted")
    _, printed, _ = reported(record, tmp_path)
    told = [
        "Ways of writing the loop",
        "Time with autodiff / by hand",
        "the host was restarted",
        f"- {tmp_path}/out/report.html",
    ]
    places = [printed.index(text) for text in [*told, summary.summary(record)]]
    assert places == sorted(places)


def test_one_record_gives_the_same_files_twice(tmp_path: Path):
    save(sample_record(FEW, [IRIS, MLP]), tmp_path / "a.json")
    for folder in ("one", "two"):
        called(tmp_path / "a.json", "--results", tmp_path / folder, drawn=True)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert [f for f in files if f.endswith("-dark.svg")], "pictures were drawn"
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_a_reader_of_ten_lines_finds_the_machine_the_date_and_the_answer(tmp_path: Path):
    save(sample_record(FEW, [IRIS, MLP]), tmp_path / "a.json")
    code, printed, _ = called(tmp_path / "a.json", "--markdown", "--results", tmp_path / "out")
    assert code == 0
    assert len(printed.splitlines()) <= 14
    assert all(
        text in printed
        for text in ("Sample CPU", "; 2024-03-01", "`jax-scan` is the fastest", "torch 2.13.0", "12 good")
    )
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_beside_a_record_or_over_what_git_tracks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(program, "LOCAL", tmp_path / "results" / "local")
    monkeypatch.setattr(program, "PUBLISHED", tmp_path / "results")
    (tmp_path / "results").mkdir()
    record = sample_record(PAIR, [IRIS])
    save(record, tmp_path / "results" / "a.json")
    _, printed, _ = called(tmp_path / "results" / "a.json")
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["a.json", "local"]
    assert str(tmp_path / "results" / "local" / "report.html") in printed
    unfinished = sample_record(PAIR, [IRIS])
    unfinished.status = "unfinished"
    save(unfinished, tmp_path / "results" / "local" / "z.json")
    assert called()[0] == 0, "one's own is not complete, so the published one is shown"
    save(record, tmp_path / "results" / "local" / "b.json")
    assert "2024" in called()[1], "the newest of one's own"
    called(tmp_path / "results" / "a.json", "--results", tmp_path / "results")
    assert (tmp_path / "results" / "report.html").exists()


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ((), 0),
        (("skipped", "not on cpu"), 0),
        (("crashed",), 3),
        (("disagrees", "crashed"), 1),
        (("crashed", "timed out"), 3),
    ],
)
def test_the_exit_code_is_of_the_worst_cell(statuses: tuple[str, ...], code: int):
    record = sample_record(FEW, [IRIS])
    for backend, status in zip(FEW[1:], statuses, strict=False):
        fail(record, backend, status)
    assert summary.exit_code(record) == code


def test_a_run_in_which_nothing_ran_has_failed():
    assert summary.exit_code(fail(sample_record(["numpy"], control=False), "numpy", "skipped")) == 3
    assert summary.exit_code(sample_record([], [])) == 3


def test_why_cells_are_empty_is_told_once_for_each_reason_failures_first():
    record = fail(
        fail(sample_record(FEW, [IRIS, MLP]), "jax-scan", "not on cpu", "no GPU"), "torch-eager", "crashed", "signal 11"
    )
    fail(record, "torch-eager-by-hand", "crashed", "signal 11")
    record.entrants[1].last_output = "before\nSegmentation fault"
    assert summary.reasons(record) == [
        "torch-eager crashed on factorisation/iris and mlp/iris: signal 11; it last printed: Segmentation fault",
        "torch-eager-by-hand crashed on factorisation/iris and mlp/iris: signal 11",
        "jax-scan not on cpu on factorisation/iris and mlp/iris: no GPU",
    ]
    assert summary.summary(record) == f"{record.id}: 12 cells, 6 good, 4 crashed, 2 not on cpu; 0 warnings."
    assert agree.verdict(record) == "6 cells of 12 agree, 4 crashed, 2 not on cpu."


def test_a_line_of_progress_says_how_wide_intervals_are():
    assert re.fullmatch(r"; intervals are \+-[\d.]+ % by now", summary.progress(sample_record(FEW, [IRIS])))
    assert summary.progress(sample_record(FEW, [IRIS], generations=2)) == ""


def test_usage_that_cannot_be_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.json").write_text("{")
    save(sample_record(PAIR, [IRIS]), tmp_path / "a.json")
    for arguments in (
        ["none.json"],
        ["bad.json"],
        ["--results", tmp_path / "nothing here"],
        [tmp_path / "a.json", "--force"],
        [tmp_path / "a.json", "--fail-on-regression"],
        [tmp_path / "a.json", tmp_path / "a.json", "--readme"],
        [tmp_path / "a.json", "--results", tmp_path / "file"],
        [tmp_path / "a.json", "--results", "/dev/null/x"],
    ):
        code, printed, error = called(*arguments)
        assert (code, printed, len(error.splitlines())) == (2, "", 1), arguments


def test_colour_is_for_a_terminal_alone_and_not_where_it_is_not_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save(sample_record(PAIR, [IRIS]), tmp_path / "a.json")
    arguments = tmp_path / "a.json", "--results", tmp_path / "out"
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\033[32m" in called(*arguments, terminal=True)[1]
    assert "\033[" not in called(*arguments)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033[" not in called(*arguments, terminal=True)[1]


def test_the_exit_code_survives_a_reader_who_leaves_and_a_full_disk_is_told(tmp_path: Path):
    save(fail(sample_record(PAIR, [IRIS]), PAIR[1], "disagrees", "the loss"), tmp_path / "a.json")
    command = f"{sys.executable} -m bench.report {tmp_path / 'a.json'} --markdown"
    for to, code, told in (("| true", 1, 0), ("> /dev/full", 2, 1)):
        script = f"set -o pipefail; {command} {to}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        assert (done.returncode, len(done.stderr.splitlines())) == (code, told)
