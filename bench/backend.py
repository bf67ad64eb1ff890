"""Backend: the protocol of every backend, and the extras that some offer."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, get_args

from bench.problem import Array, Problem

Tree = Any  # a device array, or a tuple or flat dict of them
DeviceArrays = Mapping[str, Any]

Dispatch = Literal["operation", "step", "descent"]
DISPATCHES: tuple[Dispatch, ...] = get_args(Dispatch)


UNSUPPORTED = ("not on ", "not for ", "needs ")
"""How the word of an Unsupported begins."""


class Unsupported(Exception):
    """This mode cannot run here.  `word` fills the cell (`not on cpu`); `reason` is the sentence beside it.

    ValueError for a word that says something else.  It is believed until the cell has passed its gates.
    """

    def __init__(self, word: str, reason: str):
        if not word.startswith(UNSUPPORTED):
            raise ValueError(f"{word!r} is no word for what cannot run here; say `not on`, `not for` or `needs`")
        super().__init__(reason)
        self.word, self.reason = word, reason


class Backend(Protocol):
    """One library, in one execution mode, on one device, in one dtype.

    The formulas are those of the workload's page, `bench/workloads/<workload>.py`; arrays and losses have the
    problem's dtype.  What its functions return may still be computing: only `wait` blocks.  They leave their
    arguments untouched.  `params`, `batch` and `grads` are flat dicts with the problem's keys.
    """

    versions: Mapping[str, str]
    """The libraries that compute, and their versions: {"torch": "2.13.0+cpu"}."""
    dispatch: Dispatch
    """How much of the work one dispatch covers: an operation, a step, or the whole descent."""

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
    """`made` by a factory; Malformed where it lacks a member of the protocol or says what it covers in other words."""
    members = [name for name in (*Backend.__annotations__, *vars(Backend)) if not name.startswith("_")]
    if lacking := [name for name in members if getattr(made, name, None) is None]:
        raise Malformed(
            f"the factory returned a {type(made).__name__} without {', '.join(lacking)}; bench/backend.py has the protocol"
        )
    if made.dispatch not in DISPATCHES:
        raise Malformed(f"its dispatch is {made.dispatch!r}; one of {', '.join(DISPATCHES)} is needed")
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

    rounds_like: str
    """`numpy`, as without it, or `numpy-gram`: by whose rounding its tolerances are measured."""

    def matmul(self, a: Any, b: Any) -> Any:
        """The product of two square matrices, for the machine's limit.  Of this suite's backends alone."""

    def copy(self, a: Any) -> Any:
        """A copy of an array, for the bandwidth; of one element, for the cost of a dispatch.  Beside `matmul`."""

    def compilations(self) -> int:
        """How many programs have been compiled in this process so far; none without it."""

    def peak_device_bytes(self) -> int | None:
        """The most device memory allocated since this was last asked, or in this process; None on the CPU.

        On a GPU a backend without it is refused: nothing would show that it computed there.
        """
