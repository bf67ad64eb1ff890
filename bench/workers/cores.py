"""Choose the cores to race on, and where the harness stays meanwhile, by the topology that Linux tells in /sys."""

import os
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.errors import UsageError

SYSTEM = Path("/sys/devices/system")
KINDS = ("cpu_atom", "cpu_core")  # Linux's names for the slow and the fast cores of an Intel processor with both


LOCK = "autodiff-backends-core-"  # how the name begins by which a race holds a core


class Cores(NamedTuple):
    """Numbers of logical processors; empty where no process can be pinned."""

    racing: list[int]  # where backends take their turns: one with n threads on the first n
    alike: list[int]  # one processor of every physical core like the racing ones, where backends get ready
    harness: list[int]  # where the harness stays: off the physical core that is raced on, if there is another

    @property
    def all(self) -> list[int]:
        """Return every core that is named here."""
        return sorted({*self.racing, *self.alike, *self.harness})

    def of(self, threads: int) -> list[int]:
        """Return the cores on which a backend with so many threads takes its turns."""
        return self.racing[:threads]

    def places(self, threads: int) -> list[list[int]]:
        """Return groups of cores where backends with so many threads get ready, one backend at a time in each."""
        if threads == 1 and self.alike:
            return [[number] for number in self.alike]
        return [self.of(threads)]


class _Core(NamedTuple):
    number: int
    physical: str  # equal for logical processors of one physical core
    kind: tuple[int, str]  # its capacity and its name; a faster kind is larger
    node: str  # the memory node it lies on


def choose(usable: Sequence[int], threads: int = 1, asked: int | None = None) -> Cores:
    """Return where a race of backends with up to `threads` threads is run; UsageError where that cannot be.

    It begins with `asked`, or the last physical core of the fastest kind, on the memory node with most of them.  More
    threads get physical cores like it first, then others, then second processors.  Without a topology each is a core.
    """
    if not usable:
        if asked is not None:
            raise UsageError(f"--core {asked} cannot be kept: this process may not pin others; leave it out")
        return Cores([], [], [])
    if asked is not None and asked not in usable:
        raise UsageError(f"there is no core {asked} to race on; choose --core from {', '.join(map(str, usable))}")
    if threads > len(usable):
        raise UsageError(f"{threads} threads need as many cores, and {len(usable)} can be used; give --threads fewer")
    known = [_core(number) for number in usable]
    firsts = list({core.physical: core for core in reversed(known)}.values())
    sizes = Counter((core.kind, core.node) for core in firsts)
    named = [core for core in known if core.number == asked]
    first = max(named or firsts, key=lambda core: (core.kind, sizes[core.kind, core.node], core.number))
    others = [core for core in known if core.physical != first.physical]
    alike = [core for core in firsts if core in others and (core.kind, core.node) == (first.kind, first.node)]
    order = sorted(known, key=lambda c: (c is not first, c not in alike, c not in firsts, -c.number))
    siblings = [number for number in usable if number != first.number]
    return Cores(
        racing=[core.number for core in order[:threads]],
        alike=sorted([first.number, *(core.number for core in alike)]),
        harness=[core.number for core in others] or siblings or list(usable),
    )


def _core(number: int) -> _Core:
    folder = SYSTEM / "cpu" / f"cpu{number}"
    siblings = _told(folder / "topology" / "thread_siblings_list") or str(number)
    kinds = [kind for kind in KINDS if number in _numbers(_told(SYSTEM.parent / kind / "cpus"))]
    nodes = sorted(path.name for path in folder.glob("node[0-9]*"))
    return _Core(number, siblings, (int(_told(folder / "cpu_capacity") or 0), "".join(kinds)), "".join(nodes))


def _numbers(listed: str) -> set[int]:
    """Return 0, 1, 2 and 8 of `0-2,8`."""
    ends = [part.split("-") for part in listed.split(",") if part]
    return {number for end in ends for number in range(int(end[0]), int(end[-1]) + 1)}


def _told(path: Path) -> str:
    """Return what the file says; '' where there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


@contextmanager
def reserved(usable: Sequence[int]) -> Iterator[None]:
    """Hold the processors `usable` for this race; UsageError where another race on this machine holds one of them.

    A name in Linux's abstract namespace is the lock: it is one for all users, and is free again when its process ends.
    """
    with ExitStack() as held:
        for number in usable:
            lock = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            try:
                lock.bind(f"\0{LOCK}{number}")
            except OSError:
                remedy = "wait for it, or give each its own cores by taskset"
                raise UsageError(f"another race is using core {number} of this machine; {remedy}") from None
        yield


@contextmanager
def pinned(numbers: Sequence[int], all_threads: bool = False) -> Iterator[None]:
    """Keep the calling thread, or all threads, on the processors `numbers`: a process started meanwhile is born there."""
    pin: Callable[[Collection[int]], None] = pin_all_threads if all_threads else partial(os.sched_setaffinity, 0)
    before = os.sched_getaffinity(0)
    if numbers:
        pin(numbers)
    try:
        yield
    finally:
        if numbers:
            pin(before)


def pin_all_threads(numbers: Collection[int]) -> None:
    """Pin every thread of this process, those of a library too, to the processors `numbers`; none where there are none."""
    for thread in os.listdir("/proc/self/task") if numbers else ():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), numbers)


def usable_cores() -> list[int]:
    """Return the cores to which this process may pin others; none where pinning is not possible."""
    try:
        cores = sorted(os.sched_getaffinity(0))
        with pinned(cores[:1]):
            return cores
    except OSError:
        return []
