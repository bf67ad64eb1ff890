"""What is said of a first call is its own: no one else has compiled for it, and all that it needs is in it."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import backends
import bench
from bench.plan import new_record
from bench.plan.selection import DEVICES, Choice
from bench.race.prepare import Preparation
from bench.records.schema import OPERATIONS, Entrant, Outcome
from bench.workers import messages, process
from bench.workers.pool import Workers
from bench.workers.process import Failed, Process
from bench.workers.worker import Worker
from bench.workloads import pose
from tests.sample_record import sample_record

IRIS = "factorisation/iris"


class AheadOfTime:
    """NumPy's functions, each of which takes a while to make."""

    def __init__(self) -> None:
        self._backend = backends.load("numpy")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def trainer(self, problem: Any, num_steps: int) -> Callable:
        time.sleep(0.2)
        return self._backend.trainer(problem, num_steps)


def test_a_first_call_holds_the_making_of_its_program():
    worker = Worker()
    worker.backend = AheadOfTime()
    seconds = worker.prepare(messages.Prepare(pose(IRIS), ["train", "loss", "value_and_grad"])).first_call_seconds
    assert list(seconds) == ["train", "loss", "value_and_grad"]
    assert seconds["train"] > 0.2 > seconds["loss"]
    assert set(worker.operations) == set(OPERATIONS)


def _environment(workers: Workers, entrant: Entrant) -> dict[str, str]:
    """Of the worker's process, once it answers: while the kernel still loads the program, its environment reads empty."""
    workers.ask(entrant, messages.Pin([]))
    return psutil.Process(workers.of(entrant)._process.pid).environ()


def test_no_entrant_finds_what_another_has_compiled_and_each_finds_its_own_again(tmp_path: Path, three: list[Entrant]):
    workers, found = (
        Workers(SimpleNamespace(entrants=three, settings=SimpleNamespace(core=None, seed=0)), tmp_path, 60),
        [],
    )
    for _ in range(2):
        for entrant in three:
            workers.start(entrant)
        found.append([_environment(workers, entrant)["TORCHINDUCTOR_CACHE_DIR"] for entrant in three])
        workers.end()
    assert found[0] == found[1]
    assert len(set(found[0])) == len(three)


def test_xla_has_one_thread_on_a_cpu_and_for_a_gpu_tries_kernels_with_as_many_as_there_are_cores():
    told = {device: process._environment(Entrant("x", "jax-jit", device, "float32"), Path()) for device in DEVICES}
    assert told["cpu"]["NPROC"] == told["cpu"]["PJRT_NPROC"] == "1"
    assert not {"NPROC", "PJRT_NPROC"} & set(told["cuda"])


def test_on_a_gpu_each_generation_compiles_anew(tmp_path: Path):
    """What autotuning drew once would be no part of the spread over the generations."""
    entrant, found = Entrant(label="jax-scan@cuda", backend="jax-scan", device="cuda", dtype="float32"), set()
    workers = Workers(SimpleNamespace(entrants=[entrant], settings=SimpleNamespace(core=None, seed=0)), tmp_path, 60)
    for _ in range(2):
        workers.start(entrant)
        found.add(_environment(workers, entrant)["JAX_COMPILATION_CACHE_DIR"])
        workers.end()
    assert len(found) == 2


@pytest.mark.parametrize("again", [Process.end, Process.kill])
def test_a_process_is_ended_once_for_its_number_may_be_anothers_afterwards(
    again: Callable[[Process], None], tmp_path: Path, three: list[Entrant], monkeypatch: pytest.MonkeyPatch
):
    ended, killed = Process(three[0], [], tmp_path), []
    ended.end()
    monkeypatch.setattr(process.os, "killpg", lambda *asked: killed.append(asked))
    again(ended)
    assert killed == []


def test_a_process_that_has_ended_holds_no_file_open_and_its_last_words_are_kept(tmp_path: Path, three: list[Entrant]):
    before = psutil.Process().num_fds()
    ended = Process(three[0], [], tmp_path)
    with pytest.raises(Failed) as failed:
        ended.ask(messages.Load("tests.faults.backends:Babbling", "cpu", "float32"), 60)
        ended.ask(messages.Prepare(pose(IRIS), ["train"]), 60)
    assert "last words" in failed.value.output
    assert psutil.Process().num_fds() == before


def test_all_that_a_backend_started_ends_with_it_whatever_it_calls_itself(tmp_path: Path):
    entrant = Entrant(label="x", backend="tests.outsiders:WithANamelessChild", device="cpu", dtype="float32")
    parent = Process(entrant, [], tmp_path)
    child = psutil.Process(int(parent.ask(messages.Load(entrant.backend, "cpu", "float32"), 60).versions["child"]))
    assert child.is_running()
    parent.end()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_who_cannot_be_loaded_in_a_later_generation_keeps_no_sample_of_an_earlier_one():
    record = sample_record(["numpy"], [IRIS], control=False)
    (entrant,), (cell,) = record.entrants, record.cells
    entrant.outcome = Outcome("crashed", "on loading")
    workers = SimpleNamespace(record=record, cell=lambda entrant, problem: cell)
    assert cell.samples
    assert not Preparation(workers)._may_enter(entrant, pose(IRIS))
    assert (cell.outcome.status, cell.samples) == ("crashed", [])


def test_what_steers_a_library_from_outside_is_told_in_the_record(monkeypatch: pytest.MonkeyPatch):
    steering = {"TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE", "OPENBLAS_CORETYPE", "OMP_PROC_BIND", "CXX"}
    steering |= {"MALLOC_PERTURB_", "PYTHONMALLOC", "LD_PRELOAD_X", "COVERAGE_PROCESS_START", "JAX_DISABLE_JIT"}
    # Two are set for every worker, and three move no time.
    not_steering = {"OMP_NUM_THREADS", "TORCHINDUCTOR_CACHE_DIR", "MY_TORCH", "PYTHONHASHSEED", "PYTHONUNBUFFERED"}
    for name in steering | not_steering:
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(bench, "GIVEN", frozenset(os.environ))
    monkeypatch.setenv("KMP_SET_BY_A_LIBRARY", "1")
    record, _ = new_record.new(Choice(["numpy"], [IRIS], ["cpu"]))
    told = [warning.partition("=")[0] for warning in record.told()]
    assert steering <= set(told)
    assert not {*not_steering, "KMP_SET_BY_A_LIBRARY"} & set(told)
