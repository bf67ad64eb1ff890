"""Describe a library as data: its modes, its look, and what its processes need.  Imports no library."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType

from bench.backend import Mode as Kind
from bench.backend import Unsupported


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One way in which a library runs gradient descent: a row of its `modes.py`."""

    name: str
    """The name on the command line and in every table: `torch-compile`."""
    mode: Kind
    runs: str
    """The class in the library's `loops.py` that is this mode."""
    code: str
    """The line of code that a user of the library would write for it."""
    marker: str
    """Matplotlib's marker for it in every picture."""
    devices: tuple[str, ...] = ("cpu", "cuda")
    is_twin: bool = False
    """Whether it is the by-hand twin of a mode with autodiff."""
    twin: str = ""
    """The name of its by-hand twin: the same loop and forward pass, in place where a value is not needed again, and the
    gradient by hand; '' without one."""
    on_request: bool = False
    """Whether it races only where a person names it."""
    quick: bool = True
    """Whether `--quick` races it: it compiles within seconds."""
    prototype: bool = False
    """Whether it is built on an API that its library calls a prototype."""


@dataclass(frozen=True, kw_only=True)
class Library:
    """One library: what it is called, how it is drawn, its modes, and the environment of a process that may import it."""

    title: str
    colour: str
    modes: tuple[Mode, ...]
    environment: Callable[[str, str, int], dict[str, str]] = lambda device, cache, threads: {}
    """(device, folder for compiled programs, threads) -> environment variables of a worker.  All have the same length for
    every backend, because the size of the environment moves what lies on the stack."""
    steered_by: tuple[str, ...] = ()
    """How the names of the environment variables begin by which a user can change what it computes with."""


def with_twins(*modes: Mode) -> tuple[Mode, ...]:
    """Return each mode, followed by its by-hand twin `<name>-by-hand`."""
    return tuple(
        found
        for mode in modes
        for found in (
            replace(mode, twin=f"{mode.name}-by-hand"),
            replace(mode, name=f"{mode.name}-by-hand", is_twin=True),
        )
    )


def formulas(package: str, workload: str) -> ModuleType:
    """Import `<package>/<workload>.py`, which has `loss` and `value_and_grad_by_hand`; Unsupported without such a file."""
    name = f"{package}.{workload}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise Unsupported(f"not for {workload}", f"there is no {name.replace('.', '/')}.py") from None
