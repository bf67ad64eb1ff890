"""A tolerance allows what rounding does to the reference, and nothing that a wrong answer would need."""

import numpy as np
import pytest

import backends
from bench.agreement import checks
from bench.agreement.distances import distance, distances
from bench.agreement.reference import Reference
from bench.workloads import pose
from tests.agreement.judging import failed, reference
from tests.faults import backends as faulty

EXACT = {"one column": [[1.0], [2.0]], "rank one": np.outer(np.arange(1.0, 9), [1, 2, 3])}
"""Matrices that are factorised exactly: the loss of the float64 descent ends on 0, and on 6e-29."""


@pytest.fixture(params=EXACT)
def exact(request, tmp_path) -> str:
    """Return a problem whose loss ends on what rounding left."""
    np.save(tmp_path / "m.npy", EXACT[request.param])
    return f"factorisation/{tmp_path}/m.npy:r1"


def test_where_the_loss_ends_on_nothing_honest_backends_pass_and_wrong_ones_do_not(exact):
    assert failed(faulty.Wrong(), exact) == []
    assert "trajectory" in failed(faulty.DropsAStep(), exact)


def test_where_the_loss_ends_on_nothing_a_timed_call_is_still_held_to_its_end(exact):
    of = reference(exact)
    problem = of.problem
    params, losses = backends.load("numpy").trainer(problem, problem.timed_steps)(problem.params, problem.batch)
    loss, far = float(losses[-1]), distance(params, problem.params)
    assert checks.timed_call_agrees(of, "train", loss, far)
    assert not checks.timed_call_agrees(of, "train", loss, 0.9 * far)
    assert not checks.timed_call_agrees(of, "train", float(losses[0]), far)


def test_a_branch_that_only_some_of_the_nudged_starts_take_is_allowed_for():
    """Nine of the first sixteen take it, but none of the first three."""
    assert reference("mlp/300x50-32-10").tolerance("trained params") > 2e-4


@pytest.mark.parametrize("problem", ["factorisation/iris", "factorisation/1000x100r10", "mlp/iris"])
def test_no_check_stands_open(problem):
    """Where a descent has converged, rounding is as large as the gradient: there an answer of zero would pass."""
    of = reference(problem)
    compared = distances(of.truth, of.truth)
    assert max(of.tolerance(check) for check in compared) < 0.05


def test_a_kink_halfway_is_allowed_for():
    """One pre-activation lies so near to 0 there that another order of summing takes the other side of the relu."""

    def allowed(off_zero: float) -> float:
        of = Reference(pose("mlp/iris"))
        there, x = {key: p.copy() for key, p in of.halfway.params.items()}, of.problem.batch["x"]
        there["b1"][0] += off_zero - (x[0] @ there["W1"][:, 0] + there["b1"][0])
        of.__dict__["halfway"] = of.problem.replace(params=there)
        return of.tolerance("gradient halfway, by norm")

    assert allowed(off_zero=1e-8) > 10 * allowed(off_zero=1e-3)
