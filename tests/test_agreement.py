"""The gates let the honest pass and reject every wrong answer, each by a backend that really gives it."""

import itertools
import time
from types import SimpleNamespace

import numpy as np
import pytest

import backends
from bench.agreement import answers, checks
from bench.agreement.answers import operations
from bench.agreement.reference import Reference, distance, distances
from bench.workloads import WORKLOADS, pose
from tests.conftest import SMALL
from tests.faults import backends as faulty

REFERENCES: dict[tuple[str, str], Reference] = {}


def judged(backend, problem="factorisation", dtype="float32"):
    """(names of the gates that failed, the cell's word)."""
    posed = pose(SMALL.get(problem, problem), dtype)
    reference = REFERENCES.setdefault((posed.name, dtype), Reference(posed))
    given = answers.testify(
        backend, operations(backend, posed), posed, reference.halfway, reference.decoy, reference.others
    )
    found = checks.judge(reference, given)
    return [gate.name for gate in found if not gate.passed], checks.outcome(found).status


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", [*SMALL, "factorisation/iris", "mlp/iris"])
def test_the_honest_pass(problem, dtype):
    assert judged(faulty.Wrong(dtype=dtype), problem, dtype) == ([], "ok")


BY_NORM = "gradient at the start, by norm"


@pytest.mark.parametrize("problem", SMALL)
@pytest.mark.parametrize(
    ("wrong", "dtype", "gate"),
    [
        pytest.param(faulty.AllZero, "float32", BY_NORM, id="all_zero"),
        pytest.param(faulty.SignFlipped, "float32", BY_NORM, id="sign_flipped"),
        pytest.param(faulty.OnePercentShort, "float32", BY_NORM, id="one_percent_short"),
        pytest.param(faulty.AThousandthLong, "float64", BY_NORM, id="a_thousandth_long"),
        pytest.param(faulty.OneElementMissing, "float32", BY_NORM, id="one_element_missing"),
        pytest.param(faulty.Float32Upcast, "float64", BY_NORM, id="float32_upcast"),
        pytest.param(faulty.NanInOnePlace, "float32", "form", id="nan_in_one_place"),
        pytest.param(faulty.Infinite, "float32", "form", id="infinite"),
        pytest.param(faulty.OtherDtype, "float64", "form", id="float32_for_float64"),
        pytest.param(faulty.ShapeThatBroadcasts, "float32", "form", id="shape_that_broadcasts"),
        pytest.param(faulty.ScalarForArray, "float32", "form", id="scalar_for_array"),
        pytest.param(faulty.Empty, "float32", "form", id="empty"),
    ],
)
def test_a_wrong_gradient_is_rejected(wrong, dtype, gate, problem):
    failed, word = judged(wrong(dtype=dtype), problem, dtype)
    assert gate in failed
    assert word == "disagrees"


EXACT = {"one column": [[1.0], [2.0]], "rank one": np.outer(np.arange(1.0, 9), [1, 2, 3])}
"""Matrices that are factorised exactly: the loss of the float64 descent ends on 0, and on 6e-29."""


@pytest.mark.parametrize("matrix", EXACT)
def test_where_the_loss_ends_on_nothing_the_honest_pass_and_the_wrong_do_not(tmp_path, matrix):
    np.save(tmp_path / "m.npy", EXACT[matrix])
    problem = f"factorisation/{tmp_path}/m.npy:r1"
    assert judged(faulty.Wrong(), problem) == ([], "ok")
    assert "trajectory" in judged(faulty.DropsAStep(), problem)[0]


@pytest.mark.parametrize("matrix", EXACT)
def test_where_the_loss_ends_on_nothing_a_timed_call_is_still_held_to_its_end(tmp_path, matrix):
    np.save(tmp_path / "m.npy", EXACT[matrix])
    problem = pose(f"factorisation/{tmp_path}/m.npy:r1")
    reference = Reference(problem)
    params, losses = backends.load("numpy").trainer(problem, problem.timed_steps)(problem.params, problem.batch)
    loss, far = float(losses[-1]), distance(params, problem.params)
    assert checks.timed_call_agrees(reference, "train", loss, far)
    assert not checks.timed_call_agrees(reference, "train", loss, 0.9 * far)
    assert not checks.timed_call_agrees(reference, "train", float(losses[0]), far)


def test_what_disagrees_says_in_what_and_by_how_much():
    posed, backend = pose(SMALL["factorisation"]), faulty.DropsAStep()
    reference = Reference(posed)
    given = answers.testify(backend, operations(backend, posed), posed, reference.halfway, reference.decoy, [])
    found = [gate for gate in checks.judge(reference, given) if not gate.passed]
    assert {"trajectory", "trajectory of a decoy"} <= {gate.name for gate in found}
    for gate in found:
        reason = checks.outcome([gate]).reason
        assert reason.startswith(f"{gate.name}: ")
        assert "the same" not in reason
        assert f"off by {gate.error:.2g}, where {gate.tolerance:.2g} is allowed" in reason


def ending(change):
    class Ending(faulty.Wrong):
        def trainer(self, problem, num_steps):
            right = self._backend.trainer(problem, num_steps)
            return lambda params, batch: change(self._backend, problem, num_steps, *right(params, batch))

    return Ending


@pytest.mark.parametrize(
    ("wrong", "gate"),
    [
        (faulty.Stale, "gradient at the start, by norm"),
        (faulty.Foreseen, "gradient of a decoy"),
        (faulty.Meddling, "arguments untouched"),
        (faulty.OneBuffer, "outputs kept"),
        (faulty.Lazy, "waits"),
        (faulty.QuicklyLazy, "waits"),
        (faulty.LazyInPart, "waits"),
        (faulty.Nondeterministic, "repeatable"),
        (faulty.DropsAStep, "trajectory"),
        (ending(lambda b, p, n, params, losses: (params, losses[::-1].copy())), "trajectory"),
        (ending(lambda b, p, n, params, losses: (params, losses[1:])), "form"),
        (ending(lambda b, p, n, params, losses: ({"U": params["U"]}, losses)), "form"),
        (ending(lambda b, p, n, params, losses: (b.trainer(p, 5)(params, p.batch)[0], losses)), "trained params"),
    ],
    ids=[
        "stale",
        "foreseen",
        "meddling",
        "one_buffer",
        "lazy",
        "quickly_lazy",
        "lazy_in_part",
        "nondeterministic",
        "drops_a_step",
        "reordered",
        "merged",
        "missing_key",
        "too_far",
    ],
)
def test_a_wrong_manner_is_rejected(wrong, gate):
    failed, word = judged(wrong())
    assert gate in failed
    assert word == "disagrees"


@pytest.mark.parametrize(
    ("wait", "fetch", "copy", "waits"),
    [
        (10.0, 0.9, 0.0, True),
        (10.0, 1.1, 0.0, False),
        (0.3, 0.35, 0.15, True),  # of JAX, which takes its time over a copy
        (0.3, 0.35, 0.1, False),
        (0.0002, 0.01, 0.0002, False),
    ],
)
def test_a_fetch_may_take_a_tenth_of_its_call_or_three_copies(wait, fetch, copy, waits):
    seconds = answers.Seconds(*(ms / 1e3 for ms in (wait, fetch, copy)))
    assert (checks._laziness(SimpleNamespace(seconds={"train": seconds}), "train") <= 1) == waits


def meddling(right):
    def call(params, batch):
        output = right(params, batch)
        next(iter(params.values()))[...] *= np.float32(2)
        return output

    return call


def one_buffer(right):
    kept = {}

    def call(params, batch):
        loss, grads = right(params, batch)
        for key, g in grads.items():
            np.copyto(kept.setdefault(key, np.empty_like(g)), g)
        return loss, kept

    return call


def lazy(right):
    """As `faulty.Lazy` has it."""
    return lambda params, batch: (lambda: (time.sleep(0.05), right(params, batch))[1],)


def unsteady(right):
    """Never the same at the next call but one."""
    errors = itertools.cycle(np.float32([1, 1, 1 + 1e-7, 1 + 1e-7]))
    return lambda params, batch: right(params, batch) * next(errors)


@pytest.mark.parametrize(
    ("operation", "change", "gate"),
    [
        ("loss", meddling, "arguments untouched"),
        ("value_and_grad", meddling, "arguments untouched"),
        ("value_and_grad", one_buffer, "outputs kept"),
        ("loss", lazy, "waits"),
        ("value_and_grad", lazy, "waits"),
        ("loss", unsteady, "repeatable"),
    ],
)
def test_a_wrong_manner_is_rejected_in_what_is_timed_beside_training(operation, change, gate):
    class Elsewhere(faulty.Lazy):
        def trainer(self, problem, num_steps):
            return self._backend.trainer(problem, num_steps)

    setattr(Elsewhere, operation, lambda self, problem: change(getattr(self._backend, operation)(problem)))
    failed, word = judged(Elsewhere())
    assert gate in failed
    assert word == "disagrees"


def test_one_buffer_is_found_where_a_start_has_two_rows():
    """In another order they must be another start."""
    assert "outputs kept" in judged(faulty.OneBuffer(), "factorisation/2x2r1")[0]


def test_wrong_when_large_is_caught_on_the_large():
    assert judged(faulty.WrongWhenLarge())[1] == "ok"
    assert "gradient at the start, by norm" in judged(faulty.WrongWhenLarge(), "factorisation/200x60r3")[0]


def test_an_end_state_is_told_of_the_start_that_is_worst():
    reference = Reference(pose("factorisation/iris"))
    right = [{key: p.copy() for key, p in params.items()} for params in reference.trained]
    right[5]["U"][:] = 0
    _, _, what = WORKLOADS["factorisation"].end_state(reference, right)
    assert what.startswith(
        f"reconstruction error {np.sum(reference.problem.batch['A'].astype(float) ** 2):.8g} against "
    )


def test_an_error_below_the_least_possible_is_a_bug(monkeypatch):
    reference = Reference(pose("factorisation/iris"))
    backend = faulty.Wrong()
    given = answers.testify(
        backend,
        operations(backend, reference.problem),
        reference.problem,
        reference.halfway,
        reference.decoy,
        reference.others,
    )
    monkeypatch.setitem(reference.__dict__, "oracle", 16.0)
    end = next(gate for gate in checks.judge(reference, given) if gate.name == "end state")
    assert not end.passed
    assert "below the least possible" in end.what


def test_a_descent_that_blows_up_is_called_diverged():
    blown = pose("factorisation/12x8r2").replace(learning_rate=1e6)
    backend = faulty.Wrong()
    steady = Reference(pose("factorisation/12x8r2"))
    with np.errstate(all="ignore"):
        given = answers.testify(backend, operations(backend, blown), blown, steady.halfway, steady.decoy, [])
        assert checks.outcome(checks.judge(steady, given)).status == "diverged"


def test_a_branch_that_only_some_of_the_nudged_starts_take_is_allowed_for():
    """Nine of the first sixteen take it, but none of the first three."""
    assert Reference(pose("mlp/300x50-32-10")).tolerance("trained params") > 2e-4


@pytest.mark.parametrize("problem", ["factorisation/iris", "factorisation/1000x100r10", "mlp/iris"])
def test_no_gate_stands_open(problem):
    """Where a descent has converged, rounding is as large as the gradient: there an answer of zero would pass."""
    reference = Reference(pose(problem))
    gated = distances(reference.truth, reference.truth)
    assert max(reference.tolerance(gate) for gate in gated) < 0.05


def test_a_kink_halfway_is_allowed_for():
    """One pre-activation so near to 0 there that another order of summing takes the other side of the relu."""

    def allowed(off_zero: float) -> float:
        reference = Reference(pose("mlp/iris"))
        there, x = {key: p.copy() for key, p in reference.halfway.items()}, reference.problem.batch["x"]
        there["b1"][0] += off_zero - (x[0] @ there["W1"][:, 0] + there["b1"][0])
        reference.__dict__["halfway"] = there
        return reference.tolerance("gradient halfway, by norm")

    assert allowed(off_zero=1e-8) > 10 * allowed(off_zero=1e-3)
