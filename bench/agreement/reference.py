"""The reference: NumPy with the gradient by hand, in float64, held against central differences of its own loss.

A tolerance is a small multiple of what rounding alone does to it on the same problem.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

import backends
from bench.agreement.answers import Answers, answers, descend
from bench.agreement.distances import RESOLVED, distance, distances, norm
from bench.backend import REFERENCE
from bench.operations import OPERATIONS, functions
from bench.problem import Arrays, Problem, array_dtype, cast, epsilon, in_dtype, nudged
from bench.workloads import WORKLOADS, pose

SEEDS = range(8)  # the seeds of the starts of an Iris problem; the lab report's table has as many

DIRECTIONS, STRIDE, SLOPE_TOLERANCE = 5, 1e-6, 1e-4
"""The gradient is tried in so many random directions, over this part of the norm of the params.  It may differ from the
slope of the loss by the last number, relative to its norm (docs/measured.md)."""

MARGIN = 32
"""A tolerance is this many times the rounding error of the reference.  A heuristic: libraries sum in different orders, so
they round differently, not equally (docs/measured.md)."""

FLOOR = 32  # no tolerance is below so many units in the last place: the reference's own error may be small by luck

NUDGED_RUNS, KINKS = 8, 2
"""The reference runs so often from starts moved by a few units in the last place.  A tolerance allows so many times the
farthest of these runs: a pre-activation near 0 may fall on the other side of the relu's kink (docs/measured.md)."""

AT_ONCE = 2  # runs at a time; each holds a problem and its decoy in memory

_NUMPY = backends.load(REFERENCE, "cpu", "float64")


class Reference:
    """Everything that the answers to one problem are compared with; each part is computed when it is first asked for."""

    def __init__(self, problem: Problem):
        self.problem = problem

    @cached_property
    def others(self) -> list[Problem]:
        """The same problem from other starts, where the data are the lab report's."""
        p = self.problem
        steps = {"num_steps": p.num_steps, "timed_steps": p.timed_steps}
        return [pose(p.name, p.dtype, s).replace(**steps) for s in SEEDS if s != p.seed] if p.size == "iris" else []

    @cached_property
    def decoy(self) -> Problem:
        """Another start and half the batch's values: an answer kept from `problem` is wrong here.

        Its descent is a third as long, in whole timed calls.
        """
        p = self.problem
        start = {key: np.roll(a, 1, axis=0) for key, a in p.params.items()}
        halved = {key: a / 2 if a.dtype.kind == "f" else a for key, a in p.batch.items()}
        num_steps = p.timed_steps * math.ceil(p.num_steps / p.timed_steps / 3)
        return p.replace(params=start, batch=cast(halved, p.dtype), num_steps=num_steps)

    @cached_property
    def halfway(self) -> Problem:
        """The problem from where the float64 descent has made half its gain; at its end a gradient is rounding alone."""
        problem = in_dtype(self.problem, "float64")
        _, losses = descend(_NUMPY, functions(_NUMPY, problem), problem)
        steps = max(1, int(np.argmax(losses <= (losses[0] + losses[-1]) / 2)))
        params, _ = _NUMPY.trainer(problem, steps)(problem.params, problem.batch)
        return self.problem.replace(params=cast(dict(params), self.problem.dtype))

    @cached_property
    def truth(self) -> Answers:
        return _answers("float64", self.problem, self.decoy, self.halfway.params)

    @cached_property
    def trained(self) -> list[Arrays]:
        """The params that the float64 descents from `problem` and `others` end on."""
        others = [in_dtype(other, "float64") for other in self.others]
        return [self.truth.params, *(descend(_NUMPY, functions(_NUMPY, p), p)[0] for p in others)]

    @cached_property
    def lower_bound(self) -> float | None:
        return WORKLOADS[self.problem.workload].lower_bound(self.problem)

    @cached_property
    def quality(self) -> dict[str, float]:
        """The quality that the descent ended with, and its last loss."""
        found = WORKLOADS[self.problem.workload].quality(self.problem, self.truth.params)
        return found | {"last_loss": float(self.truth.losses[-1])}

    @cached_property
    def timed(self) -> dict[str, tuple[float, float]]:
        """The last loss of a timed call and how far its arrays lie from its start, by operation."""
        problem, found = in_dtype(self.problem, "float64"), {}
        for name, function in functions(_NUMPY, problem).items():
            losses, arrays = OPERATIONS[name].split(function(problem.params, problem.batch))
            found[name] = float(np.ravel(losses)[-1]), distance(arrays, problem.params)
        return found

    @property
    def least_loss(self) -> float:
        """The loss below which an error is no longer relative to the loss itself."""
        return RESOLVED * float(self.truth.losses.max())

    @cached_property
    def fault(self) -> str:
        """A sentence where the gradient is not the slope of the loss, by central differences; '' where it is."""
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
        # The median, because one direction may cross the relu's kink.
        error = float(np.median(errors))
        wrong = f"its gradient by hand is off by {error:.2g} of its norm, by central differences of its loss"
        remedy = f"mend backends/numpy/{problem.workload}.py"
        return "" if error <= SLOPE_TOLERANCE else f"the reference is wrong: {wrong}; {remedy}"

    def tolerance(self, check: str) -> float:
        """Return the largest error that is allowed: MARGIN roundings, KINKS branches or FLOOR units, whichever is most.

        A rounding is the distance of NumPy in float32 from float64, scaled to the dtype: nothing is finer than float64.
        """
        unit = epsilon(self.problem.dtype)
        rounding = self._rounding[check] * unit / epsilon("float32")
        return max(MARGIN * rounding, KINKS * max(run[check] for run in self._branches), FLOOR * unit)

    @cached_property
    def _rounding(self) -> dict[str, float]:
        """The distance of NumPy in float32 from the reference, by check."""
        return distances(_answers("float32", self.problem, self.decoy, self.halfway.params), self.truth)

    @cached_property
    def _branches(self) -> list[dict[str, float]]:
        """The distances of runs from starts and points halfway that rounding could have made, in the problem's dtype."""
        dtype, rng, truth = str(array_dtype(self.problem.dtype)), np.random.default_rng(0), self.truth

        def moved(params: Arrays) -> Arrays:
            return nudged(cast(params, dtype), rng, epsilon(self.problem.dtype))

        def distant(params: Arrays, decoy: Arrays, halfway: Arrays) -> dict[str, float]:
            run = self.problem.replace(params=params), self.decoy.replace(params=decoy), halfway
            return distances(_answers(dtype, *run), truth)

        starts = (self.problem.params, self.decoy.params, self.halfway.params)
        points = [[moved(p) for p in starts] for _ in range(NUDGED_RUNS)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(distant, *zip(*points, strict=True)))


def _answers(dtype: str, problem: Problem, decoy: Problem, halfway: Arrays) -> Answers:
    """Return what NumPy computes in `dtype`."""
    backend = backends.load(REFERENCE, "cpu", dtype)
    problem, decoy = in_dtype(problem, dtype), in_dtype(decoy, dtype)
    return answers(backend, functions(backend, problem), problem, cast(halfway, dtype), decoy)
