"""What a process is told before it starts: the same length for all, a layout of its own in each generation."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import bench
from bench.devices import DEVICES
from bench.plan.new_record import new_record
from bench.plan.selection import Selection
from bench.records.schema import Entrant
from bench.records.warnings import warnings
from bench.resources import Resources
from bench.workers import environment as told_by
from bench.workers import process
from bench.workers.environment import Layout, environment, layout
from bench.workers.process import Process
from tests.running import ROOT


def entrant(backend: str = "numpy", allocator: str = "default", device: str = "cpu", threads: int = 1) -> Entrant:
    return Entrant("any name", backend, Resources(device, threads), "float32", allocator)


def test_environments_have_one_length_whoever_enters_with_whatever_allocator_and_layout():
    """Their size moves what lies on the stack."""
    all_of_them = [
        environment(entrant(backend, allocator), Path("/tmp/cache"), place)
        for backend in ("numpy", "torch-eager", "jax-jit", "package.module:factory")
        for allocator in told_by.ALLOCATORS
        for place in (Layout(0, 0), Layout(255, 2**32 - 1))
    ]
    assert len({sum(len(name) + len(value) for name, value in of.items()) for of in all_of_them}) == 1


def test_the_arguments_of_all_processes_have_one_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """They hold the number of a connection: the tenth entrant's was one longer than the ninth's."""
    lengths = set()

    def started(arguments: list[str], **others: object) -> None:
        lengths.add(sum(map(len, arguments)))
        raise FileNotFoundError

    monkeypatch.setattr(process.subprocess, "Popen", started)
    with ExitStack() as held:
        for _ in range(120):
            held.enter_context(open(os.devnull))
            with pytest.raises(FileNotFoundError):
                Process(entrant(), [], tmp_path)
    assert len(lengths) == 1


def test_the_layout_is_another_in_each_generation_and_repeats_by_the_seed():
    layouts = [layout(seed=0, generation=g) for g in range(10)]
    assert layouts == [layout(seed=0, generation=g) for g in range(10)]
    assert len({found.hash_seed for found in layouts}) == 10
    assert len({found.heap_place % 4 for found in layouts}) > 1, "of 64 bytes"


def test_arrays_lie_elsewhere_in_processes_of_another_layout_and_mostly_alike_in_those_of_one(tmp_path: Path):
    """Mostly: now and then what a process reads of itself is longer, and what is allocated then lies elsewhere."""

    def places(heap_place: int) -> tuple[str, str]:
        worker = Process(entrant(), [], tmp_path, Layout(heap_place))
        try:
            told = worker.ask(60).load("tests.outsiders:Placed", Resources(), "float32").versions
            return told["place of 600"], told[f"place of {2**21}"]
        finally:
            worker.end()

    for small_or_large in zip(*(places(heap_place) for heap_place in range(5)), strict=True):
        assert len(set(small_or_large)) > 2
    assert len({places(7) for _ in range(5)}) <= 3


def test_xla_has_one_thread_on_a_cpu_and_for_a_gpu_tries_kernels_with_as_many_as_there_are_cores():
    told = {device: environment(entrant("jax-jit", device=device), Path(), Layout()) for device in DEVICES}
    assert told["cpu"]["NPROC"] == told["cpu"]["PJRT_NPROC"] == "1"
    assert not {"NPROC", "PJRT_NPROC"} & set(told["cuda"])


def test_what_steers_a_library_from_outside_is_told_in_the_record(monkeypatch: pytest.MonkeyPatch):
    steering = {"TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE", "OPENBLAS_CORETYPE", "OMP_PROC_BIND", "CXX"}
    steering |= {"MALLOC_PERTURB_", "PYTHONMALLOC", "LD_PRELOAD_X", "COVERAGE_PROCESS_START", "JAX_DISABLE_JIT"}
    # Two are set for every worker, and three move no time.
    not_steering = {"OMP_NUM_THREADS", "TORCHINDUCTOR_CACHE_DIR", "MY_TORCH", "PYTHONHASHSEED", "PYTHONUNBUFFERED"}
    for name in steering | not_steering:
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(bench, "GIVEN", frozenset(os.environ))
    monkeypatch.setenv("KMP_SET_BY_A_LIBRARY", "1")
    record, _ = new_record(Selection(["numpy"], ["factorisation/iris"], ["cpu"]))
    told = [warning.partition("=")[0] for warning in warnings(record)]
    assert steering <= set(told)
    assert not {*not_steering, "KMP_SET_BY_A_LIBRARY"} & set(told)


FAULTS_OF_A_DOZEN_ARRAYS = """
import resource
from bench.workers.memory import give_room
from bench.workloads import pose
give_room(pose("factorisation/2000x1000r32").bytes_moved, 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
arrays = [bytearray(8_000_000) for _ in range(12)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_heap_that_is_kept_and_grows_in_a_race_finds_pages_that_were_touched_before(tmp_path: Path):
    variables = environment(entrant(allocator="kept"), tmp_path, Layout())
    command = [sys.executable, "-c", FAULTS_OF_A_DOZEN_ARRAYS]
    done = subprocess.run(command, env=variables, cwd=ROOT, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 100  # of 23437 pages
