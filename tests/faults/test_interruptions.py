"""Ctrl-C and SIGKILL at any moment: what was done is on disk, and resumed, the record is as if undisturbed.

`KILLS=100 pytest tests/faults/test_interruptions.py` for more of them.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.console.interrupts import TOLD_TO_END, Interrupts
from bench.records.schema import Record
from bench.records.store import read
from tests.faults.driver import GENERATIONS, PROBLEMS
from tests.faults.left_behind import MARK, left_behind
from tests.running import QUICK, ROOT, the_record

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("KILLS_SEED", "0"))


def started(folder: Path) -> subprocess.Popen:
    """The driver, beginning a record in `folder` or going on with the one that is there."""
    return python("-m", "tests.faults.driver", str(folder), *map(str, folder.glob("*.json")))


def _heeding_signals() -> None:
    for told in (signal.SIGINT, signal.SIGHUP):
        signal.signal(told, signal.SIG_DFL)


def python(*arguments: str) -> subprocess.Popen:
    """A process that heeds signals, though these tests may run in a shell's background or by nohup, which ignore some."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | MARK,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heeding_signals,
    )


def finished(folder: Path) -> Record:
    process = started(folder)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return the_record(folder)


def timeless(record: Record) -> dict:
    """All that two undisturbed runs have in common."""
    cells = {
        (c.entrant, c.problem): (
            c.outcome,
            c.checks,
            c.runs,
            c.losses,
            c.compilations,
            sorted((s.generation, s.operation) for s in c.samples),
            sorted((f.generation, f.operation) for f in c.first_calls),
            len(c.cores_used),
        )
        for c in record.cells
    }
    for outcome, gates, *_ in cells.values():
        assert outcome.status == "ok"
        for gate in checks:
            if gate.name == "waits":
                gate.what = "so and so many ms"
    return {
        "cells": cells,
        "races": [(r.generation, r.problem, r.dtype, r.seed) for r in record.races],
        "status": record.status,
        "settings": record.settings,
        "problems": record.problems,
        "entrants": [(e.label, e.backend, e.outcome, e.versions, e.threads, e.mode) for e in record.entrants],
        "lab": record.lab,
        "limits": [sorted(limits.matmul_flops_per_second) for limits in record.limits],
        "host_states": [w.generation for w in record.host_states],
    }


def done(record: Record) -> dict:
    """What must never be lost: every finished race with its samples."""
    raced = [(race.generation, race.problem) for race in record.races]
    return {
        (c.entrant, c.problem, s.generation, s.operation): s.nanoseconds
        for c in record.cells
        for s in c.samples
        if (s.generation, c.problem) in raced
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Record:
    return finished(tmp_path_factory.mktemp("undisturbed"))


def test_an_undisturbed_run_is_complete(undisturbed):
    assert timeless(undisturbed)["races"] == [
        (g, p, "float32", race.seed)
        for (g, p), race in zip([(g, p) for g in range(GENERATIONS) for p in PROBLEMS], undisturbed.races, strict=True)
    ]


@pytest.mark.timeout(60 * KILLS)
def test_over_random_kills_no_finished_race_is_lost_and_no_file_is_corrupt(undisturbed, tmp_path):
    """Each record is killed or interrupted again and again until it is complete; then it equals the undisturbed one."""
    chance, kills, records = random.Random(SEED), 0, 0
    while kills < KILLS:
        folder = tmp_path / str(records)
        folder.mkdir()
        kills += killed_until_complete(folder, chance, KILLS - kills)
        assert timeless(the_record(folder)) == timeless(undisturbed)
        assert not list(folder.glob(".*.tmp"))
        records += 1
    print(f"{kills} kills over {records} records")


def killed_until_complete(folder: Path, chance: random.Random, most: int) -> int:
    """How often the race in `folder` was killed, at most `most` times, before it was complete."""
    kills, kept = 0, {}
    while True:
        process = started(folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=chance.uniform(0.1, 1.8) if kills < most else 120)
        killed = process.poll() is None
        # An interrupted run ends of itself, when its race is done.
        process.send_signal(chance.choice([signal.SIGINT, signal.SIGKILL]))
        process.communicate(timeout=120)
        kills += killed
        for path in folder.glob("*.json"):
            record = read(path)
            assert kept.items() <= done(record).items(), "a finished race was lost or changed"
            kept = done(record)
            if record.status == "complete":
                return kills
        assert killed, f"ended with {process.returncode} and no complete record"


def wait_for(process: subprocess.Popen, line: str) -> None:
    for said in process.stdout:
        if line in said:
            return
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize("moment", range(2))
def test_ctrl_c_once_finishes_the_race_says_how_to_resume_and_ends_with_130(undisturbed, tmp_path, moment):
    process = started(tmp_path)
    wait_for(process, f"generation {moment + 1}")
    time.sleep(random.Random(moment).uniform(0, 0.6))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    (path,) = tmp_path.glob("*.json")
    assert f"go on with --resume {path}" in err
    assert "Traceback" not in err
    record = read(path)
    assert record.status == "interrupted"
    assert len(record.races) >= 2 * moment + 1
    before = done(record)
    assert timeless(finished(tmp_path)) == timeless(undisturbed)
    assert before.items() <= done(the_record(tmp_path)).items()


@pytest.mark.parametrize("moment", range(2))
def test_ctrl_c_twice_stops_at_once_and_corrupts_nothing(undisturbed, tmp_path, moment):
    process = started(tmp_path)
    wait_for(process, f"generation {moment + 1}")
    time.sleep(random.Random(moment).uniform(0, 0.6))
    assert "go on with --resume" in stopped_at_once(process)
    assert the_record(tmp_path).status == "interrupted"
    assert left_behind() == []
    assert timeless(finished(tmp_path)) == timeless(undisturbed)


def stopped_at_once(process: subprocess.Popen) -> str:
    """What it said to two Ctrl-C."""
    began = time.monotonic()
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert "Traceback" not in err
    return err


ENDING = """
import os, signal, sys
from bench import command, session, workers
from tests.faults.driver import main

def interrupted_again(end):
    def interrupted(*arguments):
        if sys.exc_info()[0]:  # it ends because it was interrupted
            for told in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), told)
        end(*arguments)
    return interrupted

session._leave = interrupted_again(session._leave)
workers.Workers.end = interrupted_again(workers.Workers.end)
code = command.ended(lambda: main(sys.argv[1]))
os.kill(os.getpid(), signal.SIGINT)
sys.exit(code)
"""


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM], ids=lambda told: told.name)
def test_no_further_signal_breaks_into_how_an_interrupted_run_ends(told, tmp_path):
    process = python("-c", ENDING, str(tmp_path))
    wait_for(process, "generation 1")
    process.send_signal(told)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "go on with --resume" in err
    assert the_record(tmp_path).status == "interrupted"
    psutil.wait_procs(left_behind(), timeout=10)  # one may have been born just then
    assert not left_behind()


def test_who_was_done_before_it_could_be_interrupted_hears_what_it_heard_before():
    heard = [signal.getsignal(told) for told in (signal.SIGINT, *TOLD_TO_END)]
    with Interrupts():
        os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(told) for told in (signal.SIGINT, *TOLD_TO_END)] == heard


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP], ids=lambda told: told.name)
def test_who_is_told_to_end_stops_at_once_and_leaves_nothing_behind(told, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    process = started(tmp_path)
    wait_for(process, "generation 1")
    process.send_signal(told)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with --resume" in err
    assert "Traceback" not in err
    assert the_record(tmp_path).status == "interrupted"
    psutil.wait_procs(left_behind(), timeout=10)  # one may have been born just then: it ends when it looks for requests
    assert (left_behind(), list(scratch.iterdir())) == ([], [])


HANGING = """
import sys
from pathlib import Path
from bench import command, session
from bench.plan.selection import Choice
from tests.running import QUICK

def race():
    choice = Choice(["numpy", "tests.faults.hangs_on_import:factory"], [QUICK], ["cpu"])
    session.run(choice, Path(sys.argv[1]), lambda line: print(line, flush=True))

sys.exit(command.ended(race))
"""


@pytest.fixture
def hanging(tmp_path) -> Iterator[subprocess.Popen]:
    """A run that waits for a worker which never answers, and no longer for any other."""
    process = python("-c", HANGING, str(tmp_path))
    try:
        wait_for(process, "generation 1")
        time.sleep(1.5)
        yield process
    finally:
        process.kill()


def test_ctrl_c_twice_does_not_wait_for_a_worker_that_hangs(hanging, tmp_path):
    assert re.search(r"--resume \S+\.json", stopped_at_once(hanging))
    assert {cell.outcome.status for cell in the_record(tmp_path).cells} == {"interrupted"}


def test_no_worker_outlives_a_killed_run_not_even_one_that_hangs(hanging):
    assert len(left_behind()) == 4
    hanging.kill()
    hanging.communicate()
    psutil.wait_procs(left_behind(), timeout=10)
    assert left_behind() == []


ONE = ["--problem", QUICK, "--backend", "numpy"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["pytest", "bench/", "--benchmark-only", "--quick", *ONE, "--results"], "go on with --resume"),
        (["tests.performance", "--backend", "numpy", "--results"], "go on with --resume"),
        (["bench.calibrate", "--results"], "interrupted; run it again"),
        (["bench.agree", *ONE], "interrupted; run it again"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_command_ends_with_130_and_a_line_after_ctrl_c(tmp_path, command, told):
    folder = [str(tmp_path)] if command[-1] == "--results" else []
    process = python("-m", *command, *folder)
    for line in process.stderr:
        if "generation 1" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert told in out + err
    assert "Traceback" not in out + err
