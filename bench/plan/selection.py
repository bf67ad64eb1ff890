"""What a person selected to race, checked before anything starts, and who enters for it."""

import math
import os
import secrets
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import backends
from bench.backend import REFERENCE
from bench.console.escape import escaped
from bench.devices import cpu
from bench.errors import UsageError
from bench.problem import DTYPES, Problem
from bench.records import host
from bench.records.schema import OPERATIONS, Allocator, Entrant, Operation
from bench.records.store import read
from bench.workers.process import usable_cores
from bench.workloads import DEFAULT_PROBLEMS, pose

DEVICES = ("cpu", "cuda")
RESULTS = Path(__file__).parents[1] / "results"

GENERATIONS = {"default": 10, "rigorous": 20, "quick": 3}
WARM_UP = {"default": 0.02, "rigorous": 0.1, "quick": 0.02}
"""Seconds, as in `Settings`.  After others' turns and a millisecond of calls, on an Intel Xeon (family 6, model 207), a step
of torch-compile took 16 % longer on factorisation/1000x100r10 than after 0.1 s of them, after 0.02 s 3 %, which was within
the noise."""
ROUNDS = 6
"""There and back: the median of six outvotes two that were disturbed.  With two, a slowdown of 10 % in calls of 44 ms was
missed in 3 of 20 trials; with ten or sixteen instead of six, intervals were no narrower, for every process has a speed of its own."""
DEFAULT_ALLOCATOR: Allocator = "default"
"""docs/method.md has what either does to the times, and why this is the default."""
DEADLINE = 600.0
"""Seconds; the dearest cell of the default race, torch's compiled scans, takes about a tenth of it."""
SLOWEST_STEP = 1.0
"""Seconds that a step may take on the ladder of sizes; a size that would take longer is skipped."""

QUICK_PROBLEMS = ["factorisation/iris", "mlp/iris"]


@dataclass
class Choice:
    """What to race; an empty list stands for the default."""

    backends: Sequence[str] = ()
    problems: Sequence[str] = ()
    devices: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    operations: Sequence[Operation] = OPERATIONS
    pace: str = "default"
    sweep: bool = False
    """Sizes of a ladder: one whose step would take longer than SLOWEST_STEP is skipped."""
    generations: int | None = None
    seed: int = field(default_factory=lambda: secrets.randbelow(2**32))
    """Of the order of the turns and of the memory layouts; drawn where none is given, and recorded."""
    allocators: Sequence[Allocator] = ()
    core: int | None = None
    """The one to race on; None for the suite's choice."""
    deadline: float = DEADLINE
    """Seconds; an option gives them as text."""

    def __post_init__(self) -> None:
        quick = self.pace == "quick"
        self.devices = list(dict.fromkeys(self.devices)) or available_devices()
        self.dtypes = list(dict.fromkeys(self.dtypes)) or ["float32"]
        self.problems = list(dict.fromkeys(self.problems)) or (QUICK_PROBLEMS if quick else DEFAULT_PROBLEMS)
        self.backends = list(dict.fromkeys(self.backends)) or default_backends(self.devices, quick)
        _check("device", self.devices, DEVICES)
        _check("dtype", self.dtypes, DTYPES)
        self.allocators = list(dict.fromkeys(self.allocators)) or [DEFAULT_ALLOCATOR]
        _check("allocator", self.allocators, get_args(Allocator))
        cpu.cores(usable_cores(), self.core)
        for name in self.backends:
            check_backend(name)
        self.deadline = _positive_seconds(self.deadline)


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
    """UsageError unless `name` is a backend of this suite, or `package.module:factory` with a module that there is."""
    if name in backends.MODES:
        return
    module, colon, factory = name.partition(":")
    if not (colon and factory.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise UsageError(
            f"no backend {name!r}; choose from {', '.join(backends.MODES)}, or name your own as package.module:factory"
        )
    if not _is_there(module):
        raise UsageError(
            f"no module {module!r} for the backend {name!r}; give the name Python imports it by, and set PYTHONPATH to where it lies"
        )


def _is_there(module: str) -> bool:
    """Whether a worker could find it, without running any of its code, nor that of the packages it lies in.

    `importlib.util.find_spec` would import those packages, and with them perhaps a framework.
    """
    path: Sequence[str] | None = [str(RESULTS.parent), *sys.path, os.getcwd()]
    for name in module.split("."):
        spec = path and next(filter(None, (finder.find_spec(name, path) for finder in sys.meta_path)), None)
        if not spec:
            return False
        path = spec.submodule_search_locations
    return True


def available_devices() -> list[str]:
    return ["cpu", "cuda"] if host.gpu() else ["cpu"]


def default_backends(devices: Sequence[str], quick: bool) -> list[str]:
    """Return every mode that can run on one of `devices` and need not be named; a quick run leaves out what compiles slowly."""
    return [
        name
        for name, mode in backends.MODES.items()
        if set(mode.devices) & set(devices) and not mode.on_request and (mode.quick or not quick)
    ]


def add_options(add: Callable[..., object]) -> None:
    """The options that make a choice, by argparse's `add_argument` or pytest's `addoption`."""
    several: dict[str, Any] = {"action": "append", "default": []}
    options = {
        "backend": ("NAME", "a backend, or package.module:factory; repeatable (default: all that can run here)"),
        "problem": ("NAME", "<workload>/<size>; repeatable (default: the default problems)"),
        "device": ("DEVICE", "cpu or cuda; repeatable (default: every one there is)"),
        "dtype": ("DTYPE", "float32, float64 or tf32; repeatable (default: float32)"),
    }
    for name, (metavar, what) in options.items():
        add(f"--{name}", **several, metavar=metavar, help=what)
    limit = f"that a backend may take over one problem in one generation (default: {DEADLINE:g})"
    add("--deadline", default=DEADLINE, metavar="SECONDS", help=limit)


def posed(choice: Choice) -> list[Problem]:
    """The problems in every dtype; UsageError for one that cannot be posed."""
    return [pose(name, dtype) for dtype in choice.dtypes for name in choice.problems]


def choice_of(path: Path, named: Sequence[str] = (), deadline: float = DEADLINE) -> Choice:
    """What the record in `path` was begun with.

    A record is data that anyone may have written: code from outside this repository is run for it
    only when a person has `named` that code, too.
    """
    s = read(path).settings
    unnamed = [name for name in s.backends if name not in backends.MODES and name not in named]
    if unnamed:
        options = " ".join(f"--backend {shlex.quote(name)}" for name in unnamed)
        raise UsageError(f"{path} races code from outside this suite; if you trust it, give {options} too")
    if extra := [name for name in named if name not in s.backends]:
        raise UsageError(f"{path} does not race {', '.join(extra)}; start a new race for it")
    return Choice(
        s.backends,
        s.problems,
        s.devices,
        s.dtypes,
        s.operations,
        generations=s.generations,
        seed=s.seed,
        allocators=s.allocators,
        core=s.core,
        deadline=deadline,
    )


def entrants(choice: Choice) -> list[Entrant]:
    """Return every backend on every device it can run on, and, where anything is timed, the control on each device.

    The control is the reference, or else the first backend, once more.
    """
    return [entrant for dtype in choice.dtypes for entrant in _of_dtype(choice, dtype)]


def _of_dtype(choice: Choice, dtype: str) -> list[Entrant]:
    everywhere = [(b, d) for d in choice.devices for b in choice.backends]
    # A backend that can run on no device that was asked for still gets its row, which says so.
    places = [(b, d) for b, d in everywhere if may_run(b, d) or len(choice.devices) == 1]
    found = []
    for allocator in choice.allocators:
        second = allocator if allocator != choice.allocators[0] else ""
        entering = [
            Entrant(label=_at(b, d, second), backend=b, device=d, dtype=dtype, allocator=allocator) for b, d in places
        ]
        devices = dict.fromkeys(d for _, d in places) if choice.generations != 0 else {}
        found += [*entering, *(_control([e for e in entering if e.device == d], second) for d in devices)]
    return found


def may_run(backend: str, device: str) -> bool:
    """Whether nothing is known that forbids `backend` on `device`."""
    return ":" in backend or device in backends.MODES[backend].devices


def _control(others: list[Entrant], second_allocator: str) -> Entrant:
    able = [e for e in others if may_run(e.backend, e.device)] or others
    twice = next((e for e in able if e.backend == REFERENCE), able[0])
    label = _at("control", twice.device, second_allocator)
    return Entrant(label, twice.backend, twice.device, twice.dtype, twice.allocator, control=True)


def _at(name: str, device: str, second_allocator: str = "") -> str:
    """Return `jax-scan@cuda`, or `numpy@kept` in a race of two allocators: the CPU and the first allocator go without saying."""
    return "@".join(filter(None, [name, device if device != "cpu" else "", second_allocator]))
