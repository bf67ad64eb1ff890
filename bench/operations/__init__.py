"""The operations that are checked and timed: a module each, found by its place in this folder."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bench.backend import Backend, Malformed
from bench.problem import Problem


@dataclass(frozen=True)
class Operation:
    """One function of a backend.  It is called with (params, batch).

    Timed calls start from params that were turned (see `Workload.turned`), so the arrays that it returns must turn with them,
    as a gradient and trained params do.
    """

    name: str
    member: str
    """The name of the backend's method that makes the function."""
    make: Callable[[Backend, Problem], Callable[[Any, Any], Any]]
    """(backend, problem) -> the function."""
    returns: str
    """What the function returns, as a person would write it: `(loss, grads)`."""
    losses: int | None
    """The place of the loss or losses in the tuple; None where the function returns a loss alone."""
    least_flops: Callable[[float, int], float]
    """(flops of a step, steps of a timed call) -> the fewest flops that one call can do."""
    takes_steps: bool = False
    """Whether a timed call is `timed_steps` gradient steps, and not one call of a function."""

    def split(self, output: Any) -> tuple[Any, Mapping[str, Any]]:
        """Return (loss or losses, arrays by key); Malformed where the function returned something of another form."""
        if self.losses is None:
            return output, {}
        if isinstance(output, tuple) and len(output) == 2 and isinstance(output[1 - self.losses], Mapping):
            return output[self.losses], output[1 - self.losses]
        kinds = ", ".join(type(x).__name__ for x in output) if isinstance(output, tuple) else type(output).__name__
        arrays = self.returns.strip("()").split(", ")[1 - self.losses]
        raise Malformed(
            f"{self.name} returned {f'({kinds})' if isinstance(output, tuple) else f'a {kinds}'};"
            f" return the tuple {self.returns}, in which {arrays} is a dict with the keys of the params"
        )


def _found() -> dict[str, Operation]:
    names = sorted((module.name for module in pkgutil.iter_modules(__path__)), key=lambda name: (name != "train", name))
    return {name: import_module(f"{__name__}.{name}").OPERATION for name in names}


OPERATIONS: dict[str, Operation] = _found()
"""By name.  `train` comes first: every backend has it, and it pays what a library does once in a process."""


Functions = dict[str, Callable[[Any, Any], Any]]
"""The functions of a backend for one problem, by operation."""


def offered(backend: Backend) -> list[Operation]:
    """Return the operations that the backend has."""
    return [operation for operation in OPERATIONS.values() if hasattr(backend, operation.member)]


def functions(backend: Backend, problem: Problem) -> Functions:
    """Return the function of every operation that the backend has; each is one compiled program."""
    return {operation.name: operation.make(backend, problem) for operation in offered(backend)}
