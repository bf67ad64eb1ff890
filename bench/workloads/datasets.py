"""Built-in data, offline: Iris as the UCI repository distributes it, and Digits."""

import math
from functools import cache

import psutil

from bench.errors import UsageError
from bench.problem import Array


@cache
def iris() -> tuple[Array, Array]:
    """Return 150 x 4 measurements in cm and 150 labels, with the two rows in which UCI differs from Fisher.

    UCI's own note on its file names the rows: 35 and 38, counting from 1.
    """
    from sklearn.datasets import load_iris

    features, labels = load_iris(return_X_y=True)
    features = features.copy()
    features[34] = [4.9, 3.1, 1.5, 0.1]
    features[37] = [4.9, 3.1, 1.5, 0.1]
    return features, labels


@cache
def digits() -> tuple[Array, Array]:
    """Return 1797 images of 8 x 8 as rows of 64 values in [0, 1], and their 1797 labels."""
    from sklearn.datasets import load_digits

    features, labels = load_digits(return_X_y=True)
    return features / 16, labels


def check_fits(what: str, *shapes: tuple[int, ...]) -> None:
    """Raise UsageError unless this machine's memory holds three copies of float64 arrays of these shapes."""
    needed, there = 3 * 8 * sum(map(math.prod, shapes)), psutil.virtual_memory().total
    if needed > there:
        raise UsageError(
            f"{what!r} needs {needed / 2**30:.3g} GiB, and this machine has {there / 2**30:.3g}; choose a smaller size"
        )
