"""The machine: what it is, and how steady it was."""

import contextlib
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from bench.records.schema import Gpu, Host, HostState


def describe() -> Host:
    return Host(
        cpu=_cpu_name(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        gpu=gpu(),
    )


def gpu() -> Gpu | None:
    """The first NVIDIA GPU; None where there is none or no driver answers."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        return Gpu(
            name=pynvml.nvmlDeviceGetName(handle),
            driver=pynvml.nvmlSystemGetDriverVersion(),
            memory_bytes=pynvml.nvmlDeviceGetMemoryInfo(handle).total,
        )
    except Exception:  # pynvml is absent, or raises one of a dozen errors of its own
        return None


def gpu_reading() -> dict[str, float]:
    """Clocks in MHz, power in W and temperature in C of the first GPU, now, without what it does not tell."""
    import pynvml

    asked: dict[str, Callable[[Any], float]] = {
        "sm_mhz": lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
        "memory_mhz": lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_MEM),
        "watts": lambda gpu: pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
        "celsius": lambda gpu: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
    }
    found = {}
    for what, ask in asked.items():
        # A part of a GPU, or one that is lent to a virtual machine, does not tell its power; that must end no race.
        with contextlib.suppress(pynvml.NVMLError):
            found[what] = float(ask(pynvml.nvmlDeviceGetHandleByIndex(0)))
    return found


class WeatherStation:
    """Watches the machine from its making to `report`."""

    def __init__(self) -> None:
        self._began, self._times, self._clocks = time.monotonic(), psutil.cpu_times(), _megahertz()

    def report(self, generation: int) -> HostState:
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


def _megahertz() -> list[float]:
    return [clock.current for clock in psutil.cpu_freq(percpu=True) or [] if clock.current > 0]


def _cpu_name() -> str:
    """With its family and model: a cloud calls processors "AMD EPYC" of which one multiplies twice as fast as another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    if "model name" not in told:
        return platform.processor() or platform.machine()
    numbers = [f"{what} {told[key]}" for what, key in (("family", "cpu family"), ("model", "model")) if key in told]
    return told["model name"] + (f" ({', '.join(numbers)})" if numbers else "")
