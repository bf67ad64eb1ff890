"""Choose the core to race on, and where the harness stays meanwhile, by the topology that Linux tells in /sys."""

import fcntl
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.errors import UsageError

SYSTEM = Path("/sys/devices/system")
KINDS = ("cpu_atom", "cpu_core")
"""How Linux calls the slow and the fast cores of an Intel processor that has both."""


class Cores(NamedTuple):
    """Numbers of logical processors; `racing` is empty where no process can be pinned."""

    racing: list[int]
    """The core where all backends take their turns."""
    preparing: list[list[int]]
    """The cores where backends get ready, one at a time on each: one thread of every physical core like the racing one."""
    harness: list[int]
    """The processors where the harness stays: none that shares a physical core with `racing`, where there is another."""


class _Core(NamedTuple):
    number: int
    physical: str
    """Equal for threads that share a physical core."""
    kind: tuple[int, str]
    """Its capacity, and the kind that a processor with fast and slow cores tells; a faster kind is larger."""
    node: str
    """The memory node it lies on."""


def cores(usable: Sequence[int], asked: int | None = None) -> Cores:
    """Return where a race is run; `asked` is the core that a person chose.

    Without a choice it is the last physical core of the fastest kind, on the memory node that has most of them.  UsageError
    where `asked` is none of `usable`.  Where /sys tells no topology, every processor counts as a physical core of one kind.
    """
    if not usable:
        if asked is not None:
            raise UsageError(f"--core {asked} cannot be kept: this process may not pin others; leave it out")
        return Cores([], [[]], [])
    if asked is not None and asked not in usable:
        raise UsageError(f"there is no core {asked} to race on; choose --core from {', '.join(map(str, usable))}")
    known = [_core(number) for number in usable]
    first_threads = list({core.physical: core for core in reversed(known)}.values())
    sizes = Counter((core.kind, core.node) for core in first_threads)
    racing = next((core for core in known if core.number == asked), None) or max(
        first_threads, key=lambda core: (core.kind, sizes[core.kind, core.node], core.number)
    )
    alike = [
        c for c in first_threads if (c.kind, c.node) == (racing.kind, racing.node) and c.physical != racing.physical
    ]
    preparing = sorted([racing.number, *(core.number for core in alike)])
    others = [core.number for core in known if core.physical != racing.physical]
    siblings = [number for number in usable if number != racing.number]
    return Cores([racing.number], [[number] for number in preparing], others or siblings or list(usable))


LOCKS = Path("/tmp")  # noqa: S108 - one place for all who race on this machine, whatever their TMPDIR


@contextmanager
def reserved(usable: Sequence[int]) -> Iterator[None]:
    """Hold the processors `usable` for this race; UsageError where another race on this machine holds one of them."""
    with ExitStack() as held:
        for number in usable:
            lock = _lock(LOCKS / f"autodiff-backends-core-{number}.lock")
            held.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"another race is using core {number} of this machine; wait for it, or give each its own cores by taskset"
                ) from None
        yield


def _lock(path: Path) -> int:
    """Open the file, which may be another user's, and make it for everybody where there is none."""
    try:
        if not path.exists():
            path.touch(0o666)
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"cannot lock {path} for a race ({error.strerror}); make it readable for all") from None


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


def pin_all_threads(numbers: Collection[int]) -> None:
    """Pin every thread of this process to the processors `numbers`; none where the list is empty."""
    for thread in os.listdir("/proc/self/task") if numbers else ():
        try:
            os.sched_setaffinity(int(thread), numbers)
        except ProcessLookupError:
            continue
