"""NVIDIA GPUs."""

import contextlib
from collections.abc import Callable
from typing import Any

from bench.devices import Device, Probe
from bench.records.machine import Gpu


def describe() -> Gpu | None:
    """Return the first GPU; None where there is none or no driver answers."""
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


def read() -> dict[str, float]:
    """Return clocks in MHz, power in W and temperature in C of the first GPU, as far as it tells them."""
    import pynvml

    asked: dict[str, Callable[[Any], float]] = {
        "sm_mhz": lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
        "memory_mhz": lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_MEM),
        "watts": lambda gpu: pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
        "celsius": lambda gpu: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
    }
    found = {}
    for what, ask in asked.items():
        with contextlib.suppress(pynvml.NVMLError):  # a part of a GPU does not tell its power
            found[what] = float(ask(pynvml.nvmlDeviceGetHandleByIndex(0)))
    return found


DEVICE = Device(
    name="cuda",
    describe=describe,
    available=lambda: describe() is not None,
    read=read,
    probe=Probe(side=8192, copied_bytes=2**30),
    least_warm_up_seconds=0.05,  # a GPU that had nothing to do has lowered its clock
    is_the_cpu=False,
)
