"""Define a problem: one workload at one size, with its data, start, learning rate and steps as frozen NumPy arrays."""

import hashlib
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

DTYPES = ("float32", "float64", "tf32")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The problem that every backend is given, bit for bit the same.  The arrays are read-only."""

    workload: str
    size: str
    dtype: str
    seed: int
    params: Arrays  # the start of the descent
    batch: Arrays  # what the loss is computed on
    held_out: Arrays = {}  # examples that no gradient sees
    learning_rate: float
    num_steps: int  # steps of the whole descent, whose end is checked
    timed_steps: int  # steps of one timed call of `train`, from the same start
    flops: float  # floating-point operations of one gradient step; the workload's module has the formula
    bytes_moved: float  # bytes that one gradient step must read and write; the workload's module has the formula

    def __post_init__(self) -> None:
        for group in (self.params, self.batch, self.held_out):
            for array in group.values():
                array.setflags(write=False)

    @property
    def name(self) -> str:
        return f"{self.workload}/{self.size}"

    @property
    def shapes(self) -> dict[str, list[int]]:
        return {key: list(array.shape) for key, array in (self.params | self.batch).items()}

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of everything that a backend is given; equal checksums pose the same question."""
        checksum = hashlib.sha256(repr((self.name, self.dtype, self.seed, self.learning_rate, self.num_steps)).encode())
        for group in (self.params, self.batch, self.held_out):
            for key in sorted(group):
                array = np.ascontiguousarray(group[key])
                checksum.update(f"{key} {array.dtype.str} {array.shape}".encode())
                checksum.update(array.tobytes())
        return checksum.hexdigest()

    def replace(self, **changes: Any) -> "Problem":
        """Return the problem with some fields changed."""
        return msgspec.structs.replace(self, **changes)


def array_dtype(dtype: str) -> np.dtype[Any]:
    """Return the NumPy dtype that holds `dtype`: tf32 is float32 arrays multiplied in 19-bit TensorFloat."""
    return np.dtype("float32" if dtype == "tf32" else dtype)


def epsilon(dtype: str) -> float:
    """Return the unit of rounding: 2^-52, 2^-23, and 2^-10 for the ten explicit mantissa bits of tf32."""
    return 2.0**-10 if dtype == "tf32" else float(np.finfo(dtype).eps)


def cast(arrays: Arrays, dtype: str) -> Arrays:
    """Return the arrays with floats in `dtype`; integers (labels) stay as they are."""
    wanted = {key: array_dtype(dtype) if a.dtype.kind == "f" else a.dtype for key, a in arrays.items()}
    return {key: np.array(a, dtype=wanted[key], order="C") for key, a in arrays.items()}


def in_dtype(problem: Problem, dtype: str) -> Problem:
    """Return `problem` with every float converted."""
    wider = array_dtype(dtype).itemsize / array_dtype(problem.dtype).itemsize
    arrays = {group: cast(getattr(problem, group), dtype) for group in ("params", "batch", "held_out")}
    return problem.replace(dtype=dtype, bytes_moved=wider * problem.bytes_moved, **arrays)


NUDGE = 8  # a start may be moved by so many units in the last place and still pose the same question; a power of 2


def nudged(arrays: Arrays, rng: np.random.Generator, unit: float) -> Arrays:
    """Return `arrays` with each entry moved, relative to itself, by -NUDGE to NUDGE - 1 times `unit`."""

    def nudge(array: Array) -> Array:
        # A whole byte is drawn in half the time of a narrower range.
        units = rng.integers(-128, 128, array.shape, np.int8) // np.int8(128 // NUDGE)
        factors = units.astype(array.dtype)
        factors *= array.dtype.type(unit)
        factors += 1
        factors *= array
        return factors

    return {key: nudge(array) for key, array in arrays.items()}


Asked = tuple[str, str, int]  # size, dtype and seed of a problem


def posed(
    workload: str, asked: Asked, arrays: list[Arrays], rate: float, wanted_steps: int, flops: float, numbers_moved: int
) -> Problem:
    """Return the problem whose start, batch and held-out examples are `arrays`."""
    (size, dtype, seed), (num_steps, timed_steps) = asked, steps(flops, wanted_steps)
    params, batch, held_out = (cast(group, dtype) for group in arrays)
    return Problem(
        workload=workload,
        size=size,
        dtype=dtype,
        seed=seed,
        params=params,
        batch=batch,
        held_out=held_out,
        learning_rate=float(rate),
        num_steps=num_steps,
        timed_steps=timed_steps,
        flops=flops,
        bytes_moved=float(array_dtype(dtype).itemsize * numbers_moved),
    )


def steps(flops: float, wanted: int) -> tuple[int, int]:
    """Return (num_steps, timed_steps) for a problem whose step takes `flops`: all machines are asked for the same.

    A timed call does about 0.3 Gflop, with 1 Mflop for the calls of each step, and a descent 15 Gflop.  A descent
    is a whole number of timed calls, so that one compiled program serves both: if `wanted` allows, three of two steps.
    """
    cost = flops + 1e6
    timed = max(d for d in range(1, wanted + 1) if wanted % d == 0 and d <= max(2, 3e8 / cost))
    return timed * int(min(wanted, max(3 * timed, 1.5e10 / cost)) // timed), timed
