"""Tell whether every backend got its whole core, and what took it away as far as that can be known."""

import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.records.schema import Entrant
from bench.workers import messages

FEWEST_CORES_USED = 0.9
"""CPU time over wall time in its calls, below which an entrant did not have its core.  docs/measured.md has
what was seen."""

LEAST_SECONDS = 0.05
"""CPU time by which a process is noticed: some ticks of the clock that /proc tells it by."""

CGROUP = Path("/sys/fs/cgroup")


def starved(tallied: Sequence[tuple[Entrant, messages.Tallied]]) -> dict[str, float]:
    """Return, by label, what the entrants on the CPU got that had less than their core; one that waits for a GPU needs none."""
    return {
        entrant.label: tally.cores_used
        for entrant, tally in tallied
        if entrant.device == "cpu" and tally.cores_used < FEWEST_CORES_USED
    }


class Watch:
    """Looks at the machine from its making on, to say what took a core away."""

    def __init__(self, cores: Sequence[int]) -> None:
        self._cores, self._stops, self._spent = cores, _times_stopped(), _seconds_by_process()

    def cause(self) -> str:
        """Return what took the racing core since this was made, as far as that can be known, and what to do."""
        if _times_stopped() > self._stops:
            return "the CPU quota of this container stopped it; raise the quota"
        where = f"core {self._cores[0]}" if self._cores else "the processor"
        if busiest := self._busiest():
            return f"{busiest} ran on {where}; end it, or race on another by --core"
        return f"something else ran on {where}; wait for it, or race on another by --core"

    def _busiest(self) -> str:
        """Return the process outside this race that computed most on the racing core: `python (process 123)`; '' for none."""
        ours = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
        now = _seconds_by_process()
        spent = {pid: seconds - self._spent.get(pid, 0.0) for pid, seconds in now.items() if pid not in ours}
        for pid in sorted(spent, key=lambda pid: -spent[pid]):
            try:
                process = psutil.Process(pid)
                if spent[pid] > LEAST_SECONDS and (not self._cores or set(process.cpu_affinity()) & set(self._cores)):
                    ours_too = any(word.startswith(("bench.", "bench/")) for word in process.cmdline())
                    return f"{'another run of this suite' if ours_too else process.name()} (process {pid})"
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
    """Return how often a CPU quota of this process's control groups has stopped it; 0 where none is told."""
    stops = 0
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        folder = {"": CGROUP, "cpu": CGROUP / "cpu", "cpu,cpuacct": CGROUP / "cpu,cpuacct"}.get(controllers)
        if folder:
            own = folder / path.lstrip("/")
            groups = [place for place in (own, *own.parents) if place == folder or folder in place.parents]
            told = [line for place in groups for line in _lines(place / "cpu.stat")]
            stops += sum(int(line.split()[1]) for line in told if line.startswith("nr_throttled "))
    return stops


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
