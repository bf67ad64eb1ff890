"""Try the promises of the protocol that need no reference, each on one small problem, in the backend's own process."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.agreement.answers import same_bits
from bench.backend import Backend
from bench.operations import OPERATIONS
from bench.problem import Arrays, Problem, array_dtype, epsilon

ROUNDINGS = 200
"""One step may differ from its own gradient by so many roundings of the largest entry.  A heuristic: 40 is the most seen."""


def tried(backend: Backend, problem: Problem) -> dict[str, str]:
    """Return, for each promise, how it was broken; '' where it was kept."""
    return {name: _fault(faults, backend, problem) for name, faults in PROMISES.items()}


def _fault(faults: Callable[[Backend, Problem], Iterator[str]], backend: Backend, problem: Problem) -> str:
    try:
        return next(faults(backend, problem), "")
    except Exception as error:
        return f"it raised {type(error).__name__}: {error}"


def _arrays_return(backend: Backend, problem: Problem) -> Iterator[str]:
    """Arrays come back from the device bit for bit, also NaN with a payload, -0.0, subnormals and the extremes."""
    for what, array in _awkward(array_dtype(problem.dtype)).items():
        back = backend.get(backend.wait(backend.put({what: array})))
        if not same_bits(back, {what: array}):
            yield f"{what} came back from put and get with other bits, another shape or another dtype"


def _awkward(dtype: np.dtype[Any]) -> Arrays:
    info, integer = np.finfo(dtype), np.dtype(f"u{dtype.itemsize}")
    payload = (np.array([np.nan], dtype).view(integer) | integer.type(0xBEEF)).view(dtype)
    plain = [-0.0, 0.0, info.smallest_subnormal, -info.tiny / 2, info.max, info.min, np.inf, -np.inf, 1 + info.eps]
    return {
        "an array with a NaN": np.concatenate([payload, np.array(plain, dtype)]).reshape(2, 5),
        "an array of int64": np.array([0, -1, 2**53 + 1, np.iinfo(np.int64).min, np.iinfo(np.int64).max]),
        "a scalar": np.array(-0.0, dtype),
        "an array that is not contiguous": np.arange(12, dtype=dtype).reshape(3, 4).T,
    }


def _trees_return(backend: Backend, problem: Problem) -> Iterator[str]:
    """Tuples and dicts come back as they were."""
    array = np.arange(3, dtype=array_dtype(problem.dtype))
    there = backend.put({"a": array})
    back = backend.get(backend.wait((there, there["a"])))
    is_pair = isinstance(back, tuple) and len(back) == 2
    if not (is_pair and same_bits(back[0], {"a": array}) and same_bits({"a": back[1]}, {"a": array})):
        yield "get of a tuple of a dict and an array did not give the same tuple"


def _put_copies(backend: Backend, problem: Problem) -> Iterator[str]:
    """`put` keeps no hold on the array that it was given."""
    mine = np.zeros(1000, array_dtype(problem.dtype))
    there = backend.wait(backend.put({"a": mine}))
    mine += 1
    if np.any(backend.get(there)["a"]):
        yield "put kept the array that it was given: what was written there later showed on the device; copy it"


def _one_step(backend: Backend, problem: Problem) -> Iterator[str]:
    """A descent of one step moves the params by the gradient, and returns the loss before it."""
    start = backend.put(problem.params), backend.put(problem.batch)
    loss, grads = backend.get(backend.wait(backend.value_and_grad(problem)(*start)))
    losses, params = OPERATIONS["train"].split(backend.get(backend.wait(backend.trainer(problem, 1)(*start))))
    wanted = {key: p - problem.learning_rate * np.asarray(grads[key]) for key, p in problem.params.items()}
    unit = ROUNDINGS * epsilon(problem.dtype)
    if np.shape(losses) != (1,) or not np.isclose(losses[0], loss, rtol=unit):
        yield f"trainer(problem, 1) returned the losses {losses}, where the loss at the start is {loss:.8g}"
    for key, right in wanted.items():
        if np.shape(params[key]) != right.shape or np.abs(params[key] - right).max() > unit * np.abs(right).max():
            yield f"trainer(problem, 1) moved {key} by something else than the learning rate times the gradient"


def _no_step(backend: Backend, problem: Problem) -> Iterator[str]:
    """With a learning rate of 0 a descent leaves the params and the loss as they are, exactly."""
    train = backend.trainer(problem.replace(learning_rate=0.0), 3)
    output = backend.wait(train(backend.put(problem.params), backend.put(problem.batch)))
    losses, params = OPERATIONS["train"].split(backend.get(output))
    if not same_bits(dict(params), problem.params):
        yield "with a learning rate of 0 a descent moved the params"
    if np.ptp(losses) != 0:
        yield "with a learning rate of 0 the losses of a descent differ"


PROMISES: dict[str, Callable[[Backend, Problem], Iterator[str]]] = {
    "arrays return": _arrays_return,
    "trees return": _trees_return,
    "put copies": _put_copies,
    "one step": _one_step,
    "no step": _no_step,
}
