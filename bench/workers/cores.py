"""Choose the cores to race on, and where the harness stays meanwhile, by the topology that Linux tells in /sys."""

import os
import socket
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.errors import UsageError

SYSTEM = Path("/sys/devices/system")
KINDS = ("cpu_atom", "cpu_core")
"""The names by which Linux knows the slow and the fast cores of an Intel processor that has both."""


LOCK = "autodiff-backends-core-"
"""How the name begins by which a race holds a core."""


class Cores(NamedTuple):
    """Numbers of logical processors; empty where no process can be pinned."""

    racing: list[int]
    """Where backends take their turns: one with n threads on the first n."""
    alike: list[int]
    """One processor of every physical core like the racing ones, where backends get ready."""
    harness: list[int]
    """Where the harness stays: off the physical core that every backend races on, if there is another."""

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
    physical: str
    """Equal for logical processors of one physical core."""
    kind: tuple[int, str]
    """Its capacity and its name; a faster kind is larger."""
    node: str
    """The memory node it lies on."""


def choose(usable: Sequence[int], threads: int = 1, asked: int | None = None) -> Cores:
    """Return where a race of backends with up to `threads` threads is run; `asked` is the core that a person chose.

    Without a choice it begins with the last physical core of the fastest kind, on the memory node that has most of them.
    Further threads get physical cores like it first, then other cores, then second processors of a core.  UsageError where
    `asked` is none of `usable`, or `threads` are more.  Where /sys tells no topology, every processor counts as a core.
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
    first = next((core for core in known if core.number == asked), None) or max(
        firsts, key=lambda core: (core.kind, sizes[core.kind, core.node], core.number)
    )
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
                raise UsageError(
                    f"another race is using core {number} of this machine; wait for it, or give each its own cores by taskset"
                ) from None
        yield


@contextmanager
def pinned(numbers: Sequence[int]) -> Iterator[None]:
    """Keep the calling thread on the processors `numbers`, so that a process started meanwhile is born there."""
    if not numbers:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, numbers)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin_all_threads(numbers: Collection[int]) -> None:
    """Pin every thread of this process, those of a library too, to the processors `numbers`; none where there are none."""
    for thread in os.listdir("/proc/self/task") if numbers else ():
        try:
            os.sched_setaffinity(int(thread), numbers)
        except ProcessLookupError:
            continue


@contextmanager
def harness_on(numbers: Sequence[int]) -> Iterator[None]:
    """Keep every thread of this process on the processors `numbers`, off the one that is raced on."""
    before = os.sched_getaffinity(0)
    pin_all_threads(numbers)
    try:
        yield
    finally:
        pin_all_threads(before if numbers else ())


def usable_cores() -> list[int]:
    """Return the cores to which this process may pin others; none where pinning is not possible."""
    try:
        cores = sorted(os.sched_getaffinity(0))
        with pinned(cores[:1]):
            return cores
    except OSError:
        return []
