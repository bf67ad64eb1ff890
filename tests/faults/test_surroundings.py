"""The machine does not play along: no room, no right to write, odd names, a bare environment, a second race."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backends.__main__ import versions
from bench import session
from bench.errors import UsageError
from bench.plan.resume import selection_of
from bench.plan.selection import Selection
from bench.records.store import read
from bench.workers import cores
from tests.running import QUICK, ROOT, raced, the_record, without_processes

ONE_CELL = {"operations": ["loss"], "pace": "quick", "generations": 1}


def command(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    """Run a command as a person gives it, but for the terminal."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


# Where the record goes.


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a small file system at `folder`; skip where that is not allowed."""
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


@pytest.mark.parametrize(
    ("options", "why"), [("size=64k", r"small \(No space left on device\)"), ("ro", "Read-only file system")]
)
def test_a_folder_that_cannot_be_written_is_found_before_anything_is_measured(tmp_path: Path, options: str, why: str):
    with mounted(tmp_path / "small", options) as folder:
        fill(folder)
        with pytest.raises(UsageError, match=f"cannot write to .*{why}"), without_processes():
            raced(folder, **ONE_CELL)
        assert not list(folder.glob("*.json"))


def test_a_disk_that_fills_up_during_the_run_costs_nothing_that_was_done(tmp_path: Path):
    with mounted(tmp_path / "small", "size=256k") as folder, without_processes():

        def say(line: str) -> None:
            if "generation 2" in line:
                fill(folder)

        selection = Selection(["numpy"], [QUICK], ["cpu"], **ONE_CELL | {"generations": 2})
        with pytest.raises(UsageError, match=r"No space left on device\); make room for it, and go on with --resume"):
            session.run(selection, folder, say)
        (path,) = folder.glob("*.json")
        assert [race.generation for race in read(path).races] == [0]
        assert not list(folder.glob(".*.tmp"))
        (folder / "filler").unlink()
        session.run(selection_of(path), folder, lambda line: None, path)
        assert [race.generation for race in read(path).races] == [0, 1]


# Odd names, a bare environment.


def test_a_name_that_breaks_lines_or_steers_the_terminal_is_spelt_out_as_the_run_goes_on(tmp_path: Path):
    path, said = tmp_path / "a\nb\x1b[31m.npy", []
    np.save(path, np.outer([1.0, 2, 3], [1.0, 2]))
    with without_processes():
        session.run(
            Selection(["numpy"], [f"factorisation/{path}:r1"], ["cpu"], **ONE_CELL), tmp_path / "results", said.append
        )
    assert any("a\\nb\\x1b[31m.npy" in line for line in said)
    assert not any(c in line for line in said for c in "\n\x1b")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess]:
    """Return a race by a copy of the suite at a path with spaces, run from elsewhere, in the C locale, with no terminal."""
    home = tmp_path_factory.mktemp("a path") / "with spaces & an ü"
    for part in ("bench", "backends"):
        shutil.copytree(ROOT / part, home / part, ignore=shutil.ignore_patterns("__pycache__"))
    for needed in ("pyproject.toml", "tests/little.py", "tests/running.py"):
        (home / needed).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / needed, home / needed)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    bare = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb"}
    bare |= {"MALLOC_PERTURB_": "69", "PYTHONPATH": str(home)}
    arguments = ["-m", "pytest", home / "bench", "--benchmark-only", "-p", "tests.little", "--quick", "-k", "loss"]
    return elsewhere / "my results", command(
        *arguments, "--problem", QUICK, "--backend", "numpy", "--results", "my results", cwd=elsewhere, **bare
    )


def test_spaces_another_directory_and_the_c_locale_change_nothing(odd: tuple):
    folder, done = odd
    assert done.returncode == 0, done.stdout + done.stderr
    record = the_record(folder)
    assert record.status == "complete"
    assert f"{record.id}: 2 cells, 2 good" in done.stdout


def test_without_a_terminal_there_are_plain_lines_and_no_escapes(odd: tuple):
    _, done = odd
    assert "generation 1 of 3: factorisation/24x6r2" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_variable_that_steers_a_process_is_told_at_the_end_of_a_race(odd: tuple):
    assert "MALLOC_PERTURB_=69 was set" in odd[1].stdout


def test_a_library_that_dies_without_a_word_is_named_with_how_it_ended():
    name = "tests.faults.processes:DeadOnArrival"
    assert versions(name) == f"{name}: its process ended with -4 and without a word"


# Two races at once.


def test_a_second_race_on_the_same_cores_is_refused_in_one_sentence(tmp_path: Path):
    with cores.reserved(cores.usable_cores()):
        given = ["--quick", "--problem", QUICK, "--backend", "numpy", "--results", tmp_path]
        done = command("-m", "pytest", "bench/", "--benchmark-only", *given)
    assert done.returncode == 2
    assert done.stderr.startswith("Exit: another race is using core ")
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.json"))


def test_a_seed_is_drawn_and_recorded_and_repeats_the_order_of_turns(tmp_path: Path):
    with without_processes():
        drawn = [raced(tmp_path / str(i), operations=["loss"]) for i in range(2)]
        assert drawn[0].settings.seed != drawn[1].settings.seed
        again = raced(tmp_path / "again", operations=["loss"], seed=drawn[0].settings.seed)
    assert [r.seed for r in again.races] == [r.seed for r in drawn[0].races]
