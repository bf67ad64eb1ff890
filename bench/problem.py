"""Problem: one workload at one size - data, start, learning rate, steps - as frozen NumPy arrays."""

import hashlib
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

DTYPES = ("float32", "float64", "tf32")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What every backend is given, bit for bit the same.

    `params` is the start; `batch` what the loss is computed on; `held_out` what no gradient sees.
    The arrays are read-only.  `num_steps` is the whole descent, judged by the agreement gates;
    `timed_steps` is how many of them, from the same start, one timed call of `train` takes.
    `flops` and `bytes_moved` count one gradient step (see the workload's page for the formula).
    """

    workload: str
    size: str
    dtype: str
    seed: int
    params: Arrays
    batch: Arrays
    held_out: Arrays = {}
    learning_rate: float
    num_steps: int
    timed_steps: int
    flops: float
    bytes_moved: float

    def __post_init__(self) -> None:
        for group in (self.params, self.batch, self.held_out):
            for array in group.values():
                array.setflags(write=False)

    @property
    def name(self) -> str:
        return f"{self.workload}/{self.size}"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {key: array.shape for key, array in (self.params | self.batch).items()}

    @property
    def checksum(self) -> str:
        """SHA-256 over everything a backend is given; equal digests pose the same question."""
        digest = hashlib.sha256(repr((self.name, self.dtype, self.seed, self.learning_rate, self.num_steps)).encode())
        for group in (self.params, self.batch, self.held_out):
            for key in sorted(group):
                array = np.ascontiguousarray(group[key])
                digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()

    def replace(self, **changes: Any) -> "Problem":
        return msgspec.structs.replace(self, **changes)


def array_dtype(dtype: str) -> np.dtype[Any]:
    """The NumPy dtype that holds `dtype`: tf32 is float32 arrays multiplied in 19-bit TensorFloat."""
    return np.dtype("float32" if dtype == "tf32" else dtype)


def epsilon(dtype: str) -> float:
    """The unit of rounding: 2^-52, 2^-23, and 2^-10 for the ten explicit mantissa bits of tf32."""
    return 2.0**-10 if dtype == "tf32" else float(np.finfo(dtype).eps)


def cast(arrays: Arrays, dtype: str) -> Arrays:
    """The same arrays with floats in `dtype`; integers (labels) are left as they are."""
    return {
        key: np.array(a, dtype=array_dtype(dtype) if a.dtype.kind == "f" else a.dtype, order="C")
        for key, a in arrays.items()
    }


def in_dtype(problem: Problem, dtype: str) -> Problem:
    """`problem` with every float converted; used for the float64 twin of a float32 problem."""
    wider = array_dtype(dtype).itemsize / array_dtype(problem.dtype).itemsize
    return problem.replace(
        dtype=dtype,
        bytes_moved=wider * problem.bytes_moved,
        params=cast(problem.params, dtype),
        batch=cast(problem.batch, dtype),
        held_out=cast(problem.held_out, dtype),
    )


NUDGE = 8
"""Units in the last place by which a start may be moved and still be the same question; a power of 2."""


def nudged(arrays: Arrays, rng: np.random.Generator, unit: float) -> Arrays:
    """`arrays` with each entry moved, relative to itself, by -NUDGE to NUDGE - 1 times `unit`."""

    def nudge(array: Array) -> Array:
        # Of a whole byte, which is drawn in half the time of a narrower range.
        units = rng.integers(-128, 128, array.shape, np.int8) // np.int8(128 // NUDGE)
        factors = units.astype(array.dtype)
        factors *= array.dtype.type(unit)
        factors += 1
        factors *= array
        return factors

    return {key: nudge(array) for key, array in arrays.items()}


def steps(flops: float, wanted: int) -> tuple[int, int]:
    """(num_steps, timed_steps) for a problem whose step takes `flops`.

    A rule from the problem alone, so that every machine is asked for the same work: about 0.3 Gflop
    in a timed call, if a step also costs the flops of 10 us, and 15 Gflop in the whole descent,
    which is a whole number of timed calls - one compiled program serves both.  Where `wanted` can be
    divided so, a call is two steps at least, and a descent three calls.  Some 1 to 20 ms a
    call are long enough for a clock, and short enough for six rounds of fourteen entrants.
    """
    cost = flops + 1e6
    timed = max(d for d in range(1, wanted + 1) if wanted % d == 0 and d <= max(2, 3e8 / cost))
    return timed * int(min(wanted, max(3 * timed, 1.5e10 / cost)) // timed), timed
