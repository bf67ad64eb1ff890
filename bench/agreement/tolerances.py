"""Tolerances: a small multiple of what rounding alone does to the reference on the same problem."""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

from bench.agreement.distances import distances
from bench.agreement.reference import Reference, answers_of_numpy
from bench.problem import Arrays, array_dtype, cast, epsilon, in_dtype, nudged

MARGIN = 32
"""A tolerance is this many times the rounding error of the reference.  A heuristic: libraries sum in different orders, so
they round differently, not equally (docs/measured.md)."""

FLOOR = 32
"""No tolerance is below so many units in the last place: the reference's own error may be small by luck."""

NUDGED_RUNS, KINKS = 8, 2
"""The reference runs so often from starts moved by a few units in the last place.  A tolerance allows so many times the
farthest of these runs: a pre-activation near 0 may fall on the other side of the relu's kink (docs/measured.md)."""

AT_ONCE = 2
"""Runs at a time; each holds a problem and its decoy in memory."""


class Tolerances:
    """The largest error that each check allows, for one problem."""

    def __init__(self, reference: Reference):
        self.reference, self.problem = reference, reference.problem

    def of(self, check: str) -> float:
        """Return MARGIN roundings, KINKS branches or FLOOR units, whichever is most.

        A rounding is the distance between NumPy in float32 and in float64.  For another dtype it is scaled by the ratio of
        their units, because nothing finer than float64 is there to hold it against.
        """
        unit = epsilon(self.problem.dtype)
        rounding = self._rounding[check] * unit / epsilon("float32")
        return max(MARGIN * rounding, KINKS * max(run[check] for run in self._branches), FLOOR * unit)

    @cached_property
    def _rounding(self) -> dict[str, float]:
        """The distance of NumPy in float32 from the reference, by check."""
        problem, decoy = in_dtype(self.problem, "float32"), in_dtype(self.reference.decoy, "float32")
        ours = answers_of_numpy("float32", problem, decoy, self.reference.halfway.params)
        return distances(ours, self.reference.truth)

    @cached_property
    def _branches(self) -> list[dict[str, float]]:
        """The distances of runs from starts, and points halfway, that rounding could have made.

        They run in the problem's own dtype, because float32 is twice as fast.
        """
        reference, dtype = self.reference, str(array_dtype(self.problem.dtype))
        rng, truth = np.random.default_rng(0), reference.truth

        def moved(params: Arrays) -> Arrays:
            return nudged(cast(params, dtype), rng, epsilon(self.problem.dtype))

        def distant(params: Arrays, decoy: Arrays, halfway: Arrays) -> dict[str, float]:
            run = self.problem.replace(params=params), reference.decoy.replace(params=decoy), halfway
            return distances(answers_of_numpy(dtype, *run), truth)

        starts = (self.problem.params, reference.decoy.params, reference.halfway.params)
        points = [[moved(p) for p in starts] for _ in range(NUDGED_RUNS)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(distant, *zip(*points, strict=True)))
