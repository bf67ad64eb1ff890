"""Matrix factorisation by gradient descent.

Idea      A [m, n] is approximated by U V^T with U [m, rank] and V [n, rank], by descent on
          loss(U, V) = sum((U V^T - A)^2)    (the sum of the squares, not their mean).
Gradient  With R = U V^T - A:  dU = 2 R V,  dV = 2 R^T U.
Inputs    `params` {U, V}, `batch` {A}.
Outputs   The factors after `num_steps` full-batch steps, and the loss before every step.
Bound     Eckart and Young (1936): no factors of this rank have a smaller loss than the truncated
          singular value decomposition, the sum of the squares of the singular values it drops.
Sizes     `iris`     150 x 4 centred, rank 2, uniform start: the lab report's exercise.
          `digits`   1797 x 64 centred, rank 16; a uniform start stays on a saddle here, so N(0, 0.1^2).
                     After 400 steps 1.009 times the lower bound.  No further: three pixels are 0 in all images, and their
                     rows of V shrink, in float32 to subnormal numbers from some 590 steps on, with which NumPy
                     and torch took ten times as long over a step on an Intel Xeon.  (XLA flushes them to 0.)
          `MxNrR`    drawn: a rank-R matrix of signs plus unit noise, scaled to singular values near 1.
          `FILE:rR`  a person's own matrix, from a .npy or .csv file.
Cost      A step does three products of 2 m n rank flops each (U V^T, R V, R^T U).  It cannot avoid
          reading A once and reading and writing the factors.
"""

import re

import numpy as np

from bench.errors import UsageError
from bench.problem import Array, Arrays, Problem, array_dtype, cast, steps
from bench.workloads import datasets, files
from bench.workloads.protocol import Allowed, EndState

DEFAULT_SIZES = ("iris", "digits", "1000x100r10", "2000x1000r32")
SWEEP_SIZES = (
    "iris",
    "300x50r5",
    "1000x100r10",
    "digits",
    "1000x500r16",
    "10000x100r10",
    "2000x1000r32",
    "50000x300r10",
    "4000x2000r64",
    "4096x4096r128",
    "4096x4096r256",
)
GPU_SWEEP_SIZES = ("8192x8192r128", "16384x16384r64", "16384x16384r256")

LARGE = 1024
"""Rows and columns beyond which no full singular value decomposition is made."""

ROOM = 100
"""The loss may be so many times the squares of a matrix, or smaller by as much, and float32 must still hold it."""

_SIZE = re.compile(r"(\d{1,7})x(\d{1,7})r(\d{1,18})", re.ASCII)


def make(size: str, dtype: str, seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    if size == "iris":
        features, _ = datasets.iris()
        params = {"U": rng.random((150, 2)), "V": rng.random((4, 2))}
        return _problem(size, dtype, seed, _centred(features), params, 0.01, 1000)
    if size == "digits":
        features, _ = datasets.digits()
        params = {"U": 0.1 * rng.standard_normal((1797, 16)), "V": 0.1 * rng.standard_normal((64, 16))}
        return _problem(size, dtype, seed, _centred(features), params, 3e-3, 400)
    if file := files.named(size, "r"):
        path, rank = file
        A = files.matrix(path).arrays["A"]
        _check(size, A.shape[0], A.shape[1], rank)
        _check_scale(path, A)
        return _scaled_problem(size, dtype, seed, A, rank, _spectral_norm(A), rng)
    if match := _SIZE.fullmatch(size):
        m, n, rank = map(int, match.groups())
        _check(size, m, n, rank)
        return _drawn(size, dtype, seed, m, n, rank)
    raise UsageError(
        f"no factorisation size {size!r}; choose iris, digits, rows x columns r rank as in 1000x100r10, or a file as in datasets.csv:r3"
    )


def quality(problem: Problem, params: Arrays) -> dict[str, float]:
    """Return `reconstruction_error`: the loss of `params`, computed in float64."""
    U, V, A = (np.asarray(a, np.float64) for a in (params["U"], params["V"], problem.batch["A"]))
    return {"reconstruction_error": float(np.sum((U @ V.T - A) ** 2))}


def end_state(problem: Problem, ours: list[Arrays], reference: list[Arrays], allowed: Allowed) -> EndState:
    """Compare the reconstruction errors; one below the lower bound is infinitely wrong."""
    errors, theirs = (
        [quality(problem, params)["reconstruction_error"] for params in trained] for trained in (ours, reference)
    )
    # The bound is a difference of squares of A, so it is known to some roundings of ||A||^2.
    slack = 1e-10 * float(np.sum(np.square(problem.batch["A"], dtype=np.float64)))
    bound = allowed.lower_bound or 0.0
    if min(errors) < bound - slack:
        what = f"a reconstruction error of {min(errors):.8g} is below the least possible, {bound:.8g}"
        return EndState(np.inf, allowed.loss_error, what)
    apart = [abs(a - b) / max(b, allowed.least_loss) for a, b in zip(errors, theirs, strict=True)]
    worst = int(np.argmax(apart))
    what = f"reconstruction error {errors[worst]:.8g} against {theirs[worst]:.8g}; {bound:.8g} by singular values"
    return EndState(apart[worst], allowed.loss_error, what)


def turned(params: Arrays, rng: np.random.Generator, count: int) -> Arrays:
    """Return `count` starts [count, ...] of the same descent: U Q and V Q, with Q a random reflection.

    Q is orthogonal, so U V^T stays the same, and U Q - rate dU Q is the step of U Q.  At rank 1 there is one other start,
    with the sign turned.
    """
    v = rng.standard_normal((count, params["U"].shape[1], 1))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    Q = np.eye(v.shape[1]) - 2 * v @ v.swapaxes(1, 2)
    return {key: p @ Q.astype(p.dtype) for key, p in params.items()}


def lower_bound(problem: Problem) -> float:
    """Return the squared error of the best approximation of this rank, by the singular value decomposition."""
    A, rank = np.asarray(problem.batch["A"], np.float64), problem.params["U"].shape[1]
    if rank == min(A.shape):
        return 0.0
    if min(A.shape) <= LARGE:
        return float(np.sum(np.linalg.svd(A, compute_uv=False)[rank:] ** 2))
    return float(np.sum(A**2) - np.sum(_largest_singular_values(A, rank) ** 2))


def _centred(A: Array) -> Array:
    return A - A.mean(axis=0)


def _check(size: str, m: int, n: int, rank: int) -> None:
    if not m or not n:
        raise UsageError(f"factorisation {size!r} has no entries; give at least one row and one column")
    if not 1 <= rank <= min(m, n):
        raise UsageError(
            f"factorisation {size!r} asks for rank {rank} of a {m} x {n} matrix; the rank must lie in 1..{min(m, n)}"
        )
    residual = (m, n)
    datasets.check_fits(size, (m, n), (m, rank), (n, rank), residual)


def _check_scale(path: str, A: Array) -> None:
    """Raise UsageError unless float32 holds the sum of the squares of A, which the loss is about, with room to spare.

    Whatever the dtype: tolerances are measured by what rounding to float32 does.
    """
    info, squares = np.finfo(np.float32), float(np.vdot(A, A))
    if not A.any():
        raise UsageError(f"the matrix in {path} is zero, and there is nothing to factorise; give another")
    if not ROOM * float(info.tiny) < squares < float(info.max) / ROOM:
        raise UsageError(
            f"the squares of the numbers in {path} sum to {squares:.3g}, which float32 does not hold;"
            " scale the matrix and save it again"
        )


def _drawn(size: str, dtype: str, seed: int, m: int, n: int, rank: int) -> Problem:
    """Return a drawn problem.  Signs multiply exactly in any order of summation, so the bits of A depend on no BLAS."""
    rng = np.random.default_rng([seed, m, n, rank])
    left, right = (2.0 * rng.integers(0, 2, (rows, rank)) - 1 for rows in (m, n))
    A = (left @ right.T + rng.standard_normal((m, n))) / np.sqrt(m * n)
    norm = (1 + np.sqrt(rank / m)) * (1 + np.sqrt(rank / n))
    return _scaled_problem(size, dtype, seed, A, rank, norm, rng)


def _scaled_problem(
    size: str, dtype: str, seed: int, A: Array, rank: int, norm: float, rng: np.random.Generator
) -> Problem:
    """Return a problem that starts small beside the solution, with a fifth of the inverse of A's spectral norm as rate.

    At the solution the loss curves by at most 4 norm(A), so descent is stable below 1 / (2 norm(A)).
    """
    params = {
        key: 0.3 * np.sqrt(norm / rows) * rng.standard_normal((rows, rank))
        for key, rows in zip("UV", A.shape, strict=True)
    }
    return _problem(size, dtype, seed, A, params, 0.2 / norm, 100)


def _problem(size: str, dtype: str, seed: int, A: Array, params: Arrays, rate: float, num_steps: int) -> Problem:
    (m, n), rank = A.shape, params["U"].shape[1]
    flops = 6.0 * m * n * rank
    num_steps, timed_steps = steps(flops, num_steps)
    return Problem(
        workload="factorisation",
        size=size,
        dtype=dtype,
        seed=seed,
        params=cast(params, dtype),
        batch=cast({"A": A}, dtype),
        learning_rate=float(rate),
        num_steps=num_steps,
        timed_steps=timed_steps,
        flops=flops,
        bytes_moved=float(array_dtype(dtype).itemsize * (m * n + 2 * rank * (m + n))),
    )


def _spectral_norm(A: Array) -> float:
    return float(_largest_singular_values(A, 1)[0]) if min(A.shape) > LARGE else float(np.linalg.norm(A, 2))


def _largest_singular_values(A: Array, count: int) -> Array:
    """Return the largest singular values, by Lanczos: a full decomposition at 4096 x 4096 takes minutes."""
    from scipy.sparse.linalg import svds

    return svds(A, count, return_singular_vectors=False, random_state=0)
