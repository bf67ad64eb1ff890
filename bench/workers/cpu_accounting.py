"""Account for a worker's CPU time: how many cores it used, in which threads, and on which cores."""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path


class Meter:
    """Wall time, and CPU time of all threads, summed over what is measured."""

    wall = 0.0
    cpu = 0.0

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        cpu, wall = time.process_time(), time.monotonic()
        yield
        self.wall += time.monotonic() - wall
        self.cpu += time.process_time() - cpu


def strays(cores: Sequence[int]) -> int:
    """Return how many threads of this process may run elsewhere than on `cores`."""
    count = 0
    for thread in os.listdir("/proc/self/task") if cores else ():
        with contextlib.suppress(ProcessLookupError):
            count += not os.sched_getaffinity(int(thread)) <= set(cores)
    return count


def thread_seconds() -> dict[str, float]:
    """Return the CPU seconds of every thread of this process, by its number."""
    found = {}
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):
            found[thread] = int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[0]) / 1e9
    return found
