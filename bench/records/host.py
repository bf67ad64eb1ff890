"""Describe the machine: what it is, how steady it was, and what took a core away."""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.devices import DEVICES
from bench.records.schema import Host, HostState

LEAST_SECONDS = 0.05  # CPU time by which a process is noticed: some ticks of the clock that /proc counts in

CGROUP = Path("/sys/fs/cgroup")


def describe() -> Host:
    """Return what this machine is."""
    return Host(
        cpu=_cpu_name(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        gpu=next(filter(None, (device.describe() for device in DEVICES.values())), None),
    )


def _cpu_name() -> str:
    """Return the name with family and model: clouds call processors alike of which one is twice as fast as another."""
    lines = (map(str.strip, line.partition(":")) for line in reversed(_lines(Path("/proc/cpuinfo"))))
    told = {key: value for key, _, value in lines}
    if "model name" not in told:
        return platform.processor() or platform.machine()
    numbers = [f"{what} {told[key]}" for what, key in (("family", "cpu family"), ("model", "model")) if key in told]
    return told["model name"] + (f" ({', '.join(numbers)})" if numbers else "")


class Watch:
    """Looks at the machine from its making on."""

    def __init__(self, racing: Sequence[int]) -> None:
        """`racing`: the cores that are raced on; none where nothing is pinned."""
        self._racing, self._stops, self._spent = racing, _times_stopped(), _seconds_by_process()
        self._began, self._times, self._clocks = time.monotonic(), psutil.cpu_times(), _megahertz()

    def state(self, generation: int) -> HostState:
        """Return how the machine was since this was made."""
        now = psutil.cpu_times()
        total = max(sum(now) - sum(self._times), 1e-9)
        clocks = self._clocks + _megahertz()
        return HostState(
            generation=generation,
            seconds=time.monotonic() - self._began,
            load=os.getloadavg()[0],
            steal_share=max(0.0, getattr(now, "steal", 0.0) - getattr(self._times, "steal", 0.0)) / total,
            megahertz=[min(clocks), max(clocks)] if clocks else [],
        )

    def cause(self) -> str:
        """Return what took a racing core since this was made, as far as that can be known, and what to do."""
        if _times_stopped() > self._stops:
            return "the CPU quota of this container stopped it; raise the quota"
        where = f"core {self._racing[0]}" if self._racing else "the processor"
        busiest, load = self._busiest(), os.getloadavg()[0]
        remedy = f"{'end' if busiest else 'wait for'} it, or race on another by --core"
        if load > (os.cpu_count() or 1) + 1:  # one of them is the race's own
            remedy = f"no core is free at a load of {load:.1f}, so wait until it is lower"
        return f"{busiest or 'something else'} ran on {where}; {remedy}"

    def _busiest(self) -> str:
        """Return the process outside this race that computed most on a racing core: `python (process 123)`; '' for none."""
        ours = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
        now = _seconds_by_process()
        spent = {pid: seconds - self._spent.get(pid, 0.0) for pid, seconds in now.items() if pid not in ours}
        for pid in sorted(spent, key=lambda pid: -spent[pid]):
            try:
                process = psutil.Process(pid)
                if spent[pid] > LEAST_SECONDS and (not self._racing or set(process.cpu_affinity()) & set(self._racing)):
                    ours_too = any(word.startswith(("bench.", "bench/")) for word in process.cmdline())
                    return f"{'another run of this suite' if ours_too else process.name()} (process {pid})"
            except psutil.Error:
                continue
        return ""


def _megahertz() -> list[float]:
    return [clock.current for clock in psutil.cpu_freq(percpu=True) or [] if clock.current > 0]


def _seconds_by_process() -> dict[int, float]:
    told = {process.pid: process.info["cpu_times"] for process in psutil.process_iter(["cpu_times"])}
    return {pid: times.user + times.system for pid, times in told.items() if times}


def _times_stopped() -> int:
    """Return how often a CPU quota of this process's control groups has stopped it; 0 where none is told."""
    stops = 0
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        own = CGROUP / controllers / path.lstrip("/")
        told = [line for place in (own, *own.parents) for line in _lines(place / "cpu.stat")]
        stops += sum(int(line.split()[1]) for line in told if line.startswith("nr_throttled "))
    return stops


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
