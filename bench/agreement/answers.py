"""What a backend computes for the gates of agreement; knows neither the answer nor the tolerances."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from bench import clock
from bench.backend import Backend, parts
from bench.problem import Array, Arrays, Problem


class Point(Struct):
    """What is said of the loss at one point."""

    alone: Array
    """By `loss`."""
    loss: Array
    """By `value_and_grad`, with the gradient."""
    grads: Arrays


class Answers(Struct):
    """What was computed, as NumPy arrays."""

    start: Point
    halfway: Point
    """Halfway down the reference's descent."""
    decoy: Point
    """Another start and another batch, which no one who looked ahead has seen."""
    decoy_losses: Array
    params: Arrays
    """Trained from the start, over `num_steps`."""
    losses: Array


class Seconds(Struct):
    """Of an operation, the least of several tries: a lazy backend is so every time, an honest one is disturbed now and then."""

    wait: float
    """A timed call, until `wait` returned."""
    fetch: float
    """`get` of what `wait` said was there."""
    copy: float
    """`get` of the same arrays, which had been put there."""


class Evidence(Answers, tag=True):
    """Answers, and how they were come by."""

    trained: list[Arrays]
    """From the problem's start, and from every other."""
    repeats: bool
    """The same descent twice gave the same bits, and so did a timed call of each operation."""
    untouched: bool
    """params and batch were left as they were, by every operation."""
    kept: bool
    """A call left the output of the one before as it was, of every operation."""
    seconds: dict[str, Seconds]
    """By operation."""


FEWEST_TRIES, MOST_TRIES, ENOUGH_SECONDS = 3, 100, 0.02
"""Of how long a call and a fetch take: the shorter they are, the more a disturbance is of them."""

Operations = dict[str, Callable[[Any, Any], Any]]


def makers(backend: Backend, problem: Problem) -> dict[str, Callable[[], Callable]]:
    """What makes each of the three functions that are judged and then timed; one compiled program each."""
    return {
        "loss": partial(backend.loss, problem),
        "value_and_grad": partial(backend.value_and_grad, problem),
        "train": partial(backend.trainer, problem, problem.timed_steps),
    }


def operations(backend: Backend, problem: Problem) -> Operations:
    """All three, made."""
    return {name: make() for name, make in makers(backend, problem).items()}


def answers(backend: Backend, operations: Operations, problem: Problem, halfway: Arrays, decoy: Problem) -> Answers:
    """The decoy comes first: an answer kept from it is wrong for the problem.

    The batch is put once for the start and halfway, as it is for all turns: an answer kept for a batch is wrong halfway.
    """

    def asked(operation: str, params: Arrays, batch: Any) -> tuple[Any, Any]:
        return parts(operation, backend.get(backend.wait(operations[operation](backend.put(params), batch))))

    def point(params: Arrays, batch: Any) -> Point:
        (alone, _), (loss, grads) = asked("loss", params, batch), asked("value_and_grad", params, batch)
        return Point(np.array(alone), np.array(loss), _arrays(grads))

    decoy_point = point(decoy.params, backend.put(decoy.batch))
    _, decoy_losses = descend(backend, operations, decoy)
    params, losses = descend(backend, operations, problem)
    batch = backend.put(problem.batch)
    return Answers(
        start=point(problem.params, batch),
        halfway=point(halfway, batch),
        decoy=decoy_point,
        decoy_losses=decoy_losses,
        params=params,
        losses=losses,
    )


def testify(
    backend: Backend, operations: Operations, problem: Problem, halfway: Arrays, decoy: Problem, others: list[Problem]
) -> Evidence:
    """The same functions that will be timed, asked about `problem`, its `decoy` and `others`' starts."""
    given = answers(backend, operations, problem, halfway, decoy)
    params, batch = backend.put(problem.params), backend.put(problem.batch)
    again, losses = descend(backend, operations, problem)
    seconds = {name: _seconds(backend, name, call, params, batch) for name, call in operations.items()}
    elsewhere = backend.put(decoy.params)
    kept, repeated = zip(
        *(_manners(backend, name, call, params, elsewhere, batch) for name, call in operations.items()), strict=True
    )
    return Evidence(
        **msgspec.structs.asdict(given),
        trained=[given.params, *(descend(backend, operations, other)[0] for other in others)],
        repeats=all(repeated) and same_bits(given.params | {"losses": given.losses}, again | {"losses": losses}),
        untouched=same_bits(backend.get(params), problem.params) and same_bits(backend.get(batch), problem.batch),
        kept=all(kept),
        seconds=seconds,
    )


def _manners(
    backend: Backend, operation: str, call: Callable[[Any, Any], Any], params: Any, other: Any, batch: Any
) -> tuple[bool, bool]:
    """(whether its output is the same after another call, from another start; whether a third gives it once more)."""

    def found(output: Any) -> Arrays:
        return _flat(operation, backend.get(output))

    output = backend.wait(call(params, batch))
    before = found(output)
    backend.wait(call(other, batch))
    return same_bits(found(output), before), same_bits(found(backend.wait(call(params, batch))), before)


def _flat(operation: str, output: Any) -> Arrays:
    """Copies of all that it returned: the loss or losses as `""`, and arrays by key."""
    losses, arrays = parts(operation, output)
    return _arrays({"": losses, **arrays})


def _seconds(backend: Backend, operation: str, call: Callable[[Any, Any], Any], params: Any, batch: Any) -> Seconds:
    def one() -> tuple[float, float, float]:
        wait, output = clock.timed(lambda: backend.wait(call(params, batch)))
        fetch, fetched = clock.timed(lambda: backend.get(output))
        there = backend.wait(backend.put(_flat(operation, fetched)))
        return wait, fetch, clock.timed(lambda: backend.get(there))[0]

    tries = [one() for _ in range(FEWEST_TRIES)]
    while len(tries) < MOST_TRIES and sum(map(sum, tries)) < ENOUGH_SECONDS:
        tries.append(one())
    return Seconds(*map(min, zip(*tries, strict=True)))


def descend(backend: Backend, operations: Operations, problem: Problem) -> tuple[Arrays, Array]:
    """(params, losses) of the whole descent, as timed calls one after another."""
    params, batch, losses = backend.put(problem.params), backend.put(problem.batch), []
    for _ in range(problem.num_steps // problem.timed_steps):
        output = backend.wait(operations["train"](params, batch))
        losses.append(np.array(parts("train", backend.get(output))[0]))
        params, _ = output
    return _arrays(backend.get(params)), np.concatenate(losses)


def same_bits(ours: Arrays, theirs: Arrays) -> bool:
    """The same keys, dtypes, shapes and bytes; NaN equals a NaN of the same bits."""
    return ours.keys() == theirs.keys() and all(
        (a := np.asarray(ours[key])).dtype == theirs[key].dtype
        and a.shape == theirs[key].shape
        and a.tobytes() == theirs[key].tobytes()
        for key in ours
    )


def _arrays(tree: Any) -> Arrays:
    """Copies: what a backend returned may be a buffer that it writes to again."""
    return {key: np.array(value) for key, value in tree.items()}
