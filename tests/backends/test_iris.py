"""The lab report's numbers come out the same whoever computes: its error to the last digits, its accuracies exactly."""

import numpy as np
import pytest

import backends
from bench.workloads import WORKLOADS, pose
from tests.conftest import loaded

DIGITS = {"float32": 6, "float64": 12}
"""Significant figures of the reconstruction error that all backends share."""

NUMPY = "numpy"
OTHERS = [name for name in backends.on("cpu") if name != NUMPY]


def qualities(name: str, problem: str, dtype: str, seeds: range) -> list[dict[str, float]]:
    """Return what the whole descent from each start came to."""
    backend, first = loaded(name, "cpu", dtype), pose(problem, dtype)
    train, found = backend.trainer(first, first.num_steps), []
    for seed in seeds:
        posed = pose(problem, dtype, seed)
        params, _ = backend.get(backend.wait(train(backend.put(posed.params), backend.put(posed.batch))))
        found.append(WORKLOADS[posed.workload].quality(posed, params))
    return found


@pytest.mark.parametrize(
    ("name", "dtype"), [(n, d) for n in OTHERS for d in DIGITS if d == "float32" or not backends.MODES[n].is_twin]
)
def test_the_reconstruction_error_is_the_references_to_its_last_digits(name: str, dtype: str):
    ours, theirs = (qualities(n, "factorisation/iris", dtype, range(1))[0] for n in (name, NUMPY))
    ours, theirs = ours["reconstruction_error"], theirs["reconstruction_error"]
    assert np.format_float_scientific(ours, DIGITS[dtype] - 1, unique=False) == np.format_float_scientific(
        theirs, DIGITS[dtype] - 1, unique=False
    )


@pytest.mark.parametrize("name", OTHERS)
def test_the_accuracies_of_all_eight_starts_are_the_references(name: str):
    ours, theirs = (qualities(n, "mlp/iris", "float32", range(8)) for n in (name, NUMPY))
    assert ours == theirs
    assert len({tuple(q.values()) for q in ours}) > 1, "the start matters, or this could not tell starts apart"
