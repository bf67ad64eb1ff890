"""Backend: the protocol of every backend, and the extras that some offer."""

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
"""How the word of an Unsupported begins."""
CANNOT = r"not on \w{1,20}|not for \w{1,40}|needs [\w.,<>= -]{1,40}"
"""The pattern of the whole word."""


class Unsupported(Exception):
    """This backend cannot run here.  `word` is the status of the cell (`not on cpu`), `reason` the sentence beside it.

    A factory may raise it, and so may `loss`, `value_and_grad` and `trainer`; what they return may not: a backend that
    gives up in a call has failed.  ValueError for a word that does not match CANNOT.
    """

    def __init__(self, word: str, reason: str):
        if not re.fullmatch(CANNOT, word):
            raise ValueError(
                f"{word!r} is no word for what cannot run here; say `not on`, `not for` or `needs`, and what"
            )
        super().__init__(reason)
        self.status, self.reason = word, reason


class Backend(Protocol):
    """One library, in one mode, on one device, in one dtype.

    The formulas are those of the workload's page, `bench/workloads/<workload>.py`; arrays and losses have the
    problem's dtype.  What its functions return may still be computing: only `wait` blocks.  They leave their
    arguments untouched.  `params`, `batch` and `grads` are flat dicts with the problem's keys.
    """

    versions: Mapping[str, str]
    """The libraries that compute, and their versions: {"torch": "2.13.0+cpu"}."""
    mode: Mode
    """What one program covers: an array operation (eager), a step, or the whole loop."""

    def put(self, arrays: Mapping[str, Array]) -> DeviceArrays:
        """NumPy -> device, bit for bit."""

    def get(self, tree: Tree) -> Any:
        """Device -> NumPy, bit for bit; the same tuples and dicts."""

    def wait(self, tree: Tree) -> Tree:
        """`tree`, once the device has computed all of it."""

    def loss(self, problem: Problem) -> Callable[[DeviceArrays, DeviceArrays], Any]:
        """(params, batch) -> loss, a scalar."""

    def value_and_grad(self, problem: Problem) -> Callable[[DeviceArrays, DeviceArrays], tuple[Any, DeviceArrays]]:
        """(params, batch) -> (loss, grads)."""

    def trainer(
        self, problem: Problem, num_steps: int
    ) -> Callable[[DeviceArrays, DeviceArrays], tuple[DeviceArrays, Any]]:
        """(params, batch) -> (params, losses); losses[i] is the loss before step i, shape [num_steps]."""


class Malformed(Exception):
    """What a backend is, or what it returned, is not of the form that the protocol has; a sentence with the remedy."""


def checked(made: Any) -> Backend:
    """Return what a factory made; Malformed where it lacks a member of the protocol, or has a mode or versions of no kind."""
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


RETURNS = {"value_and_grad": "(loss, grads)", "train": "(params, losses)"}


def parts(operation: str, output: Tree) -> tuple[Tree, DeviceArrays]:
    """(loss or losses, arrays by key) of what the operation returned; Malformed where it is of another form."""
    if operation == "loss":
        return output, {}
    arrays_first = operation == "train"
    if isinstance(output, tuple) and len(output) == 2 and isinstance(output[1 - arrays_first], Mapping):
        return (output[1], output[0]) if arrays_first else output
    kinds = ", ".join(type(x).__name__ for x in output) if isinstance(output, tuple) else type(output).__name__
    arrays = "params" if arrays_first else "grads"
    raise Malformed(
        f"{operation} returned {f'({kinds})' if isinstance(output, tuple) else f'a {kinds}'};"
        f" return the tuple {RETURNS[operation]}, with {arrays} a dict with the keys of the params"
    )


class Extras(Protocol):
    """What a backend may offer beside `Backend`, member by member; the harness asks whether it is there."""

    def matmul(self, a: Any, b: Any) -> Any:
        """The product of two square matrices, for the machine's limit.  Of this suite's backends alone."""

    def copy(self, a: Any) -> Any:
        """A copy of an array, for the bandwidth; of one element, for the cost of a dispatch.  Beside `matmul`."""

    def compilations(self) -> int:
        """How many programs have been compiled in this process so far; none without it.

        A compiled mode that has it and compiled nothing is refused: its compiler is switched off.
        """

    def peak_device_bytes(self) -> int | None:
        """The most device memory allocated since this was last asked, or in this process; None on the CPU.

        On a GPU a backend without it is refused: nothing would show that it computed there.
        """

    peak_of_the_process: bool
    """Whether `peak_device_bytes` is that of the whole process, so that each problem needs one of its own; False without it."""
