"""Whether every backend got its whole core, and what took it away as far as that can be known."""

import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench import messages
from bench.record import Entrant, Race

FEWEST_CORES_USED = 0.9
"""CPU time over wall time in its calls, below which an entrant did not have its core.  docs/measured.md has what was seen."""

CGROUP = Path("/sys/fs/cgroup")


def starved(tallied: Sequence[tuple[Entrant, messages.Tallied]]) -> list[str]:
    """Return the labels of the entrants on the CPU that got less than their core; one that waits for a GPU needs none."""
    return [e.label for e, tally in tallied if e.device == "cpu" and tally.cores_used < FEWEST_CORES_USED]


class Watch:
    """Looks at the machine from its making on, to say what took a core away."""

    def __init__(self, cores: Sequence[int]) -> None:
        self._cores, self._stops, self._spent = cores, _times_stopped(), _seconds_by_process()

    def told(self, race: Race, tallied: Sequence[tuple[Entrant, messages.Tallied]]) -> str:
        """Return a sentence on the entrants that got less than their core in this race; '' where all had it."""
        labels = starved(tallied)
        if not labels:
            return ""
        least = min(tally.cores_used for entrant, tally in tallied if entrant.label in labels)
        others = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
        return (
            f"{race.problem}, generation {race.generation + 1}: {', '.join(labels[:3])}{others} got {least:.2g} of a core,"
            f" twice, and those samples are left out: {self._cause()}."
        )

    def _cause(self) -> str:
        if (stops := _times_stopped() - self._stops) > 0:
            return f"the CPU quota of this container stopped it {stops} times; raise the quota"
        where = f"core {self._cores[0]}" if self._cores else "the processor"
        if busiest := self._busiest():
            return f"{busiest} ran on {where}; end it, or race on another by --core"
        return (
            f"something else ran on {where} (load {os.getloadavg()[0]:.1f}); wait for it, or race on another by --core"
        )

    def _busiest(self) -> str:
        """Return the process outside this race that computed most on the racing core: `python (process 123)`; '' for none."""
        ours = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
        now = _seconds_by_process()
        spent = {pid: seconds - self._spent.get(pid, 0.0) for pid, seconds in now.items() if pid not in ours}
        for pid in sorted(spent, key=lambda pid: -spent[pid]):
            try:
                process = psutil.Process(pid)
                if spent[pid] > 0.1 and (not self._cores or process.cpu_num() in self._cores):
                    return f"{process.name()} (process {pid})"
            except psutil.Error:
                continue
        return ""


def _seconds_by_process() -> dict[int, float]:
    found = {}
    for process in psutil.process_iter(["cpu_times"]):
        if times := process.info["cpu_times"]:
            found[process.pid] = times.user + times.system
    return found


def _times_stopped() -> int:
    """Return how often the CPU quota of this process's control group has stopped it; 0 where none is told."""
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        folder = {"": CGROUP, "cpu": CGROUP / "cpu", "cpu,cpuacct": CGROUP / "cpu,cpuacct"}.get(controllers)
        for place in (folder / path.lstrip("/"), folder) if folder else ():
            for told in _lines(place / "cpu.stat"):
                if told.startswith("nr_throttled "):
                    return int(told.split()[1])
    return 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
