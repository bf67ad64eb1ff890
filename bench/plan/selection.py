"""Hold what a person selected to race, checked before anything starts."""

import math
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import backends
from bench import devices
from bench.console import escaped
from bench.errors import UsageError
from bench.operations import OPERATIONS
from bench.problem import DTYPES, Problem
from bench.records.schema import MARGIN, Allocator
from bench.resources import Resources
from bench.workers import cores
from bench.workloads import DEFAULT_PROBLEMS, pose

RESULTS = Path(__file__).parents[2] / "results"

GENERATIONS = {"default": 8, "rigorous": 20, "quick": 3}
WARM_UP = {"default": 0.005, "rigorous": 0.1, "quick": 0.005}
"""Seconds, as in `Settings` (docs/measured.md)."""
OF_THREADS = 0.1
"""Seconds of warm-up at least where several threads race, which must wake up first (docs/measured.md)."""
DEFAULT_ALLOCATOR: Allocator = "default"  # docs/method.md has why
DEADLINE = 600.0  # seconds; the slowest cell of the default race, a compiled scan of torch, takes about a tenth of it
QUICK_PROBLEMS = ["factorisation/iris", "mlp/iris"]  # also those on which single calls are timed by default


@dataclass
class Selection:
    """The choice of what to race; an empty list stands for the default."""

    backends: Sequence[str] = ()
    problems: Sequence[str] = ()
    devices: Sequence[str] = ()
    threads: Sequence[int] = ()
    dtypes: Sequence[str] = ()
    operations: Sequence[str] = tuple(OPERATIONS)
    timed: dict[str, list[str]] = field(default_factory=dict)  # the operations that are timed, by problem
    pace: str = "default"
    sweep: bool = False  # whether the problems are a ladder of sizes, of which those that take too long are skipped
    generations: int | None = None
    seed: int = field(default_factory=lambda: secrets.randbelow(2**32))  # of the order of turns and memory layouts
    allocators: Sequence[Allocator] = ()
    core: int | None = None  # the core to race on; None for the suite's choice
    margin: float = MARGIN  # relative difference within which two backends are level
    deadline: float = DEADLINE  # seconds for one problem in one generation; an option gives them as text

    def __post_init__(self) -> None:
        quick, everywhere = self.pace == "quick", bool(self.problems) or self.pace == "rigorous"
        self.devices = _once(self.devices) or devices.available()
        self.threads = _once(self.threads) or [1]
        self.dtypes = _once(self.dtypes) or ["float32"]
        self.problems = _once(self.problems) or (QUICK_PROBLEMS if quick else DEFAULT_PROBLEMS)
        self.backends = _once(self.backends) or default_backends(self.devices, quick)
        self.allocators = _once(self.allocators) or [DEFAULT_ALLOCATOR]
        _check("device", self.devices, list(devices.DEVICES))
        _check("dtype", self.dtypes, DTYPES)
        _check("allocator", self.allocators, get_args(Allocator))
        if min(self.threads) < 1:
            raise UsageError(f"{min(self.threads)} threads compute nothing; give --threads a number from 1")
        cores.choose(cores.usable_cores(), max(self.threads), self.core)
        for name in self.backends:
            check_backend(name)
        trained = [name for name in self.operations if OPERATIONS[name].takes_steps]
        every = {p: everywhere or p in QUICK_PROBLEMS for p in self.problems}
        self.timed = self.timed or {p: list(self.operations) if every[p] else list(trained) for p in self.problems}
        self.deadline = _positive_seconds(self.deadline)

    @property
    def resources(self) -> list[Resources]:
        """Every device with every number of threads."""
        return [Resources(device, threads) for device in self.devices for threads in self.threads]

    def posed(self) -> list[Problem]:
        """Return the problems in every dtype; UsageError for one that cannot be posed."""
        return [pose(name, dtype) for dtype in self.dtypes for name in self.problems]


def _once(given: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(given))


def _check(what: str, given: Sequence[str], choices: Sequence[str]) -> None:
    for value in given:
        if value not in choices:
            raise UsageError(f"no {what} {value!r}; choose from {', '.join(choices)}")


def _positive_seconds(text: float | str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UsageError(f"{escaped(str(text))!r} is not a number of seconds above 0; give --deadline one")
    return value


def check_backend(name: str) -> None:
    """Raise UsageError unless `name` is a mode of a library here, or `package.module:factory` with a module that exists."""
    if name in backends.MODES:
        return
    module, colon, factory = name.partition(":")
    if not (colon and factory.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        choices = ", ".join(backends.MODES)
        raise UsageError(f"no backend {name!r}; choose from {choices}, or name your own as package.module:factory")
    if not _exists(module):
        remedy = "give the name Python imports it by, and set PYTHONPATH to where it lies"
        raise UsageError(f"no module {module!r} for the backend {name!r}; {remedy}")


def _exists(module: str) -> bool:
    """Return whether a worker could find the module; importlib's find_spec would run code of its packages."""
    path: Sequence[str] | None = [str(RESULTS.parent), *sys.path, os.getcwd()]
    for name in module.split("."):
        spec = path and next(filter(None, (finder.find_spec(name, path) for finder in sys.meta_path)), None)
        if not spec:
            return False
        path = spec.submodule_search_locations
    return True


def default_backends(chosen_devices: Sequence[str], quick: bool) -> list[str]:
    """Return every mode that can run on one of the devices; a quick run leaves out what compiles slowly."""
    here = {name: mode for name, mode in backends.MODES.items() if set(mode.devices) & set(chosen_devices)}
    return [name for name, mode in here.items() if not mode.on_request and (mode.quick or not quick)]


def there(named: Sequence[str]) -> Sequence[str]:
    """Return the named devices; UsageError for a known kind of device that this machine has not."""
    for name in named:
        if name in devices.DEVICES and name not in devices.available():
            raise UsageError(f"no driver on this machine tells of a {name} device; leave out --device {name}")
    return named


def with_twins(named: Sequence[str]) -> list[str]:
    """Return the named backends, each followed by its by-hand twin: the two together show what autodiff costs."""
    found = [[name, backends.MODES[name].twin] if name in backends.MODES else [name] for name in named]
    return [name for pair in found for name in pair if name]


def add_options(add: Callable[..., object]) -> None:
    """Add the options that all commands share, by argparse's `add_argument` or pytest's `addoption`."""
    several: dict[str, Any] = {"action": "append", "default": []}
    options = {
        "backend": ("NAME", "a backend, or package.module:factory; repeatable (default: all that can run here)"),
        "problem": ("NAME", "<workload>/<size>; repeatable (default: the default problems)"),
        "device": ("DEVICE", f"{' or '.join(devices.DEVICES)}; repeatable (default: every one there is)"),
        "dtype": ("DTYPE", f"{', '.join(DTYPES)}; repeatable (default: float32)"),
    }
    for name, (metavar, what) in options.items():
        add(f"--{name}", **several, metavar=metavar, help=what)
    add("--no-by-hand", action="store_true", help="race a named backend without its by-hand twin")
    limit = f"that a backend may take over one problem in one generation (default: {DEADLINE:g})"
    add("--deadline", default=DEADLINE, metavar="SECONDS", help=limit)
