"""The protocol that every backend keeps, and what a backend may offer beside it."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, get_args

from bench.problem import Array, Problem

Tree = Any  # a device array, or a tuple or flat dict of them
DeviceArrays = Mapping[str, Any]

Mode = Literal["eager", "compiled step", "compiled loop"]
MODES: tuple[Mode, ...] = get_args(Mode)

REFERENCE = "numpy"
"""The backend that answers are checked against, in float64, and that times are compared with."""

UNSUPPORTED = ("not on ", "not for ", "needs ")
"""How the status of an Unsupported begins."""
CANNOT = r"not on \w{1,20}|not for \w{1,40}|needs [\w.,<>= -]{1,40}"
"""The pattern of the whole status."""


class Unsupported(Exception):
    """This backend cannot run here.  `status` is the status of the cell (`not on cpu`), `reason` the sentence beside it.

    A factory may raise it, and so may `loss`, `value_and_grad` and `trainer`.  The functions that they return may not: a
    backend that gives up in a call has failed.  ValueError for a status that does not match CANNOT.
    """

    def __init__(self, status: str, reason: str):
        if not re.fullmatch(CANNOT, status):
            raise ValueError(
                f"{status!r} is no status for what cannot run here; say `not on`, `not for` or `needs`, and what"
            )
        super().__init__(reason)
        self.status, self.reason = status, reason


class Malformed(Exception):
    """A backend, or what it returned, has not the form of the protocol; the message names the remedy."""


class Backend(Protocol):
    """One library, in one mode, on one device, in one dtype.

    The formulas stand in the workload's module, `bench/workloads/<workload>.py`.  Arrays and losses have the problem's
    dtype.  What the functions return may still be computing: only `wait` blocks.  They leave their arguments untouched.
    `params`, `batch` and `grads` are flat dicts with the problem's keys.
    """

    versions: Mapping[str, str]
    """The libraries that compute, and their versions: {"torch": "2.13.0+cpu"}."""
    mode: Mode
    """What one program covers: an array operation (eager), a step, or the whole loop."""

    def put(self, arrays: Mapping[str, Array]) -> DeviceArrays:
        """Copy NumPy arrays to the device, bit for bit."""

    def get(self, tree: Tree) -> Any:
        """Copy device arrays to NumPy, bit for bit; tuples and dicts stay what they are."""

    def wait(self, tree: Tree) -> Tree:
        """Return `tree` once the device has computed all of it."""

    def loss(self, problem: Problem) -> Callable[[DeviceArrays, DeviceArrays], Any]:
        """Return (params, batch) -> loss, a scalar."""

    def value_and_grad(self, problem: Problem) -> Callable[[DeviceArrays, DeviceArrays], tuple[Any, DeviceArrays]]:
        """Return (params, batch) -> (loss, grads)."""

    def trainer(
        self, problem: Problem, num_steps: int
    ) -> Callable[[DeviceArrays, DeviceArrays], tuple[DeviceArrays, Any]]:
        """Return (params, batch) -> (params, losses); losses[i] is the loss before step i, shape [num_steps]."""


class Extras(Protocol):
    """What a backend may offer beside `Backend`; the harness asks for each member whether it is there."""

    def matmul(self, a: Any, b: Any) -> Any:
        """Return the product of two square matrices, for the machine's limit."""

    def copy(self, a: Any) -> Any:
        """Return a copy of an array, for the machine's bandwidth."""

    def compilations(self) -> int:
        """Return how many programs were compiled in this process so far.

        A compiled mode that has this member and compiled nothing is refused: its compiler is switched off.
        """

    def peak_device_bytes(self) -> int | None:
        """Return the most device memory allocated since the last call, or in this process; None on the CPU.

        On a GPU a backend without this member is refused: nothing would show that it computed there.
        """

    peak_of_the_process: bool
    """Whether `peak_device_bytes` is that of the whole process, so that each problem needs a process of its own."""


def checked(made: Any) -> Backend:
    """Return what a factory made; Malformed where it lacks a member of the protocol, or has a wrong mode or versions."""
    members = [name for name in (*Backend.__annotations__, *vars(Backend)) if not name.startswith("_")]
    if lacking := [name for name in members if getattr(made, name, None) is None]:
        raise Malformed(
            f"the factory returned a {type(made).__name__} without {', '.join(lacking)}; bench/backend.py has the protocol"
        )
    if made.mode not in MODES:
        raise Malformed(f"its mode is {made.mode!r}; one of {', '.join(MODES)} is needed")
    if not isinstance(made.versions, Mapping):
        raise Malformed(f"its versions are {made.versions!r}; a dict from library to version is needed")
    return made
