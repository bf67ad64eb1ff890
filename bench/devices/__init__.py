"""The kinds of device: a module each, found by its place in this folder."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple

from bench.records.machine import Gpu


class Probe(NamedTuple):
    """The work that shows what a device can do at most: large enough that its caches and a call's overhead do not show."""

    side: int
    """Rows and columns of two matrices that are multiplied."""
    copied_bytes: int


@dataclass(frozen=True, kw_only=True)
class Device:
    """All that the harness knows of a kind of device."""

    name: str
    describe: Callable[[], Gpu | None]
    """What it is, where that is no part of the host; None where there is none."""
    available: Callable[[], bool]
    read: Callable[[], Mapping[str, float]]
    """Clocks, power and temperature now; empty where nothing is told."""
    probe: Probe
    least_warm_up_seconds: float
    """Untimed calls that begin a turn, whatever was asked for."""
    is_the_cpu: bool
    """Whether the cores compute.  Elsewhere entrants get ready one after another, on every core, each with a compile cache
    of its own in every generation, because compilers choose kernels by timing them; memory and transfers are measured; and
    a process ends with its first failure, because an error of the device outlives the call that met it."""


def _found() -> dict[str, Device]:
    devices = [import_module(f"{__name__}.{module.name}").DEVICE for module in pkgutil.iter_modules(__path__)]
    return {device.name: device for device in devices}


DEVICES: dict[str, Device] = _found()


def available() -> list[str]:
    """Return the names of the devices that this machine has."""
    return [name for name, device in DEVICES.items() if device.available()]
