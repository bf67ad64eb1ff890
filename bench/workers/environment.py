"""The environment of a worker: threads, memory, what each library needs, and what a person had set."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import backends
import bench
from bench.records.schema import Entrant
from bench.workers.memory import PLACE, PLACES

ROOT = Path(__file__).parents[2]


class Layout(NamedTuple):
    """Two numbers that move the arrays of a process: equal for all processes of a generation, others in the next."""

    heap_place: int = 0  # where in its page the heap begins: one of memory.PLACES
    hash_seed: int = 0  # the seed of Python's hashes, which decide what importing allocates


USUAL_LAYOUT = Layout()


def layout(seed: int, generation: int) -> Layout:
    """Return the layout of a generation: identical code is laid out alike in it, and the interval has what that does."""
    rng = np.random.default_rng([seed, generation])
    return Layout(int(rng.integers(PLACES)), int(rng.integers(2**32)))


ALLOCATORS = {
    # glibc as it comes; these variables do nothing, but are as long as the others.
    "default": {"BENCH__MMAP_MAX_": "0", "BENCH__TRIM_THRESHOLD_": str(2**40)},
    # glibc keeps what is freed, and takes large arrays from the heap, too.
    "kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)},
}

# How the names begin of variables that change how any process computes; libraries add their own.
OF_PYTHON = ("ASYNCIODEBUG", "DEVMODE", "HOME", "MALLOC", "OPTIMIZE", "PERFSUPPORT", "PROFILE", "TRACEMALLOC")
STEERING: tuple[str, ...] = ("COVERAGE_", "GLIBC_TUNABLES", "GOMP_", "KMP_", "LD_", "MALLOC_", "OMP_")
STEERING += tuple(f"PYTHON{what}" for what in (*OF_PYTHON, "_CPU_COUNT", "_GIL", "_JIT", "_PERF"))


def environment(entrant: Entrant, cache: Path, layout: Layout) -> dict[str, str]:
    """Return the whole environment of the entrant's process; all are of one length, because that moves the stack."""
    placed = {PLACE: f"{layout.heap_place:03}", "PYTHONHASHSEED": f"{layout.hash_seed:010}"}
    return _given() | _set_by_the_suite(entrant, cache) | placed


def steering(entrants: Iterable[Entrant]) -> dict[str, str]:
    """Return the variables a person has set that may change how a worker computes, and that the suite leaves to some."""
    ours = [set(_set_by_the_suite(entrant, Path())) for entrant in entrants]
    set_for_all = set.intersection(*ours) if ours else set()
    return {name: value for name, value in _given().items() if _steers(name) and name not in set_for_all}


def _steers(name: str) -> bool:
    return name.startswith((*STEERING, *(prefix for x in backends.LIBRARIES.values() for prefix in x.steered_by)))


def _given() -> dict[str, str]:
    """Return the environment of this process, without the variables that a library has set in it."""
    return {name: value for name, value in os.environ.items() if name in bench.GIVEN or not _steers(name)}


def _set_by_the_suite(entrant: Entrant, cache: Path) -> dict[str, str]:
    """Return what every worker gets, whatever its library: threads, memory, and what any library needs."""
    threads = entrant.resources.threads
    libraries: dict[str, str] = {}
    for library in backends.LIBRARIES.values():
        libraries |= library.environment(entrant.device, str(cache), threads)
    return libraries | {
        "OMP_NUM_THREADS": str(threads),
        **ALLOCATORS[entrant.allocator],
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    }
