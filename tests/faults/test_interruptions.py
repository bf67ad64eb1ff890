"""Ctrl-C and SIGKILL at any moment: what was done is on disk, and resumed, the record is as if undisturbed.

`KILLS=100 pytest tests/faults/test_interruptions.py` tries a hundred kills at random moments.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from bench.console.interrupts import Interrupted
from bench.records.schema import Record
from bench.records.store import read
from tests.faults.driver import GENERATIONS, MOMENTS, PROBLEMS, race
from tests.faults.left_behind import MARK, left_behind
from tests.running import QUICK, ROOT, the_record

KILLS = int(os.environ.get("KILLS", "2"))
SEED = int(os.environ.get("KILLS_SEED", "0"))

pytestmark = pytest.mark.usefixtures("signals")

AGAIN = "pytest bench/ --benchmark-only --resume"


def timeless(record: Record) -> dict:
    """Return all that two undisturbed runs have in common."""
    cells = {}
    for c in record.cells:
        assert c.outcome.status == "ok"
        checks = [check if check.name != "waits" else msgspec.structs.replace(check, what="") for check in c.checks]
        sampled = sorted((s.generation, s.operation) for s in c.samples)
        called = sorted((f.generation, f.operation) for f in c.first_calls)
        cells[c.entrant, c.problem] = (checks, c.runs, c.losses, c.compilations, sampled, called, len(c.cores_used))
    return {
        "cells": cells,
        "races": [(r.generation, r.problem, r.dtype, r.seed) for r in record.races],
        "status": record.status,
        "settings": record.settings,
        "problems": record.problems,
        "entrants": [(e.label, e.backend, e.outcome, e.versions, e.resources, e.mode) for e in record.entrants],
        "limits": [(limits.resources, limits.dtype) for limits in record.limits],
        "host_states": [state.generation for state in record.host_states],
    }


def done(record: Record) -> dict:
    """Return what must never be lost: every finished race with its samples."""
    raced = [(race.generation, race.problem) for race in record.races]
    return {
        (c.entrant, c.problem, s.generation, s.operation): s.nanoseconds
        for c in record.cells
        for s in c.samples
        if (s.generation, c.problem) in raced
    }


def finished(folder: Path) -> Record:
    race(folder, lambda line: None)
    return the_record(folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return finished(tmp_path_factory.mktemp("undisturbed"))


def test_an_undisturbed_run_is_complete(undisturbed: Record):
    raced = [(race.generation, race.problem) for race in undisturbed.races]
    assert raced == [(generation, problem) for generation in range(GENERATIONS) for problem in PROBLEMS]
    assert undisturbed.status == "complete"


def driver(folder: Path, *moment: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.faults.driver", str(folder), *moment]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


TIMES = [("before renaming", 1), ("checking", 1), ("after renaming", 2), ("a turn", 3), ("before renaming", 3)]


def test_killed_at_every_kind_of_moment_a_run_loses_no_finished_race(undisturbed: Record, tmp_path: Path):
    """It is killed again and again, and goes on; in the end its record equals the undisturbed one."""
    assert {moment for moment, _ in TIMES} == set(MOMENTS)
    kept, races = {}, []
    for moment, number in TIMES:
        assert driver(tmp_path, moment, str(number)).wait(timeout=120) == -signal.SIGKILL
        for path in tmp_path.glob("20*.json"):
            record = read(path)
            assert kept.items() <= done(record).items(), "a finished race was lost or changed"
            kept = done(record)
        races.append(len({key[1:3] for key in kept}))
    assert races == [0, 0, 1, 1, 2]
    assert timeless(finished(tmp_path)) == timeless(undisturbed)


@pytest.mark.timeout(60 + 20 * KILLS)
def test_killed_at_random_moments_a_run_loses_no_finished_race(undisturbed: Record, tmp_path: Path):
    chance, kept = random.Random(SEED), {}
    for _ in range(KILLS):
        process = driver(tmp_path)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=chance.uniform(0.3, 1.0))
        process.kill()
        process.wait()
        for path in tmp_path.glob("20*.json"):
            record = read(path)
            assert kept.items() <= done(record).items(), "a finished race was lost or changed"
            kept = done(record)
            if record.status == "complete":
                path.unlink()
                kept = {}
    assert timeless(finished(tmp_path)) == timeless(undisturbed)


# Ctrl-C, and signals that ask to end.


def signalled(folder: Path, *told: signal.Signals) -> Interrupted:
    """Return how a run ended that was sent signals when its second race began."""

    def say(line: str) -> None:
        if PROBLEMS[1] in line:
            for one in told:
                os.kill(os.getpid(), one)

    with pytest.raises(Interrupted) as interrupted:
        race(folder, say)
    return interrupted.value


@pytest.mark.parametrize(
    ("told", "races"),
    [
        ([signal.SIGINT], 2),
        ([signal.SIGINT, signal.SIGINT], 1),
        ([signal.SIGTERM], 1),
        ([signal.SIGHUP], 1),
    ],
    ids=["Ctrl-C once", "Ctrl-C twice", "SIGTERM", "SIGHUP"],
)
def test_ctrl_c_finishes_the_race_at_hand_and_all_else_stops_at_once(
    undisturbed: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[signal.Signals], races: int
):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    said = str(signalled(tmp_path, *told))
    (path,) = tmp_path.glob("20*.json")
    assert said == f"interrupted; what was done is in {path}; go on with {AGAIN} {path}"
    record = read(path)
    assert (record.status, len(record.races)) == ("unfinished", races)
    assert not list(scratch.iterdir())
    before = done(record)
    assert timeless(finished(tmp_path)) == timeless(undisturbed)
    assert before.items() <= done(the_record(tmp_path)).items()


def test_no_further_signal_breaks_into_how_an_interrupted_run_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ended = []

    def end(worker: object) -> None:
        for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), again)
        ended.append(worker)

    monkeypatch.setattr("tests.running.Here.end", end)
    assert f"go on with {AGAIN}" in str(signalled(tmp_path, signal.SIGTERM))
    assert len(ended) == 2
    assert the_record(tmp_path).status == "unfinished"


# A worker that never answers.

HANGING = """
import sys
from pathlib import Path
from bench import session
from bench.console import exit
from bench.plan.selection import Selection
import tests.little

def race():
    selection = Selection(["numpy", "tests.faults.hangs_on_import:factory"], [sys.argv[2]], ["cpu"], operations=["train"])
    session.run(selection, Path(sys.argv[1]), lambda line: None)

sys.exit(exit.ended(race))
"""


@pytest.fixture
def hanging(tmp_path: Path, heeding: Callable[..., subprocess.Popen]) -> Iterator[subprocess.Popen]:
    """Return a run that waits for a worker which never answers."""
    trace = tmp_path / "trace"
    process = heeding("-c", HANGING, str(tmp_path), QUICK, FAULTS_TRACE=str(trace))
    try:
        until = time.monotonic() + 60
        while not trace.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def heeding() -> Callable[..., subprocess.Popen]:
    """Return a function that starts a process which heeds signals, though a shell's background or nohup may ignore some."""

    def heed() -> None:
        for told in (signal.SIGINT, signal.SIGHUP):
            signal.signal(told, signal.SIG_DFL)

    def start(*arguments: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=os.environ | dict([MARK]) | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed,
        )

    return start


def test_ctrl_c_twice_does_not_wait_for_a_worker_that_hangs(hanging: subprocess.Popen, tmp_path: Path):
    began = time.monotonic()
    hanging.send_signal(signal.SIGINT)
    assert "finishing the race at hand" in hanging.stderr.readline() + hanging.stderr.readline()
    hanging.send_signal(signal.SIGINT)
    _, err = hanging.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert hanging.returncode == 130
    assert f"go on with {AGAIN}" in err
    assert "Traceback" not in err
    assert {cell.outcome.status for cell in the_record(tmp_path).cells} == {"pending"}
    psutil.wait_procs(left_behind(), timeout=10)
    assert left_behind() == []


def test_no_worker_outlives_a_killed_run_not_even_one_that_hangs(hanging: subprocess.Popen):
    assert len(left_behind()) == 4
    hanging.kill()
    hanging.wait()
    psutil.wait_procs(left_behind(), timeout=10)
    assert left_behind() == []


def test_a_race_by_its_command_ends_with_130_and_a_line_after_ctrl_c(heeding: Callable, tmp_path: Path):
    given = ["--quick", "--problem", QUICK, "--backend", "numpy", "--results", str(tmp_path)]
    process = heeding("-m", "pytest", "bench/", "--benchmark-only", "-p", "tests.little", *given)
    assert "generation 1" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert f"go on with {AGAIN}" in out + err
    assert "Traceback" not in out + err
