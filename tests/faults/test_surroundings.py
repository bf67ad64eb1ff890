"""The machine does not play along: no room, no right to write, a second run, odd names, a bare environment."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backends.__main__ import versions
from bench import session
from bench.choice import Choice, choice_of
from bench.problem import UsageError
from bench.store import read, sole_writer
from tests.running import QUICK, ROOT

HERE = "tests.faults.backends:"
BENCH = ["-m", "pytest", "bench/", "--benchmark-only", "--quick", "--problem", QUICK]


def race(folder, names=("numpy",), **choice):
    settings = {"operations": ["loss"], "pace": "quick", "generations": 1} | choice
    return session.run(Choice(names, [QUICK], ["cpu"], **settings), folder, lambda line: None)


def command(*arguments, cwd=ROOT, **environment) -> subprocess.CompletedProcess:
    """A command as a person gives it, but for the terminal."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


@contextlib.contextmanager
def mounted(folder: Path, options: str):
    """A small file system of its own at `folder`; skipped where that is not allowed."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("only root can mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 1024)


# Where the record goes.


def test_a_disk_that_is_full_is_found_before_anything_is_measured(tmp_path):
    with mounted(tmp_path / "small", "size=64k") as folder:
        fill(folder)
        with pytest.raises(UsageError, match=r"cannot write to .*small \(No space left on device\)"):
            race(folder)
        assert not list(folder.glob("*.json"))


def test_a_disk_that_fills_up_during_the_run_costs_nothing_that_was_done(tmp_path):
    with mounted(tmp_path / "small", "size=256k") as folder:

        def say(line):
            if "generation 2" in line:
                fill(folder)

        choice = Choice(["numpy"], [QUICK], ["cpu"], operations=["loss"], pace="quick", generations=2)
        with pytest.raises(UsageError, match=r"No space left on device\); make room for it, and go on with --resume"):
            session.run(choice, folder, say)
        (path,) = folder.glob("*.json")
        assert [race.generation for race in read(path).races] == [0]
        assert not list(folder.glob(".*.tmp"))
        (folder / "filler").unlink()
        session.run(choice_of(path), folder, lambda line: None, path)
        assert [race.generation for race in read(path).races] == [0, 1]


def test_a_folder_that_is_read_only_is_found_before_anything_is_measured(tmp_path):
    with mounted(tmp_path / "sealed", "ro") as folder, pytest.raises(UsageError, match="Read-only file system"):
        race(folder)


def test_a_missing_folder_is_made(tmp_path):
    race(tmp_path / "not" / "there yet")
    assert list((tmp_path / "not" / "there yet").glob("*.json"))


@pytest.mark.parametrize("where", ["taken", "taken/below"])
def test_a_file_where_the_folder_should_be_is_refused(tmp_path, where):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match="give --results a folder you can write to"):
        race(tmp_path / where)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments", [BENCH, ["-m", "bench.calibrate", "--races", "1"], ["-m", "bench.interface", "--backend", "numpy"]]
)
def test_a_second_run_in_the_folder_is_sent_away_with_2_and_a_sentence(tmp_path, arguments):
    with sole_writer(tmp_path):
        done = command(*arguments, "--results", tmp_path)
    assert done.returncode == 2
    said = f"another run is writing to {tmp_path}; wait for it, or give --results another folder"
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


# Odd names, a bare environment.


def test_a_name_that_breaks_lines_or_steers_the_terminal_is_spelt_out_as_the_run_goes_on(tmp_path):
    path = tmp_path / "a\nb\x1b[31m.npy"
    np.save(path, np.outer([1.0, 2, 3], [1.0, 2]))
    choice = Choice(["numpy"], [f"factorisation/{path}:r1"], ["cpu"], operations=["loss"], pace="quick", generations=1)
    said = []
    session.run(choice, tmp_path / "results", said.append)
    assert any("a\\nb\\x1b[31m.npy" in line for line in said)
    assert not any(c in line for line in said for c in "\n\x1b")


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A copy of the suite at a path with spaces, run from elsewhere, in the C locale, with no terminal."""
    home = tmp_path_factory.mktemp("a path") / "with spaces & an ü"
    for part in ("bench", "backends"):
        shutil.copytree(ROOT / part, home / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", home)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    bare = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb"}
    arguments = ["-m", "pytest", home / "bench", "--benchmark-only", "--quick", "--problem", QUICK]
    raced = command(*arguments, "--backend", "numpy", "--results", "my results", cwd=elsewhere, **bare)
    told = command("-m", "bench.report", "--results", "my results", cwd=elsewhere, **bare | {"PYTHONPATH": str(home)})
    return elsewhere / "my results", raced, told


def test_spaces_another_directory_and_the_c_locale_change_nothing(odd):
    folder, raced, told = odd
    assert raced.returncode == 0, raced.stdout + raced.stderr
    (path,) = folder.glob("*.json")
    assert read(path).status == "complete"
    assert f"{path.stem}: 2 cells, 2 good" in told.stdout
    assert told.returncode == 0, told.stderr


def test_without_a_terminal_there_are_plain_lines_and_no_escapes(odd):
    _, raced, told = odd
    assert "generation 1 of 3: factorisation/24x6r2" in raced.stderr
    assert "\x1b" not in raced.stdout + raced.stderr + told.stdout + told.stderr


def test_the_last_line_of_a_race_is_its_summary(odd):
    folder, raced, _ = odd
    (path,) = folder.glob("*.json")
    assert f"{path.stem}: 2 cells, 2 good; " in raced.stdout


# The exit codes: 0 good, 1 disagreement, 2 usage, 3 cells failed, 130 interrupted.

ONE = ["--problem", QUICK, "--backend", "numpy"]


@pytest.mark.parametrize(
    ("more", "code", "summary"),
    [
        ([], 0, "2 cells of 2 agree"),
        (["--backend", f"{HERE}SignFlipped"], 1, "1 disagrees"),
        (["--backend", f"{HERE}Segfaulting"], 3, "1 crashed"),
        (["--backend", f"{HERE}Segfaulting", "--backend", f"{HERE}SignFlipped"], 1, "1 disagrees"),
        (["--backend", f"{HERE}Deaf", "--deadline", "5"], 3, "1 timed out"),
        (["--backend", "numpi"], 2, "no backend 'numpi'; choose from"),
        (["--deadline", "0"], 2, "'0' is not a number of seconds above 0"),
        (["--deadline", "nan"], 2, "'nan' is not a number of seconds above 0"),
    ],
)
def test_agreement_ends_with_its_code_and_a_line(more, code, summary):
    done = command("-m", "bench.agree", *ONE, *more)
    assert done.returncode == code, done.stdout + done.stderr
    assert summary in (done.stdout or done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "code", "summary"),
    [
        (["--backend", f"{HERE}SignFlipped"], 1, "3 cells, 2 good, 1 disagrees"),
        (["--backend", f"{HERE}Segfaulting"], 3, "3 cells, 2 good, 1 crashed"),
        (["--backend", "numpi"], 2, "no backend 'numpi'; choose from"),
        (["--resume", "no such.json"], 2, "cannot read no such.json"),
        (["-k", "nothing_is_called_this"], 2, "3 deselected"),
        (["--deadline", "0"], 2, "'0' is not a number of seconds above 0"),
        (["--problem", "factorisation/9999999x9999999r9"], 2, "choose a smaller size"),
    ],
)
def test_a_race_ends_with_its_code_and_a_line(tmp_path, more, code, summary):
    given = [] if "--resume" in more else ["--quick", *ONE, "--results", tmp_path]
    done = command("-m", "pytest", "bench/", "--benchmark-only", *given, *more)
    assert done.returncode == code, done.stdout + done.stderr
    assert summary in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "bench.report", "no such.json"],
        ["-m", "bench.report", "--nonsense"],
        ["-m", "bench.calibrate", "--races", "0"],
        ["-m", "bench.interface", "--backend", "numpi"],
        ["-m", "bench.interface", "--resume", "no such.json"],
        ["-m", "bench.agree", "--problem", "mlp/0x0-0-0"],
    ],
)
def test_wrong_usage_ends_with_2_and_no_traceback(arguments):
    done = command(*arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_library_that_dies_without_a_word_is_named_with_how_it_ended():
    name = f"{HERE}DeadOnArrival"
    assert versions(name) == f"{name}: its process ended with -4 and without a word"
