"""Relative errors of answers, in float64."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.agreement.answers import Answers
from bench.problem import Array, Arrays, epsilon

RESOLVED = epsilon("float32")
"""A loss below this part of its descent's largest counts as that part: an exact factorisation leaves rounding alone."""


def norm(arrays: Mapping[str, Array]) -> float:
    """Return the Euclidean norm over all entries of all arrays."""
    return float(np.sqrt(sum(np.sum(np.square(a, dtype=np.float64)) for a in arrays.values())))


def distance(arrays: Mapping[str, Array], start: Arrays) -> float:
    """Return the Euclidean distance of the arrays from the start, of a right answer the same from every turned start."""
    return norm({key: np.subtract(a, start[key], dtype=np.float64) for key, a in arrays.items()})


def distances(ours: Answers, truth: Answers) -> dict[str, float]:
    """Return the relative error of the answers, by check."""
    found = {
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
    for name, arrays in ours.start.arrays.items():
        if arrays and name != "value_and_grad" and name in truth.start.arrays:
            found[f"{name} at the start"] = _by_norm(arrays, truth.start.arrays[name])
            found[f"{name} of a decoy"] = _by_norm(ours.decoy.arrays[name], truth.decoy.arrays[name])
    return found


def _by_norm(ours: Arrays, truth: Arrays) -> float:
    """Return ||ours - truth|| / ||truth||, the worst over the arrays."""
    return max(_ratio(np.linalg.norm(_gap(ours[key], truth[key])), np.linalg.norm(truth[key])) for key in truth)


def _by_element(ours: Arrays, truth: Arrays) -> float:
    """Return max |ours - truth| / max |truth|, the worst over the arrays; it sees one wrong element of many."""
    return max(_ratio(np.abs(_gap(ours[key], truth[key])).max(), np.abs(truth[key]).max()) for key in truth)


def _losses(ours: Answers, truth: Answers) -> float:
    """Return the worst relative error of the single losses, of the problem and of the decoy."""
    most, other = truth.losses.max(), truth.decoy_losses.max()
    points = [(ours.start, truth.start, most), (ours.halfway, truth.halfway, most), (ours.decoy, truth.decoy, other)]
    return max(_steps(a.losses[name], b.losses[name], largest) for a, b, largest in points for name in a.losses)


def _steps(ours: Array, truth: Array, largest: float) -> float:
    """Return the worst relative error of losses of a descent whose `largest` loss is given."""
    return float(np.max(np.abs(_gap(ours, truth)) / np.maximum(np.abs(truth), RESOLVED * largest)))


def _gap(ours: Array, truth: Array) -> Array:
    return np.asarray(ours, np.float64) - truth


def _ratio(error: Any, size: Any) -> float:
    return float(error / size) if size else float(error)
