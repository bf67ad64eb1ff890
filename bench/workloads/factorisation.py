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
from bench.problem import Array, Arrays, Asked, Problem, posed
from bench.workloads import datasets, files
from bench.workloads.protocol import Allowed, EndState

DEFAULT_SIZES = ("iris", "digits", "2000x1000r32")
SMALLER_SIZES = ("iris", "300x50r5", "1000x100r10", "digits", "1000x500r16", "10000x100r10", "2000x1000r32")
SWEEP_SIZES = (*SMALLER_SIZES, "50000x300r10", "4000x2000r64", "4096x4096r128", "4096x4096r256")
GPU_SWEEP_SIZES = ("8192x8192r128", "16384x16384r64", "16384x16384r256")

LARGE = 1024  # rows and columns beyond which no full singular value decomposition is made
ROOM = 100  # float32 must hold so many times the squares of a matrix, and so small a part of them

_SIZE = re.compile(r"(\d{1,7})x(\d{1,7})r(\d{1,18})", re.ASCII)


def make(size: str, dtype: str, seed: int) -> Problem:
    rng, asked = np.random.default_rng(seed), (size, dtype, seed)
    if size == "iris":
        params = {"U": rng.random((150, 2)), "V": rng.random((4, 2))}
        return _problem(asked, datasets.iris()[0], params, 0.01, 1000, centred=True)
    if size == "digits":
        params = {"U": 0.1 * rng.standard_normal((1797, 16)), "V": 0.1 * rng.standard_normal((64, 16))}
        return _problem(asked, datasets.digits()[0], params, 3e-3, 400, centred=True)
    if file := files.named(size, "r"):
        path, rank = file
        A = files.matrix(path)
        m, n = A.shape
        _check(size, m, n, rank)
        _check_scale(path, A)
        norm = _largest_singular_values(A, 1)[0] if min(A.shape) > LARGE else np.linalg.norm(A, 2)
        return _scaled_problem(asked, A, rank, float(norm), rng)
    if match := _SIZE.fullmatch(size):
        m, n, rank = map(int, match.groups())
        _check(size, m, n, rank)
        rng = np.random.default_rng([seed, m, n, rank])
        # Signs multiply exactly in any order of summation, so the bits of A depend on no BLAS.
        left, right = (2.0 * rng.integers(0, 2, (rows, rank)) - 1 for rows in (m, n))
        A = (left @ right.T + rng.standard_normal((m, n))) / np.sqrt(m * n)
        return _scaled_problem(asked, A, rank, (1 + np.sqrt(rank / m)) * (1 + np.sqrt(rank / n)), rng)
    sizes = "choose iris, digits, rows x columns r rank as in 1000x100r10, or a file as in datasets.csv:r3"
    raise UsageError(f"no factorisation size {size!r}; {files.unfinished_size(size, 'r', 'rank') or sizes}")


def quality(problem: Problem, params: Arrays) -> dict[str, float]:
    """Return `reconstruction_error`: the loss of `params`, computed in float64."""
    U, V, A = (np.asarray(a, np.float64) for a in (params["U"], params["V"], problem.batch["A"]))
    return {"reconstruction_error": float(np.sum((U @ V.T - A) ** 2))}


def end_state(problem: Problem, ours: list[Arrays], reference: list[Arrays], allowed: Allowed) -> EndState:
    """Compare the reconstruction errors; one below the lower bound is infinitely wrong."""
    errors = [quality(problem, params)["reconstruction_error"] for params in ours]
    theirs = [quality(problem, params)["reconstruction_error"] for params in reference]
    # The bound is a difference of squares of A, so it is known to some roundings of ||A||^2.
    slack = 1e-10 * float(np.sum(np.square(problem.batch["A"], dtype=np.float64)))
    bound = allowed.lower_bound or 0.0
    if min(errors) < bound - slack:
        what = f"a reconstruction error of {min(errors):.8g} is below the least possible, {bound:.8g}"
        return np.inf, allowed.loss_error, what
    apart = [abs(a - b) / max(b, allowed.least_loss) for a, b in zip(errors, theirs, strict=True)]
    worst = int(np.argmax(apart))
    what = f"reconstruction error {errors[worst]:.8g} against {theirs[worst]:.8g}; {bound:.8g} by singular values"
    return apart[worst], allowed.loss_error, what


def turned(params: Arrays, rng: np.random.Generator, count: int) -> Arrays:
    """Return `count` starts [count, ...] of the same descent: U Q and V Q, with Q a random reflection."""
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


def _check(size: str, m: int, n: int, rank: int) -> None:
    if not m or not n:
        raise UsageError(f"factorisation {size!r} has no entries; give at least one row and one column")
    if not 1 <= rank <= min(m, n):
        wrong = f"factorisation {size!r} asks for rank {rank} of a {m} x {n} matrix"
        raise UsageError(f"{wrong}; the rank must lie in 1..{min(m, n)}")
    datasets.check_fits(size, (m, n), (m, rank), (n, rank), (m, n))  # with the residual


def _check_scale(path: str, A: Array) -> None:
    """Raise UsageError unless float32, by which tolerances are measured, holds the sum of A's squares with room."""
    info, squares = np.finfo(np.float32), float(np.vdot(A, A))
    if not A.any():
        raise UsageError(f"the matrix in {path} is zero, and there is nothing to factorise; give another")
    if not ROOM * float(info.tiny) < squares < float(info.max) / ROOM:
        wrong = f"the squares of the numbers in {path} sum to {squares:.3g}, which float32 does not hold"
        raise UsageError(f"{wrong}; scale the matrix and save it again")


def _scaled_problem(asked: Asked, A: Array, rank: int, norm: float, rng: np.random.Generator) -> Problem:
    """Return a problem that starts small beside the solution, with the rate 0.2 / norm: stable is below 0.5 / norm."""
    scales = {"U": 0.3 * np.sqrt(norm / A.shape[0]), "V": 0.3 * np.sqrt(norm / A.shape[1])}
    start = {key: scales[key] * rng.standard_normal((rows, rank)) for key, rows in zip("UV", A.shape, strict=True)}
    return _problem(asked, A, start, 0.2 / norm, 100)


def _problem(asked: Asked, A: Array, start: Arrays, rate: float, wanted_steps: int, centred: bool = False) -> Problem:
    A = A - A.mean(axis=0) if centred else A
    (m, n), rank = A.shape, start["U"].shape[1]
    flops, moved = 6.0 * m * n * rank, m * n + 2 * rank * (m + n)
    return posed("factorisation", asked, [start, {"A": A}, {}], rate, wanted_steps, flops, moved)


def _largest_singular_values(A: Array, count: int) -> Array:
    """Return the largest singular values, by Lanczos: a full decomposition at 4096 x 4096 takes minutes."""
    from scipy.sparse.linalg import svds

    return svds(A, count, return_singular_vectors=False, random_state=0)
