"""A one-hidden-layer perceptron, trained by full-batch gradient descent.

Idea      logits = relu(x W1 + b1) W2 + b2;  loss = the softmax cross-entropy, summed over the batch.
Gradient  With D = softmax(logits) - onehot(y) and H the hidden activations:
          dW2 = H^T D, db2 = sum of D over the batch, G = D W2^T where the pre-activation is > 0,
          dW1 = x^T G, db1 = sum of G over the batch.
Inputs    `params` {W1 [d, hidden], b1, W2 [hidden, classes], b2}, `batch` {x [n, d], y [n] int64},
          `held_out` {x, y} of the test set.
Outputs   The parameters after `num_steps` full-batch steps, and the loss before every step.
Sizes     `iris`       100 + 50 flowers, standardised, 12 hidden units: the lab report's exercise.
          `digits`     1200 + 597 images, 64 hidden units.
          `NxD-H-K`    drawn: N examples of D features, H hidden units, K classes set by a linear teacher.
          `FILE:hH`    a person's own x [n, d] and y [n], from an .npz file, with H hidden units; the labels y are
                       integers, each of 0, 1, ..., classes-1 at least once.  A fifth of the rows is held out, drawn
                       by a fixed shuffle.
Cost      Five products (x W1, H W2, H^T D, D W2^T, x^T G): 2 n (2 d hidden + 3 hidden classes) flops.
          A step cannot avoid reading x once and reading and writing the parameters.
"""

import re

import numpy as np

from bench.errors import UsageError
from bench.problem import Array, Arrays, Asked, Problem, posed
from bench.workloads import datasets, files
from bench.workloads.protocol import Allowed, EndState

DEFAULT_SIZES = ("iris", "digits", "1000x400-128-10")
SMALLER_SIZES = ("iris", "300x50-32-10", "digits", "1000x100-64-10", "1000x400-128-10")
SWEEP_SIZES = (*SMALLER_SIZES, "2048x784-256-10", "4096x784-512-10", "8192x784-1024-10")
GPU_SWEEP_SIZES = ("32768x784-2048-10", "65536x784-4096-10")

_SIZE = re.compile(r"(\d{1,7})x(\d{1,6})-(\d{1,6})-(\d{1,5})", re.ASCII)


def make(size: str, dtype: str, seed: int) -> Problem:
    asked = (size, dtype, seed)
    if size == "iris":
        return iris(dtype, seed)
    if size == "digits":
        return _problem(asked, *datasets.digits(), 1200, _normal_start(64, 64, 10, seed), 1e-3, 200)
    if file := files.named(size, "h"):
        path, hidden = file
        features, labels = files.labelled(path)
        (rows, d), classes = features.shape, int(labels.max()) + 1
        _check(size, rows, d, hidden, classes)
        return _scaled_problem(asked, _standardised(features), labels, hidden, rows * 4 // 5, classes)
    if match := _SIZE.fullmatch(size):
        n, d, hidden, classes = map(int, match.groups())
        _check(size, n + max(1, n // 4) if n else 0, d, hidden, classes)
        if classes > d:
            raise UsageError(f"mlp {size!r} has more classes than features; choose {classes} features or more")
        x = np.random.default_rng([seed, n, d, hidden, classes]).standard_normal((n + max(1, n // 4), d))
        # Class k owns the features k, k + classes, ...  Their sum is no product, so the labels depend on no BLAS.
        scores = np.stack([x[:, k::classes].sum(axis=1) for k in range(classes)], axis=1)
        return _scaled_problem(asked, x, scores.argmax(axis=1), hidden, n, classes)
    sizes = "choose iris, digits, examples x features - hidden - classes as in 1000x100-64-10, or a file as in datasets.npz:h32"
    raise UsageError(f"no mlp size {size!r}; {files.unfinished_size(size, 'h', 'hidden units') or sizes}")


def iris(dtype: str, seed: int, split: int = 0) -> Problem:
    """Return the lab report's second exercise; `split` is the shuffle that divides the rows into training and test."""
    features, labels = datasets.iris()
    start = _normal_start(4, 12, 3, seed)
    return _problem(("iris", dtype, seed), _standardised(features), labels, 100, start, 0.01, 100, split)


def logits(params: Arrays, x: Array) -> Array:
    """Return the logits [n, classes] in float64, whatever the dtype of the params."""
    p = {key: np.asarray(value, np.float64) for key, value in params.items()}
    return np.maximum(np.asarray(x, np.float64) @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]


def quality(problem: Problem, params: Arrays) -> dict[str, float]:
    """Return `train_accuracy` and `test_accuracy`: the share of examples whose largest logit is their label's."""

    def accuracy(examples: Arrays) -> float:
        return float(np.mean(logits(params, examples["x"]).argmax(axis=1) == examples["y"]))

    return {"train_accuracy": accuracy(problem.batch), "test_accuracy": accuracy(problem.held_out)}


def end_state(problem: Problem, ours: list[Arrays], reference: list[Arrays], allowed: Allowed) -> EndState:
    """Count the held-out examples, over every start, that get another label than by the reference.

    Where the two largest logits lie closer than the error that params may have, either label is right.
    """
    x, different = problem.held_out["x"], 0
    for one, other in zip(ours, reference, strict=True):
        a, b = logits(one, x), logits(other, x)
        top = np.sort(b, axis=1)
        clear = top[:, -1] - top[:, -2] > allowed.params_error * np.abs(b).max(axis=1)
        different += int(np.sum((a.argmax(axis=1) != b.argmax(axis=1)) & clear))
    return different, 0.0, f"{different} of {len(x) * len(ours)} held-out labels differ from the reference's"


def turned(params: Arrays, rng: np.random.Generator, count: int) -> Arrays:
    """Return `count` starts [count, ...] of the same descent: the hidden units in a random order."""
    hidden = np.arange(params["b1"].size)
    order = rng.permuted(np.broadcast_to(hidden, (count, hidden.size)), axis=1)
    return {
        "W1": params["W1"][:, order].swapaxes(0, 1),
        "b1": params["b1"][order],
        "W2": params["W2"][order],
        "b2": np.broadcast_to(params["b2"], (count, params["b2"].size)),
    }


def lower_bound(problem: Problem) -> None:
    """Return None: no bound on what this descent can reach is known."""


def _check(size: str, rows: int, d: int, hidden: int, classes: int) -> None:
    for what, count in {"examples": rows, "features": d, "hidden": hidden, "classes": classes - 1}.items():
        if count < 1:
            raise UsageError(f"mlp {size!r} has too few {what}; every count must be positive, with two classes or more")
    datasets.check_fits(size, (rows, d), (d, hidden), (hidden, classes), (rows, hidden + classes))  # with activations


def _standardised(features: Array) -> Array:
    """Return the columns with mean 0 and standard deviation 1, over all rows; a constant column becomes 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        # The mean of equal numbers is rounded, so their standard deviation need not be 0.
        constant = np.ptp(features, axis=0) == 0
        deviation = np.where(constant, 1, features.std(axis=0))
    if not (np.isfinite(deviation) & (deviation > 0)).all():
        raise UsageError("a column of x is too large or too small to be standardised; scale it first and save it again")
    return np.where(constant, 0, (features - features.mean(axis=0)) / deviation)


def _normal_start(d: int, hidden: int, classes: int, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.standard_normal((d, hidden)),
        "b1": np.zeros(hidden),
        "W2": rng.standard_normal((hidden, classes)),
        "b2": np.zeros(classes),
    }


def _scaled_problem(asked: Asked, x: Array, y: Array, hidden: int, n: int, classes: int) -> Problem:
    """Return a problem whose start is scaled by the fan-in (He et al. 2015), and its rate by the summed batch."""
    d, seed = x.shape[1], asked[2]
    start = _normal_start(d, hidden, classes, seed)
    start["W1"] *= np.sqrt(2 / d)
    start["W2"] *= np.sqrt(2 / hidden)
    return _problem(asked, x, y, n, start, 0.1 / n, 100)


def _problem(
    asked: Asked, x: Array, y: Array, n: int, start: Arrays, rate: float, wanted_steps: int, split: int = 0
) -> Problem:
    """Return the problem with its rows shuffled by `split`, whatever the seed of the start; the first n train."""
    (d, hidden), classes = start["W1"].shape, start["b2"].size
    order = np.random.default_rng(split).permutation(len(x))
    x, y = x[order], y[order].astype(np.int64)
    arrays = [start, {"x": x[:n], "y": y[:n]}, {"x": x[n:], "y": y[n:]}]
    flops, moved = 2.0 * n * hidden * (2 * d + 3 * classes), n * d + 2 * sum(p.size for p in start.values())
    return posed("mlp", asked, arrays, rate, wanted_steps, flops, moved)
