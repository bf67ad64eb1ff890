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
from bench.devices import cpu
from bench.errors import UsageError
from bench.plan.selection import Choice, choice_of
from bench.records.store import read, sole_writer
from bench.workers.process import usable_cores
from tests.running import QUICK, ROOT, the_record

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
    "arguments", [BENCH, ["-m", "bench.calibrate", "--races", "1"], ["-m", "tests.performance", "--backend", "numpy"]]
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
        ([], 0, "1 cell of 1 agrees"),
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
        ["-m", "tests.performance", "--backend", "numpi"],
        ["-m", "tests.performance", "--resume", "no such.json"],
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


# What lies in the working folder, or is set in the environment, and would be taken for the library.

LITTLE = ["-m", "bench.agree", "--problem", "factorisation/12x8r2"]


@pytest.mark.parametrize("library", ["numpy", "jax", "torch", "autograd", "psutil"])
def test_a_script_in_the_working_folder_hides_no_library(tmp_path, library):
    (tmp_path / f"{library}.py").write_text("print('my script')\n")
    backend = {"jax": "jax-jit", "torch": "torch-eager", "autograd": "autograd"}.get(library, "numpy")
    done = command(*LITTLE, "--backend", backend, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 cell of 1 agrees." in done.stdout
    assert "my script" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("library", "backend"), [("jax", "jax-jit"), ("torch", "torch-eager"), ("autograd", "autograd")]
)
@pytest.mark.parametrize("text", ["print('my script')\n", "raise AttributeError('mine')\n"])
def test_a_script_on_the_path_that_hides_a_library_is_named_and_fails_the_cell(tmp_path, library, backend, text):
    (tmp_path / f"{library}.py").write_text(text)
    done = command(*LITTLE, "--backend", "numpy", "--backend", backend, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    said = " ".join(done.stdout.split())
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"{library} was imported from" in said
    assert f"{library}.py, which is not the library; rename it" in said
    assert "not installed" not in said


def test_a_backend_in_the_working_folder_is_found(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import backends\n\ndef factory(device, dtype):\n    return backends.load('numpy')\n"
    )
    for safe in ({}, {"PYTHONSAFEPATH": "1"}):
        done = command(*LITTLE, "--backend", "mine:factory", cwd=tmp_path, PYTHONPATH=str(ROOT), **safe)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("backend", "variable"),
    [
        ("torch-compile", "TORCHDYNAMO_DISABLE"),
        ("torch-compile-by-hand", "TORCH_COMPILE_DISABLE"),
        ("torch-scan", "TORCHDYNAMO_DISABLE"),
        ("jax-jit", "JAX_DISABLE_JIT"),
        ("jax-scan", "JAX_DISABLE_JIT"),
    ],
)
def test_a_compiler_that_is_switched_off_from_outside_fails_the_compiled_cells_and_is_named(backend, variable):
    done = command(*LITTLE, "--backend", "numpy", "--backend", backend, **{variable: "1"})
    said = " ".join(done.stdout.split())
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"{backend} failed" in said
    assert variable in said.partition("Empty cells")[2]
    assert f"{variable}=1 was set, which may change what a library computes with" in said


def test_what_steers_a_process_is_told_at_the_end_of_a_race(tmp_path):
    done = command(*BENCH, "--backend", "numpy", "-k", "test_loss", "--results", tmp_path, MALLOC_PERTURB_="69")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MALLOC_PERTURB_=69 was set" in done.stdout


# The core that is raced on.


def test_a_second_race_on_the_same_cores_is_refused_in_one_sentence(tmp_path):
    with cpu.reserved(usable_cores()):
        done = command(*BENCH, "--backend", "numpy", "--results", tmp_path)
    assert done.returncode == 2
    assert "another race is using core" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--core", "99"), "there is no core 99 to race on; choose --core from"),
        (("--core", "-1"), "'-1' is not a whole number from 0"),
        (("--seed", "x"), "'x' is not a whole number from 0"),
        (("--allocator", "jemalloc"), "no allocator 'jemalloc'; choose from default, kept"),
    ],
)
def test_a_condition_that_cannot_be_kept_is_refused_with_the_choices(tmp_path, option, said):
    done = command(*BENCH, "--backend", "numpy", "--results", tmp_path, *option)
    assert done.returncode in (2, 4), done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_seed_is_drawn_and_recorded_and_repeats_order_and_layouts(tmp_path):
    drawn = [race(tmp_path / str(i)).settings.seed for i in range(2)]
    assert drawn[0] != drawn[1]
    again = race(tmp_path / "again", seed=drawn[0])
    assert [r.seed for r in again.races] == [r.seed for r in the_record(tmp_path / "0").races]
