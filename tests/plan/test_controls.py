"""Each kind of resources has a control of its own, which is a second copy of a backend that can run there."""

import pytest

from bench.plan.entrants import entrants
from bench.plan.selection import Selection

PROBLEMS = ["factorisation/24x6r2"]


def controls(backends: list[str], devices: list[str], **selected: object) -> list[tuple[str, str]]:
    """Return label and backend of every control."""
    entering = entrants(Selection(backends, PROBLEMS, devices, **selected))
    return [(e.label, e.backend) for e in entering if e.control]


def test_each_device_has_a_control_of_its_own():
    """How far identical code strays on a CPU says nothing of a GPU."""
    found = controls(["numpy", "jax-scan"], ["cpu", "cuda"])
    assert found == [("control", "numpy"), ("control@cuda", "jax-scan")]


@pytest.mark.parametrize(
    ("backends", "device", "twice"),
    [
        (["numpy", "torch-eager"], "cuda", "torch-eager"),
        (["numpy-inplace", "torch-eager"], "cpu", "numpy-inplace"),
        (["numpy-inplace", "numpy"], "cpu", "numpy"),
        (["numpy"], "cuda", "numpy"),
    ],
)
def test_the_control_can_run_there_where_any_backend_can(backends: list[str], device: str, twice: str):
    assert [backend for _, backend in controls(backends, [device])] == [twice]


def test_where_nothing_is_timed_there_is_no_control():
    assert controls(["numpy"], ["cpu"], generations=0) == []
