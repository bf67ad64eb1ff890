"""What a person selected to race, checked before anything starts, and who enters for it."""

import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import backends
from bench import machine
from bench.inert import inert
from bench.problem import DTYPES, Problem, UsageError
from bench.record import OPERATIONS, Entrant, Operation
from bench.store import read
from bench.workloads import DEFAULT_PROBLEMS, pose

DEVICES = ("cpu", "cuda")
RESULTS = Path(__file__).parents[1] / "results"
REFERENCE = "numpy"

GENERATIONS = {"default": 10, "rigorous": 20, "quick": 3}
WARM_UP = {"default": 0.02, "rigorous": 0.1, "quick": 0.02}
"""Seconds, as in `Settings`.  After others' turns and a millisecond of calls, on an Intel Xeon (family 6, model 207), a step
of torch-compile took 16 % longer on factorisation/1000x100r10 than after 0.1 s of them, after 0.02 s 3 %, which was within
the noise."""
ROUNDS = 6
"""There and back: the median of six outvotes two that were disturbed.  With two, a slowdown of 10 % in calls of 44 ms was
missed in 3 of 20 trials; with ten or sixteen instead of six, intervals were no narrower, for every process has a speed of its own."""
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
    seed: int = 0
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
        raise UsageError(f"{inert(str(text))!r} is not a number of seconds above 0; give --deadline one")
    return value


def check_backend(name: str) -> None:
    """UsageError unless `name` is a backend of this suite, or `package.module:factory` with a module that there is."""
    if name in backends.FACTORIES:
        return
    module, colon, factory = name.partition(":")
    if not (colon and factory.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise UsageError(
            f"no backend {name!r}; choose from {', '.join(backends.FACTORIES)}, or name your own as package.module:factory"
        )
    if not _is_there(module):
        raise UsageError(
            f"no module {module!r} for the backend {name!r}; give the name Python imports it by, and set PYTHONPATH to where it lies"
        )


def _is_there(module: str) -> bool:
    """Whether a worker could find it, without running any of its code, nor that of the packages it lies in.

    `importlib.util.find_spec` would import those packages, and with them perhaps a framework.
    """
    path: Sequence[str] | None = [os.getcwd(), str(RESULTS.parent), *sys.path]  # a worker looks there first
    for name in module.split("."):
        spec = path and next(filter(None, (finder.find_spec(name, path) for finder in sys.meta_path)), None)
        if not spec:
            return False
        path = spec.submodule_search_locations
    return True


def available_devices() -> list[str]:
    return ["cpu", "cuda"] if machine.gpu() else ["cpu"]


def default_backends(devices: Sequence[str], quick: bool) -> list[str]:
    """All that can run on one of `devices`; a quick look leaves out what torch.compile takes minutes over."""
    can_run = [name for name in backends.FACTORIES if any(name in backends.on(device) for device in devices)]
    return [name for name in can_run if not (quick and name.startswith(("torch-compile", "torch-scan")))]


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
    unnamed = [name for name in s.backends if name not in backends.FACTORIES and name not in named]
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
        deadline=deadline,
    )


def entrants(choice: Choice) -> list[Entrant]:
    """Every backend on every device it can run on, and there the control: the reference, or else the first, once more."""
    return [entrant for dtype in choice.dtypes for entrant in _of_dtype(choice, dtype)]


def _of_dtype(choice: Choice, dtype: str) -> list[Entrant]:
    everywhere = [(b, d) for d in choice.devices for b in choice.backends]
    # A backend that can run on no device that was asked for still gets its row, which says so.
    places = [(b, d) for b, d in everywhere if (b, d) not in backends.NOT_ON or len(choice.devices) == 1]
    found = [Entrant(label=_at(b, d), backend=b, device=d, dtype=dtype) for b, d in places]
    devices = dict.fromkeys(d for _, d in places)
    return [*found, *(_control([e for e in found if e.device == d], choice.problems) for d in devices)]


def _control(others: list[Entrant], problems: Sequence[str]) -> Entrant:
    kinds = {problem.partition("/")[0] for problem in problems}

    def never_runs(e: Entrant) -> bool:
        return (e.backend, e.device) in backends.NOT_ON or any((e.backend, kind) in backends.NOT_FOR for kind in kinds)

    able = [e for e in others if not never_runs(e)] or others
    twice = next((e for e in able if e.backend == REFERENCE), able[0])
    label = _at("control", twice.device)
    return Entrant(label=label, backend=twice.backend, device=twice.device, dtype=twice.dtype, control=True)


def _at(name: str, device: str) -> str:
    return name if device == "cpu" else f"{name}@{device}"
