"""Real data, offline: Iris as the UCI repository distributes it, Digits, and a person's own files."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import psutil

from bench.errors import UsageError
from bench.problem import Array

LARGEST = 2**32
"""Bytes; one message holds no array of as many."""


@cache
def iris() -> tuple[Array, Array]:
    """150 x 4 measurements in cm and 150 labels, with the two rows in which UCI differs from Fisher.

    Source of the difference: UCI's own note on its file; rows 35 and 38, counting from 1.
    """
    from sklearn.datasets import load_iris

    features, labels = load_iris(return_X_y=True)
    features = features.copy()
    features[34] = [4.9, 3.1, 1.5, 0.1]
    features[37] = [4.9, 3.1, 1.5, 0.1]
    return features, labels


@cache
def digits() -> tuple[Array, Array]:
    """1797 images of 8 x 8 as rows of 64 values in [0, 1], and their 1797 labels."""
    from sklearn.datasets import load_digits

    features, labels = load_digits(return_X_y=True)
    return features / 16, labels


def check_fits(what: str, arrays: Sequence[tuple[int, int]], besides: Sequence[tuple[int, int]]) -> None:
    """UsageError unless arrays of these shapes, in float64, can be sent to a worker, and kept here in three copies.

    `besides`: what is only computed; it needs room as the arrays do.
    """
    sent, computed = ([8 * rows * columns for rows, columns in shapes] for shapes in (arrays, besides))
    if max(sent) >= LARGEST:
        raise UsageError(
            f"{what!r} has a matrix of {max(sent) / 2**30:.3g} GiB, and 4 is too much; choose a smaller size"
        )
    needed, there = 3 * (sum(sent) + sum(computed)), psutil.virtual_memory().total
    if needed > there:
        raise UsageError(
            f"{what!r} needs {needed / 2**30:.3g} GiB, and this machine has {there / 2**30:.3g}; choose a smaller size"
        )


def matrix_file(path: str) -> Array:
    """The finite float64 matrix in a .npy or .csv file (a header line is allowed)."""
    return _finite_matrix(_read(path, (".npy", ".csv")), path)


NUMBERED = "as np.unique(y, return_inverse=True)[1] does"


def labelled_file(path: str) -> tuple[Array, Array]:
    """Features `x` [n, d], finite numbers, and labels `y` [n] of an .npz file.

    `y` has an integer dtype and holds each of 0, 1, ..., k-1 at least once, with k >= 2.
    """
    arrays = _read(path, (".npz",))
    if not {"x", "y"} <= set(arrays):
        raise UsageError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; save it by np.savez(path, x=features, y=labels)"
        )
    x, y = _finite_matrix(arrays["x"], f"x in {path}"), np.asarray(arrays["y"])
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise UsageError(
            f"y in {path} has shape {y.shape} and dtype {y.dtype}; it must be one integer for each of the {len(x)} rows of x,"
            f" {NUMBERED}"
        )
    classes = np.unique(y)
    if len(classes) < 2:
        raise UsageError(f"y in {path} has only one class; give examples of two or more")
    if not np.array_equal(classes, np.arange(len(classes))):
        raise UsageError(
            f"y in {path} has {len(classes)} classes from {classes[0]} to {classes[-1]}; number the classes"
            f" 0 to {len(classes) - 1} without a gap, {NUMBERED}"
        )
    return x, y.astype(np.int64)


def _read(path: str, suffixes: tuple[str, ...]):
    if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
        raise UsageError(f"there is no file {path}; give the path of a {' or '.join(suffixes)} file")
    if Path(path).suffix not in suffixes:
        raise UsageError(f"{path} is not a {' or '.join(suffixes)} file; save the data as one")
    try:
        if Path(path).suffix == ".csv":
            return _read_csv(path)
        loaded = np.load(path, allow_pickle=False)
        return dict(loaded) if path.endswith(".npz") else loaded
    except Exception as error:
        raise UsageError(
            f"{path} cannot be read as numbers ({error}); save it again as a {' or '.join(suffixes)} file of numbers{', separated by commas' if path.endswith('.csv') else ''}"
        ) from None


def _read_csv(path: str) -> Array:
    lines = [line for line in Path(path).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if not lines:
        raise ValueError("the file is empty")
    rows = lines[int(_is_header(lines[0])) :]
    if not rows:
        raise ValueError("there is a header and no row")
    return np.loadtxt(rows, delimiter=",", ndmin=2, comments=None)


def _is_header(line: str) -> bool:
    """Whether no cell of the line is a number."""

    def is_number(cell: str) -> bool:
        try:
            float(cell)
        except ValueError:
            return False
        return True

    return not any(is_number(cell) for cell in line.split(","))


def _finite_matrix(matrix: Array, what: str) -> Array:
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise UsageError(f"{what} has shape {matrix.shape}; it must be a matrix with at least one row and one column")
    if matrix.dtype.kind not in "fiu":
        raise UsageError(f"{what} has dtype {matrix.dtype}; it must hold real numbers")
    matrix = matrix.astype(np.float64)
    if not np.isfinite(matrix).all():
        raise UsageError(f"{what} holds NaN or infinite values; remove or fill them first")
    return matrix
