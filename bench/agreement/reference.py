"""The reference: the gradient derived by hand, in NumPy, in float64; and what rounding does to it."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

import backends
from bench.agreement.answers import Answers, Point, answers, descend, operations
from bench.backend import REFERENCE
from bench.problem import Array, Arrays, Problem, array_dtype, cast, epsilon, in_dtype, nudged
from bench.workloads import WORKLOADS, pose

SEEDS = range(8)
"""As many starts as the lab report's table has; every other start of an Iris problem is one of them."""

MARGIN = 32
"""A tolerance is this many times what rounding alone does to the reference.

A heuristic: libraries sum in different orders, so they round differently, not equally.  The farthest
seen in float32 was JAX's trained params on mlp/2048x784-256-10, 15 times the reference's own error."""

FLOOR = 32
"""Units in the last place below which no tolerance goes: the reference's own error may be lucky."""

RESOLVED = epsilon("float32")
"""Of the largest loss of a descent: a smaller one is held against this much.  Where a matrix is factorised
exactly, the loss ends on what rounding left, or on 0, and an error relative to that says nothing."""

NUDGED_RUNS, KINKS = 8, 2
"""Further runs of the reference from starts moved by NUDGE units in the last place, and how many times
the farthest of them a tolerance must allow.  A pre-activation near 0 may fall on the other side of
the relu's kink, and descent then takes another branch: on mlp/digits one unit in the last place of
the start moves the loss of step 148 by 0.8 %, in some runs and not in others.  On mlp/300x50-32-10
nine of sixteen took it, and the first three did not: with three, torch was said to disagree.  The point
halfway is moved as the starts are: where a gradient was asked for on mlp/8192x784-1024-10, one of 8 million
pre-activations lay so near 0 that JAX took the other side, and was said to disagree."""

AT_ONCE = 2
"""Of the further runs; for more there may be no room: each lays out a problem and its decoy anew."""


DIRECTIONS, STRIDE, SLOPE_TOLERANCE = 5, 1e-6, 1e-4
"""The reference's own gradient is tried in so many random directions, over this part of the norm of the params.  It may
differ from the slope of the loss by the last number, of the norm of the gradient.  docs/measured.md has what was seen."""


class Reference:
    """Everything the gates compare with, for one problem; computed when first asked for."""

    def __init__(self, problem: Problem):
        self.problem = problem

    @cached_property
    def others(self) -> list[Problem]:
        """The same problem from other starts, where the data are the lab report's."""
        p = self.problem
        return [pose(p.name, p.dtype, seed) for seed in SEEDS if seed != p.seed] if p.size == "iris" else []

    @cached_property
    def decoy(self) -> Problem:
        """Another start and half the batch's values: an answer kept from `problem` is wrong here."""
        start = {key: np.roll(p, 1, axis=0) for key, p in self.problem.params.items()}
        halved = {key: a / 2 if a.dtype.kind == "f" else a for key, a in self.problem.batch.items()}
        return self.problem.replace(params=start, batch=cast(halved, self.problem.dtype))

    @cached_property
    def halfway(self) -> Arrays:
        """Where the float64 descent has made half of its gain, in the problem's dtype: a point for the gradient gate.

        At its end a descent that has converged leaves nothing of the gradient but what rounding does to it.
        """
        problem = in_dtype(self.problem, "float64")
        _, losses = descend(_NUMPY, operations(_NUMPY, problem), problem)
        steps = max(1, int(np.argmax(losses <= (losses[0] + losses[-1]) / 2)))
        params, _ = _NUMPY.trainer(problem, steps)(problem.params, problem.batch)
        return cast(dict(params), self.problem.dtype)

    @cached_property
    def truth(self) -> Answers:
        return self._answers("float64", self.problem, self.decoy, self.halfway)

    @cached_property
    def trained(self) -> list[Arrays]:
        """What the float64 descents from `problem` and `others` end on."""
        others = [in_dtype(other, "float64") for other in self.others]
        return [self.truth.params, *(descend(_NUMPY, operations(_NUMPY, p), p)[0] for p in others)]

    @cached_property
    def fault(self) -> str:
        """Return a sentence where the gradient is not the slope of the loss, by central differences; '' where it is."""
        problem, rng = in_dtype(self.problem, "float64"), np.random.default_rng(0)
        loss, params, batch = _NUMPY.loss(problem), problem.params, problem.batch
        _, grads = _NUMPY.value_and_grad(problem)(params, batch)
        errors = []
        for _ in range(DIRECTIONS):
            direction = {key: rng.standard_normal(p.shape) for key, p in params.items()}
            h = STRIDE * (norm(params) or 1.0) / norm(direction)
            ends = [loss({key: p + x * direction[key] for key, p in params.items()}, batch) for x in (h, -h)]
            slope, told = (ends[0] - ends[1]) / (2 * h), sum(np.vdot(grads[key], direction[key]) for key in params)
            errors.append(abs(slope - told) / (norm(grads) or 1.0))
        # The middle one: where a pre-activation crosses 0 on the way, one direction may be off by a thousandth.
        error = float(np.median(errors))
        if error <= SLOPE_TOLERANCE:
            return ""
        return (
            f"the reference is wrong: its gradient by hand is off by {error:.2g} of its norm, by central differences of its loss;"
            f" mend backends/numpy/{problem.workload}.py"
        )

    @cached_property
    def lower_bound(self) -> float | None:
        return WORKLOADS[self.problem.workload].lower_bound(self.problem)

    @cached_property
    def timed(self) -> dict[str, tuple[float, float]]:
        """By operation: the last loss of a timed call, and how far from its start lies what comes with it."""
        problem = in_dtype(self.problem, "float64")
        params, losses = _NUMPY.trainer(problem, problem.timed_steps)(problem.params, problem.batch)
        start = self.truth.start
        return {
            "loss": (float(start.alone), 0.0),
            "value_and_grad": (float(start.loss), distance(start.grads, problem.params)),
            "train": (float(losses[-1]), distance(params, problem.params)),
        }

    @property
    def least_loss(self) -> float:
        """The loss below which an error is no longer relative to the loss itself."""
        return RESOLVED * float(self.truth.losses.max())

    def tolerance(self, gate: str) -> float:
        """Return, in `gate`'s measure, MARGIN roundings, KINKS branches, or FLOOR units, whichever is most.

        A rounding is the distance between NumPy in float32 and the truth; for another dtype it is scaled by the ratio of
        their units, because nothing finer is there to hold float64 against.
        """
        unit = epsilon(self.problem.dtype)
        rounding = self._rounding[gate] * unit / epsilon("float32")
        return max(MARGIN * rounding, KINKS * max(run[gate] for run in self._branches), FLOOR * unit)

    @cached_property
    def _rounding(self) -> dict[str, float]:
        """Return how far float32 leads NumPy from the reference, by check."""
        problem, decoy = in_dtype(self.problem, "float32"), in_dtype(self.decoy, "float32")
        return distances(self._answers("float32", problem, decoy, self.halfway), self.truth)

    @cached_property
    def _branches(self) -> list[dict[str, float]]:
        """How far the reference is led from the truth by starts, and a point halfway, that rounding could have made.

        In the problem's own dtype, for float32 is twice as fast.  Each then has a rounding of its own: of 162 tolerances 35
        differ from those by float64, by -6 to +5 % and one by 19 %.
        """
        rng, truth, dtype = np.random.default_rng(0), self.truth, str(array_dtype(self.problem.dtype))

        def moved(params: Arrays) -> Arrays:
            return nudged(cast(params, dtype), rng, epsilon(self.problem.dtype))

        def distant(params: Arrays, decoy: Arrays, halfway: Arrays) -> dict[str, float]:
            run = self.problem.replace(params=params), self.decoy.replace(params=decoy), halfway
            return distances(self._answers(dtype, *run), truth)

        points = [
            [moved(p) for p in (self.problem.params, self.decoy.params, self.halfway)] for _ in range(NUDGED_RUNS)
        ]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(distant, *zip(*points, strict=True)))

    def _answers(self, dtype: str, problem: Problem, decoy: Problem, halfway: Arrays) -> Answers:
        backend = backends.load(REFERENCE, "cpu", dtype)
        problem, decoy = in_dtype(problem, dtype), in_dtype(decoy, dtype)
        return answers(backend, operations(backend, problem), problem, cast(halfway, dtype), decoy)


_NUMPY = backends.load(REFERENCE, "cpu", "float64")


def norm(arrays: Mapping[str, Array]) -> float:
    """The Euclidean norm over all entries of all arrays, in float64."""
    return float(np.sqrt(sum(np.sum(np.square(a, dtype=np.float64)) for a in arrays.values())))


def distance(arrays: Mapping[str, Array], start: Arrays) -> float:
    """`norm` of what lies between.

    To the right answer it is the same from every turned start, and to the answer to another of them it is not.
    """
    return norm({key: np.subtract(a, start[key], dtype=np.float64) for key, a in arrays.items()})


def distances(ours: Answers, truth: Answers) -> dict[str, float]:
    """By gate, the relative error of the answers."""
    return {
        "loss": _losses(ours, truth),
        "gradient at the start, by norm": _by_norm(ours.start.grads, truth.start.grads),
        "gradient at the start, by element": _by_element(ours.start.grads, truth.start.grads),
        "gradient halfway, by norm": _by_norm(ours.halfway.grads, truth.halfway.grads),
        "gradient halfway, by element": _by_element(ours.halfway.grads, truth.halfway.grads),
        "gradient of a decoy": _by_norm(ours.decoy.grads, truth.decoy.grads),
        "trajectory": _steps(ours.losses, truth.losses, truth.losses.max()),
        "trajectory of a decoy": _steps(ours.decoy_losses, truth.decoy_losses, truth.decoy_losses.max()),
        "trained params": _by_norm(ours.params, truth.params),
    }


def _by_norm(ours: Arrays, truth: Arrays) -> float:
    """||ours - truth|| / ||truth||, the worst over the arrays."""
    return max(_ratio(np.linalg.norm(_gap(ours[key], truth[key])), np.linalg.norm(truth[key])) for key in truth)


def _by_element(ours: Arrays, truth: Arrays) -> float:
    """max |ours - truth| / max |truth|, the worst over the arrays; sees one wrong element of many."""
    return max(_ratio(np.abs(_gap(ours[key], truth[key])).max(), np.abs(truth[key]).max()) for key in truth)


def _losses(ours: Answers, truth: Answers) -> float:
    """The worst relative error of the single losses, of the problem's and of the decoy's."""
    largest = {"start": truth.losses.max(), "halfway": truth.losses.max(), "decoy": truth.decoy_losses.max()}
    return max(_steps(_pair(getattr(ours, at)), _pair(getattr(truth, at)), most) for at, most in largest.items())


def _pair(point: Point) -> Array:
    return np.array([point.alone, point.loss])


def _steps(ours: Array, truth: Array, largest: float) -> float:
    """The worst relative error of losses of a descent whose `largest` is given."""
    return float(np.max(np.abs(_gap(ours, truth)) / np.maximum(np.abs(truth), RESOLVED * largest)))


def _gap(ours: Array, truth: Array) -> Array:
    return np.asarray(ours, np.float64) - truth


def _ratio(error: Any, size: Any) -> float:
    return float(error / size) if size else float(error)
