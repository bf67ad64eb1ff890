"""The gradients derived by hand, against what knows no calculus and against the libraries' own checkers."""

import jax
import numpy as np
import pytest
import torch
from jax.test_util import check_grads

import backends
from backends.numpy import factorisation, mlp
from bench.workloads import pose
from tests.conftest import SMALL

GRADIENTS = [
    ("factorisation", factorisation.value_and_grad_by_hand),
    ("mlp", mlp.value_and_grad_by_hand),
    ("factorisation", backends.load("backends.examples.gram:factory").value_and_grad(pose(SMALL["factorisation"]))),
]


@pytest.mark.parametrize(("workload", "value_and_grad"), GRADIENTS, ids=["factorisation", "mlp", "gram"])
def test_the_gradient_by_hand_equals_central_differences(workload, value_and_grad):
    problem, h = pose(SMALL[workload], "float64"), 1e-6
    _, grads = value_and_grad(problem.params, problem.batch)
    for key, p in problem.params.items():
        for i in range(p.size):
            ends = []
            for sign in (1, -1):
                moved = p.copy()
                moved.flat[i] += sign * h
                ends.append(value_and_grad(problem.params | {key: moved}, problem.batch)[0])
            assert grads[key].flat[i] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("workload", SMALL)
def test_torch_confirms_its_loss(workload):
    problem, backend = pose(SMALL[workload], "float64"), backends.load("torch-eager", "cpu", "float64")
    loss, batch = backend.loss(problem), backend.put(problem.batch)
    leaves = [p.requires_grad_() for p in backend.put(problem.params).values()]
    assert torch.autograd.gradcheck(lambda *ps: loss(dict(zip(problem.params, ps, strict=True)), batch), leaves)


@pytest.mark.parametrize("workload", SMALL)
def test_jax_confirms_its_loss(workload):
    problem, backend = pose(SMALL[workload], "float64"), backends.load("jax-jit", "cpu", "float64")
    loss, params, batch = backend.loss(problem), backend.put(problem.params), backend.put(problem.batch)
    # The checker passes a function that returns NaN, so finiteness comes first.
    assert all(np.isfinite(g).all() for g in jax.grad(loss)(params, batch).values())
    check_grads(lambda ps: loss(ps, batch), (params,), order=1, modes=["rev"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["torch-eager", "jax-jit"])
def test_a_saturated_softmax_stays_finite_and_agrees(name):
    problem = pose(SMALL["mlp"], "float64")
    problem = problem.replace(params={key: 1e3 * p for key, p in problem.params.items()})
    backend = backends.load(name, "cpu", "float64")
    loss, grads = backend.get(backend.value_and_grad(problem)(backend.put(problem.params), backend.put(problem.batch)))
    expected_loss, expected = mlp.value_and_grad_by_hand(problem.params, problem.batch)
    assert np.isfinite(loss)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    for key in expected:
        np.testing.assert_allclose(grads[key], expected[key], rtol=1e-10, atol=1e-8)
