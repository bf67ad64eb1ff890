"""The kinds of device: a module each, found by its place in this folder."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple

from bench.records.schema import Gpu


class Probe(NamedTuple):
    """The work that shows what a device can do at most: large enough that its caches and a call's overhead do not show."""

    side: int  # rows and columns of two matrices that are multiplied
    copied_bytes: int


@dataclass(frozen=True, kw_only=True)
class Device:
    """All that the harness knows of a kind of device."""

    name: str
    describe: Callable[[], Gpu | None]  # what it is, where that is no part of the host; None where there is none
    available: Callable[[], bool]
    read: Callable[[], Mapping[str, float]]  # clocks, power and temperature now; empty where nothing is told
    probe: Probe
    least_warm_up_seconds: float  # untimed calls that begin a turn, whatever was asked for
    is_the_cpu: bool
    """Whether the cores compute.  Elsewhere entrants get ready one by one, on every core, with a new compile cache each
    generation, as compilers time kernels; memory and transfers are measured; a process ends with its first failure."""


def _found() -> dict[str, Device]:
    devices = [import_module(f"{__name__}.{module.name}").DEVICE for module in pkgutil.iter_modules(__path__)]
    return {device.name: device for device in devices}


DEVICES: dict[str, Device] = _found()


def available() -> list[str]:
    """Return the names of the devices that this machine has."""
    return [name for name, device in DEVICES.items() if device.available()]
