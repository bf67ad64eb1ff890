"""A worker's process as the race sees it: what ends with it, and what it leaves."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.records.schema import Entrant
from bench.resources import Resources
from bench.workers import problem_files, process
from bench.workers.process import Failed, Process
from bench.workloads import pose

ENTRANT = Entrant("x", "numpy", Resources(), "float32")


@pytest.mark.parametrize("again", [Process.end, Process.kill])
def test_a_process_is_ended_once_because_its_number_may_be_anothers_afterwards(
    again: Callable[[Process], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ended, killed = Process(ENTRANT, [], tmp_path), []
    ended.end()
    monkeypatch.setattr(process.os, "killpg", lambda *asked: killed.append(asked))
    again(ended)
    assert killed == []


def test_a_process_that_has_ended_holds_no_file_open_and_its_last_words_are_kept(tmp_path: Path):
    before = psutil.Process().num_fds()
    ended = Process(ENTRANT, [], tmp_path)
    problem_files.write(pose("factorisation/12x8r2"), tmp_path / "problem")
    with pytest.raises(Failed) as failed:
        ended.ask(60).load("tests.faults.backends:Babbling", Resources(), "float32")
        ended.ask(60).prepare(str(tmp_path / "problem"), ["train"])
    assert "last words" in failed.value.output
    assert not ended.alive
    assert psutil.Process().num_fds() == before


def test_a_child_that_a_backend_started_ends_with_it(tmp_path: Path):
    parent = Process(ENTRANT, [], tmp_path)
    loaded = parent.ask(60).load("tests.outsiders:WithANamelessChild", Resources(), "float32")
    child = psutil.Process(int(loaded.versions["child"]))
    assert child.is_running()
    parent.end()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_pinning_is_no_part_of_what_a_problem_may_take(tmp_path: Path):
    worker = Process(ENTRANT, [], tmp_path)
    try:
        worker.ask(60).load("numpy", Resources(), "float32")
        worker._channel.left = 0.0
        worker.ask(60).pin([])
        with pytest.raises(Failed, match="timed out: no answer to tally within 60 s"):
            worker.ask(60).tally()
    finally:
        worker.end()


def test_what_jax_compiles_is_found_by_the_process_of_the_next_generation(tmp_path: Path):
    problem_files.write(pose("factorisation/12x8r2"), tmp_path / "problem")

    def kept_by_another() -> dict[Path, int]:
        worker = Process(ENTRANT, [], tmp_path)
        try:
            worker.ask(120).load("jax-jit", Resources(), "float32")
            worker.ask(120).prepare(str(tmp_path / "problem"), ["train"])
        finally:
            worker.end()
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*-cache")}

    cold = kept_by_another()
    assert cold
    assert kept_by_another() == cold
