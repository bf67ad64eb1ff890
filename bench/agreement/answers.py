"""Compute what a backend is checked by; this module knows neither the right answer nor the tolerances."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from bench import clock
from bench.backend import Backend
from bench.operations import OPERATIONS, Functions
from bench.problem import Array, Arrays, Problem

Function = Callable[[Any, Any], Any]


class Point(Struct):
    """The outputs of the operations at one point; `train` is not among them."""

    losses: dict[str, Array]  # by operation
    arrays: dict[str, Arrays]  # by operation; empty where it returns a loss alone

    @property
    def grads(self) -> Arrays:
        return self.arrays["value_and_grad"]


class Answers(Struct):
    """Everything that was computed, as NumPy arrays."""

    start: Point
    halfway: Point  # halfway down the reference's descent
    decoy: Point  # from another start, on another batch: an answer that was kept from before is wrong here
    decoy_losses: Array
    params: Arrays  # trained from the start, over `num_steps`
    losses: Array


class Seconds(Struct):
    """The seconds of the parts of a call, the least of several tries: a lazy backend is lazy every time."""

    wait: float  # a timed call, until `wait` returned
    fetch: float  # `get` of what `wait` said was there
    copy: float  # `get` of the same arrays, which had been put there


class Computed(Answers):
    """The answers, and how the backend behaved when it computed them."""

    trained: list[Arrays]  # from the problem's start, and from every other
    repeats: bool  # whether the decoy's descent, and the same call of each operation, gave the same bits twice
    untouched: bool  # whether every operation left params and batch as they were
    kept: bool  # whether every operation left the output of the call before as it was
    seconds: dict[str, Seconds]  # by operation


FEWEST_TRIES, MOST_TRIES, ENOUGH_SECONDS = 3, 100, 0.02  # short calls more often: they are disturbed more


def answers(backend: Backend, functions: Functions, problem: Problem, halfway: Arrays, decoy: Problem) -> Answers:
    """Return what the functions compute for the checks: the decoy first, and one batch for the start and halfway.

    So an answer that was kept, from the decoy or for a batch, is wrong.
    """
    there = _point(backend, functions, decoy.params, backend.put(decoy.batch))
    _, decoy_losses = descend(backend, functions, decoy)
    params, losses = descend(backend, functions, problem)
    batch = backend.put(problem.batch)
    start, half = (_point(backend, functions, at, batch) for at in (problem.params, halfway))
    return Answers(start, half, there, decoy_losses, params, losses)


def _point(backend: Backend, functions: Functions, params: Arrays, batch: Any) -> Point:
    point = Point({}, {})
    for name, function in functions.items():
        if not OPERATIONS[name].takes_steps:
            output = backend.get(backend.wait(function(backend.put(params), batch)))
            loss, arrays = OPERATIONS[name].split(output)
            point.losses[name], point.arrays[name] = np.array(loss), _copies(arrays)
    return point


def compute(
    backend: Backend, functions: Functions, problem: Problem, halfway: Arrays, decoy: Problem, others: list[Problem]
) -> Computed:
    """Return what the functions that will be timed compute for `problem`, its `decoy` and the starts of `others`."""
    given = answers(backend, functions, problem, halfway, decoy)
    params, batch = backend.put(problem.params), backend.put(problem.batch)
    _, again = descend(backend, functions, decoy)
    seconds = {name: _seconds(backend, name, call, params, batch) for name, call in functions.items()}
    elsewhere = backend.put(decoy.params)
    behaved = [_behaviour(backend, name, call, params, elsewhere, batch) for name, call in functions.items()]
    return Computed(
        **msgspec.structs.asdict(given),
        trained=[given.params, *(descend(backend, functions, other)[0] for other in others)],
        repeats=all(repeated for _, repeated in behaved) and same_bits({"": again}, {"": given.decoy_losses}),
        untouched=same_bits(backend.get(params), problem.params) and same_bits(backend.get(batch), problem.batch),
        kept=all(kept for kept, _ in behaved),
        seconds=seconds,
    )


def descend(backend: Backend, functions: Functions, problem: Problem) -> tuple[Arrays, Array]:
    """Return (params, losses) of the whole descent, by timed calls one after another."""
    train = OPERATIONS["train"]
    params, batch, losses = backend.put(problem.params), backend.put(problem.batch), []
    for _ in range(problem.num_steps // problem.timed_steps):
        output = backend.wait(functions["train"](params, batch))
        losses.append(np.array(train.split(backend.get(output))[0]))
        params, _ = output
    return _copies(backend.get(params)), np.concatenate(losses)


def _behaviour(
    backend: Backend, operation: str, call: Function, params: Any, other: Any, batch: Any
) -> tuple[bool, bool]:
    """Return whether an output stays the same after a call from another start, and whether a third call repeats it."""

    def found(output: Any) -> Arrays:
        return _flat(operation, backend.get(output))

    output = backend.wait(call(params, batch))
    before = found(output)
    backend.wait(call(other, batch))
    return same_bits(found(output), before), same_bits(found(backend.wait(call(params, batch))), before)


def _seconds(backend: Backend, operation: str, call: Function, params: Any, batch: Any) -> Seconds:
    def one() -> tuple[float, float, float]:
        wait, output = clock.timed(lambda: backend.wait(call(params, batch)))
        fetch, fetched = clock.timed(lambda: backend.get(output))
        there = backend.wait(backend.put(_flat(operation, fetched)))
        return wait, fetch, clock.timed(lambda: backend.get(there))[0]

    tries = [one() for _ in range(FEWEST_TRIES)]
    while len(tries) < MOST_TRIES and sum(map(sum, tries)) < ENOUGH_SECONDS:
        tries.append(one())
    return Seconds(*map(min, zip(*tries, strict=True)))


def _flat(operation: str, output: Any) -> Arrays:
    """Return copies of all that was returned: the loss or losses as `""`, and arrays by key."""
    losses, arrays = OPERATIONS[operation].split(output)
    return _copies({"": losses, **arrays})


def _copies(tree: Any) -> Arrays:
    """Return copies, because a backend may write to a buffer again that it returned."""
    return {key: np.array(value) for key, value in tree.items()}


def same_bits(ours: Arrays, theirs: Arrays) -> bool:
    """Return whether keys, dtypes, shapes and bytes are equal; NaN equals a NaN of the same bits."""
    return ours.keys() == theirs.keys() and all(
        (a := np.asarray(ours[key])).dtype == theirs[key].dtype
        and a.shape == theirs[key].shape
        and a.tobytes() == theirs[key].tobytes()
        for key in ours
    )
