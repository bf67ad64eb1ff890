"""A worker computes with one thread on one core, whatever the environment asks for that it was started in."""

import getpass
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

import backends
from bench.records.schema import Entrant
from bench.resources import Resources
from bench.workers import messages, problem_files
from bench.workers.cores import usable_cores
from bench.workers.environment import USUAL_LAYOUT, environment
from bench.workers.process import Failed, Process
from bench.workloads import pose
from tests.conftest import SMALL
from tests.running import ROOT

WANTED = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"), "7")
WANTED |= {"TORCHINDUCTOR_VEC_ISA_OK": "0"}
FOUND_COMPILED = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"
"""Where torch keeps programs by itself: those of the tests of backends/ are there."""
ON_THE_CPU = {
    name: [mode.name for mode in library.modes if "cpu" in mode.devices] for name, library in backends.LIBRARIES.items()
}


class Told(NamedTuple):
    """What a worker tells that has loaded all modes of a library, one after another."""

    busy: dict[str, int]
    """By mode, the threads that took a part of its CPU time."""
    strays: int
    eager: dict[str, str]
    """What its process is like after the first mode, which is eager if there is one: by `tests.outsiders:Telltale`."""
    cores: list[int]


@pytest.fixture(scope="module", params=backends.LIBRARIES)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    library, folder, cores = request.param, tmp_path_factory.mktemp(request.param), usable_cores()[-1:]
    problem_files.write(pose(SMALL["factorisation"]), folder / "problem")
    entrant = Entrant(library, "numpy", Resources(), "float32")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WANTED.items():
            patch.setenv(name, value)
        worker = Process(entrant, cores, FOUND_COMPILED if library == "torch" else folder)

    def load(backend: str) -> messages.Loaded:
        return worker.ask(60).load(backend, entrant.resources, entrant.dtype)

    def raced(mode: str) -> messages.Tallied:
        load(mode)
        worker.ask(60).prepare(str(folder / "problem"), ["train"])
        worker.ask(60).begin(0, 0, 0.02)
        worker.ask(60).turn({"train": 2}, {"train": 1}, 0)
        return worker.ask(60).tally()

    try:
        worker.ask(60).pin(cores)
        found, eager = {}, {}
        for mode in sorted(ON_THE_CPU[library], key=lambda name: backends.MODES[name].mode != "eager"):
            try:
                found[mode] = raced(mode)
            except Failed as failure:
                assert failure.outcome.status.startswith("needs "), failure
            if not eager:
                eager = load("tests.outsiders:Telltale").versions
        return Told(
            {mode: tally.busy_threads for mode, tally in found.items()},
            sum(tally.strays for tally in found.values()),
            eager,
            cores,
        )
    finally:
        worker.end()


def test_every_mode_keeps_one_thread_busy(told: Told):
    assert told.busy
    assert told.busy == dict.fromkeys(told.busy, 1)


def test_each_library_has_one_thread_to_compute_with(told: Told):
    threads = {name: count for name, count in told.eager.items() if name.startswith("threads of ")}
    assert threads.pop("threads of jax") in ("0", "1")
    assert set(threads.values()) == {"1"}


def test_the_environment_is_fixed_before_anything_is_imported(told: Told):
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC", "PJRT_NPROC"):
        assert told.eager[variable] == "1"
    assert told.eager["JAX_PLATFORMS"] == "cpu"
    assert told.eager["CUDA_VISIBLE_DEVICES"] == ""


def test_every_thread_is_pinned_to_the_core_asked_for(told: Told):
    assert told.eager["cores of every thread"] == str(told.cores)
    assert told.strays == 0


def test_the_root_is_on_its_path_and_the_folder_of_backends_is_not(told: Told):
    entries = [Path(entry or ".").resolve() for entry in told.eager["path"].split(os.pathsep)]
    assert ROOT in entries
    assert ROOT / "backends" not in entries


def test_eager_torch_never_loads_the_compiler_and_no_mode_tries_the_c_compiler_first(told: Told):
    """A race that imports it in its first turn collects its hundred thousand objects in every other."""
    assert told.eager["the compiler of torch was loaded"] == "False"
    assert told.eager.get("g++ takes torch's vector library", "True") == "True"


def test_a_worker_with_two_threads_is_told_of_two(tmp_path: Path):
    told = environment(Entrant("x", "numpy", Resources(threads=2), "float32"), tmp_path, USUAL_LAYOUT)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC", "PJRT_NPROC"):
        assert told[variable] == "2"
