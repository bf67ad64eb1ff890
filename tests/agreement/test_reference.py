"""The reference tries its own gradient before anybody is held to it, and tells what the descent is to come to."""

import numpy as np
import pytest

from bench.agreement import lab_report, reference
from bench.agreement.reference import Reference
from bench.workloads import DEFAULT_PROBLEMS, pose
from tests.agreement import judging
from tests.conftest import SMALL


@pytest.mark.parametrize("problem", [*SMALL.values(), *DEFAULT_PROBLEMS])
def test_the_reference_finds_its_own_gradient_right(problem):
    assert Reference(pose(problem)).fault == ""


@pytest.mark.parametrize("problem", SMALL.values())
@pytest.mark.parametrize("wrong", [1.001, -1, float("nan")])
def test_a_reference_that_is_wrong_says_so_and_names_the_file_to_mend(monkeypatch, problem, wrong):
    right = reference._NUMPY.value_and_grad

    def value_and_grad(posed):
        def spoilt(params, batch):
            loss, grads = right(posed)(params, batch)
            return loss, {key: wrong * g for key, g in grads.items()}

        return spoilt

    monkeypatch.setattr(type(reference._NUMPY), "value_and_grad", lambda self, posed: value_and_grad(posed))
    assert f"mend backends/numpy/{problem.partition('/')[0]}.py" in Reference(pose(problem)).fault


def test_the_other_starts_take_as_many_steps_as_the_problem():
    """A calibration poses factorisation/iris with fewer steps than by default."""
    problem = pose("factorisation/iris").replace(num_steps=200, timed_steps=200)
    assert {(p.num_steps, p.timed_steps) for p in Reference(problem).others} == {(200, 200)}


def test_iris_is_trained_from_eight_starts_and_any_other_problem_from_one():
    assert len(judging.reference("mlp/iris").trained) == 8
    assert len(judging.reference("mlp").trained) == 1


def test_the_lab_report_finds_the_learnt_factor_to_be_the_pca_scores_but_for_a_linear_map(monkeypatch):
    monkeypatch.setattr(lab_report, "SPLITS", 2)
    monkeypatch.setattr(lab_report, "STARTS", 3)
    of = judging.reference("factorisation/iris")
    found = lab_report.lab_report("numpy", of.problem, of.trained[0], of.lower_bound)
    assert found.r_squared > 0.9999
    assert max(found.principal_angles_degrees) < 1
    assert found.svd_error < found.reconstruction_error < 1.0001 * found.svd_error
    assert np.shape(found.split_accuracies) == (6, 2)
    assert all(0.6 < accuracy <= 1 for pair in found.split_accuracies for accuracy in pair)
