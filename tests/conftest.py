"""Shared by the tests: the environment of a race, backends that are loaded once, small problems."""

import gc
import os
import signal
from collections.abc import Iterator
from functools import cache
from typing import Any

# Before NumPy is imported: a team of threads is slower on problems as small as these, and rounds differently.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")  # as in a race: see backends/torch/modes.py

# Three libraries are half a million objects; to look through them again and again takes a tenth of the time.
gc.set_threshold(200_000, 20, 100)

# Each of several test processes has cores of its own, so that what one of them races is not slowed by another; and what
# a test starts is no such process, as pytest-benchmark would believe.
if number := os.environ.pop("PYTEST_XDIST_WORKER", "").removeprefix("gw"):
    count = int(os.environ.pop("PYTEST_XDIST_WORKER_COUNT"))
    if own := sorted(os.sched_getaffinity(0))[int(number) :: count]:
        os.sched_setaffinity(0, own)

import numpy as np
import pytest

import backends
from bench.backend import Backend, Unsupported
from bench.records.schema import Record
from tests.running import race_little
from tests.sample_record import sample_record

SMALL = {"factorisation": "factorisation/12x8r2", "mlp": "mlp/24x5-6-3"}
"""One problem a workload: torch.compile takes seconds over every new shape."""
DTYPES = ("float32", "float64")
NUM_STEPS = 7


def pytest_configure(config: pytest.Config) -> None:
    race_little()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, or one of two processes ends with one when the other has nothing left to do.

    Of these the first is the one whose programs others then find compiled on the disk.
    """
    first = ["test_protocol.py", "test_compiled_programs.py", "test_one_thread.py", "test_faulty_processes.py"]
    items.sort(key=lambda item: first.index(item.path.name) if item.path.name in first else len(first))


@cache
def _loaded(name: str, device: str, dtype: str) -> Backend:
    return backends.load(name, device, dtype)


def loaded(name: str, device: str = "cpu", dtype: str = "float32") -> Backend:
    """Return the backend; a mode that this version of its library cannot run skips the test."""
    try:
        return _loaded(name, device, dtype)
    except Unsupported as unsupported:
        if unsupported.status.startswith("needs "):
            pytest.skip(f"{unsupported.status}: {unsupported.reason}")
        raise


def bits(tree: Any) -> Any:
    """Return something that is equal when, and only when, every dtype, shape and bit is."""
    if isinstance(tree, dict):
        return {key: bits(value) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple(map(bits, tree))
    array = np.asarray(tree)
    return array.dtype.str, array.shape, array.tobytes()


@pytest.fixture(scope="session")
def whole() -> Record:
    return sample_record()


@pytest.fixture
def signals() -> Iterator[None]:
    """Let this process heed the signals that end a run, and afterwards handle them as before: an interrupted run ignores them."""
    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {told: signal.signal(told, signal.SIG_DFL) for told in heard}
    yield
    for told, handler in before.items():
        signal.signal(told, handler)
