"""A worker's process, and all that descend from it: their CPU time, cores and memory."""

import contextlib
import ctypes
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil


def bind() -> None:
    """Ask Linux for SIGKILL when the parent is gone, so that no endless loop outlives the race, and to be given the
    orphans of its children, so that it knows all who compute for it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


PAGE = 4096
ALIGNED = 16
"""What glibc's malloc aligns to, and with it NumPy its arrays; a cache line is 64 bytes, and torch and JAX align to it."""
PLACES = PAGE // ALIGNED
PLACE = "BENCH_HEAP_PLACE"
"""The environment variable by which a worker is told where in a page its heap begins: one of PLACES."""


def place_heap() -> bytearray:
    """A block to be kept, of a size that PLACE tells: what is allocated after it lies elsewhere in its page.

    Otherwise all processes of an entrant lay out their arrays much alike, and what luck the layout had is taken for the entrant's
    speed, whatever the interval (Mytkowicz et al., Producing Wrong Data Without Doing Anything Obviously Wrong!, ASPLOS 2009):
    on factorisation/1000x100r10 a step of numpy took 0.156 ms from one start of the heap in four, and 0.168 from the others.
    The block is too large for a gap in the heap, and too small for glibc to map it apart.
    """
    return bytearray(100 * 1024 + ALIGNED * int(os.environ.get(PLACE, "0")))


class Meter:
    """Wall clock, and CPU time of all threads and of the processes that they started, summed over what is measured."""

    wall = 0.0
    cpu = 0.0
    looking = 0.0
    """CPU time that looking at those processes took, milliseconds where there are any."""

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        looked, others = time.process_time(), _others_seconds()
        own, wall = time.process_time(), time.monotonic()
        self.looking += own - looked
        yield
        self.wall += time.monotonic() - wall
        stopped = time.process_time()
        self.cpu += stopped - own + _others_seconds() - others
        self.looking += time.process_time() - stopped


def cpu_seconds() -> float:
    return time.process_time() + _others_seconds()


def _others_seconds() -> float:
    """CPU time of all processes that descend from this one, living or gone."""
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = gone.ru_utime + gone.ru_stime
    for process in _descendants():
        with contextlib.suppress(psutil.Error, OSError):
            seconds += _clock(process.pid) + sum(process.cpu_times()[2:4])  # and of the children it has waited for
    return seconds


def _clock(process: int) -> float:
    """CPU seconds of all its threads, in nanoseconds; what psutil says is whole ticks, 10 ms, of two kinds."""
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(process, ctypes.byref(clock)):
        return 0.0  # it is gone
    return time.clock_gettime(clock.value)


def _descendants() -> list[psutil.Process]:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return []  # known in a microsecond, where psutil takes milliseconds
    return psutil.Process().children(recursive=True)


def _threads() -> list[int]:
    """Every thread of this process and of its descendants."""
    found: list[int] = []
    for process in (os.getpid(), *(p.pid for p in _descendants())):
        with contextlib.suppress(OSError):
            found += map(int, os.listdir(f"/proc/{process}/task"))
    return found


def pin(cores: list[int]) -> None:
    """Every thread on `cores` alone, those that a library has started too; nowhere without any."""
    for thread in _threads() if cores else ():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread, cores)


def strays(cores: list[int]) -> int:
    """How many threads may run elsewhere than on `cores`."""
    count = 0
    for thread in _threads() if cores else ():
        with contextlib.suppress(ProcessLookupError):
            count += not os.sched_getaffinity(thread) <= set(cores)
    return count


def thread_seconds() -> dict[str, float]:
    """CPU seconds of every thread of this process, by its number."""
    found = {}
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):
            found[thread] = int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[0]) / 1e9
    return found


def give_room(step_bytes: float, processes: int) -> None:
    """To the heap: pages that are touched now and stay, freed, where the calls of the race will look for memory.

    Otherwise the gaps between a step's arrays let the heap grow now and then, into pages that nobody has touched: 20 ms
    for 8 MB were seen on a virtual machine, in single calls of 11 ms.  torch asks for aligned memory, which glibc 2.36
    seldom takes from what was freed: its eager mode was seen to spread over twelve times the bytes that a step must move.
    All `processes` together are given no more than half of the machine's memory.
    """
    size = max(2**25, 14 * int(step_bytes))
    bytearray(min(size, psutil.virtual_memory().total // 2 // processes))
