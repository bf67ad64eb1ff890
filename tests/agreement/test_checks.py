"""The checks let honest backends pass, and every one of them rejects a backend that is wrong in its way."""

import itertools
import time
from types import SimpleNamespace

import numpy as np
import pytest

from bench.agreement import answers, checks
from bench.workloads import WORKLOADS, pose
from bench.workloads.protocol import Allowed
from tests.agreement.judging import checked, computed, failed, reference
from tests.conftest import SMALL
from tests.faults import backends as faulty


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", [*SMALL, "factorisation/iris", "mlp/iris"])
def test_an_honest_backend_passes_every_check(problem, dtype):
    assert failed(faulty.Wrong(dtype=dtype), problem, dtype) == []


def ending(change):
    """Return a backend whose descent ends otherwise, by `change(backend, problem, params, losses)`."""

    class Ending(faulty.Wrong):
        def trainer(self, problem, num_steps):
            right = self._backend.trainer(problem, num_steps)
            return lambda params, batch: change(self._backend, problem, *right(params, batch))

    return Ending


def changed(operation, change):
    """Return a backend with one function changed, and pending results computed by `get`."""

    class Changed(faulty.Lazy):
        def trainer(self, problem, num_steps):
            return self._backend.trainer(problem, num_steps)

    setattr(Changed, operation, lambda self, problem: change(getattr(self._backend, operation)(problem)))
    return Changed


def meddling(right):
    def call(params, batch):
        output = right(params, batch)
        next(iter(params.values()))[...] += np.float32(1)
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
    return lambda params, batch: (lambda: (time.sleep(0.005), right(params, batch))[1],)


def unsteady(right):
    """Return a function that is not the same at the next call but one."""
    errors = itertools.cycle(np.float32([1, 1, 1 + 1e-7, 1 + 1e-7]))
    return lambda params, batch: right(params, batch) * next(errors)


class UnsteadyElsewhere(faulty.Wrong):
    """From any start but the problem's, the last digit of its losses is drawn: no single call that is repeated shows it."""

    def trainer(self, problem, num_steps):
        right, rng = self._backend.trainer(problem, num_steps), np.random.default_rng(0)

        def train(params, batch):
            trained, losses = right(params, batch)
            if all(np.array_equal(params[key], start) for key, start in problem.params.items()):
                return trained, losses
            return trained, losses * (1 + np.float32(1e-7) * rng.integers(0, 2, losses.shape).astype(np.float32))

        return train


def brief(wrong):
    """Return a lazy backend whose work takes less of the test's time."""
    return type(wrong.__name__, (wrong,), {"more_work": 0.005})


BY_NORM = "gradient at the start, by norm"
WRONG = {
    "all zero": (faulty.AllZero, BY_NORM),
    "sign flipped": (faulty.SignFlipped, BY_NORM),
    "one percent short": (faulty.OnePercentShort, BY_NORM),
    "one element missing": (faulty.OneElementMissing, "gradient at the start, by element"),
    "NaN in one place": (faulty.NanInOnePlace, "form"),
    "infinite": (faulty.Infinite, "form"),
    "a shape that broadcasts": (faulty.ShapeThatBroadcasts, "form"),
    "a scalar for an array": (faulty.ScalarForArray, "form"),
    "empty": (faulty.Empty, "form"),
    "a missing key": (ending(lambda b, problem, params, losses: ({"U": params["U"]}, losses)), "form"),
    "a loss left out": (ending(lambda b, problem, params, losses: (params, losses[1:])), "form"),
    "the first gradient, kept": (faulty.Stale, "gradient halfway, by norm"),
    "the first gradient, kept, by its largest entry": (faulty.Stale, "gradient halfway, by element"),
    "a gradient computed ahead": (faulty.Foreseen, "gradient of a decoy"),
    "the first loss, kept": (faulty.StaleValue, "loss"),
    "a mean for a sum": (faulty.MeanBesideTheGradient, "loss"),
    "a loss kept by the shapes": (faulty.RemembersByShape, "loss"),
    "a loss kept by the batch": (faulty.RemembersTheBatch, "loss"),
    "a step left out": (faulty.DropsAStep, "trajectory"),
    "a step left out, by the decoy": (faulty.DropsAStep, "trajectory of a decoy"),
    "losses reordered": (ending(lambda b, problem, params, losses: (params, losses[::-1].copy())), "trajectory"),
    "a descent too far": (
        ending(lambda b, problem, params, losses: (b.trainer(problem, 5)(params, problem.batch)[0], losses)),
        "trained params",
    ),
    "another end": (ending(lambda b, problem, params, losses: (problem.params, losses)), "end state"),
    "arguments changed": (faulty.Meddling, "arguments untouched"),
    "arguments of loss changed": (changed("loss", meddling), "arguments untouched"),
    "arguments of value_and_grad changed": (changed("value_and_grad", meddling), "arguments untouched"),
    "one buffer": (faulty.OneBuffer, "outputs kept"),
    "one buffer for gradients": (changed("value_and_grad", one_buffer), "outputs kept"),
    "not waited for": (brief(faulty.Lazy), "waits"),
    "not waited for, though quick": (faulty.QuicklyLazy, "waits"),
    "not waited for in part": (brief(faulty.LazyInPart), "waits"),
    "a loss not waited for": (changed("loss", lazy), "waits"),
    "a gradient not waited for": (faulty.LazyGradient, "waits"),
    "never the same": (faulty.Nondeterministic, "repeatable"),
    "a descent never the same": (UnsteadyElsewhere, "repeatable"),
    "a loss never the same": (changed("loss", unsteady), "repeatable"),
    "arrays kept that were given": (faulty.AliasesWhatItIsGiven, "put copies"),
    "NaN without its payload": (faulty.LosesPayloads, "arrays return"),
    "lists for tuples": (faulty.MakesListsOfTuples, "trees return"),
    "wrong over one step": (faulty.WrongWhenShort, "one step"),
    "never quite still": (faulty.NeverQuiteStill, "no step"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_backend_fails_the_check_that_is_there_for_it(fault):
    wrong, check = WRONG[fault]
    with np.errstate(all="ignore"):
        assert check in failed(wrong())


def test_every_check_and_every_promise_is_seen_to_reject_something():
    names = {check.name for check in checked(faulty.Wrong())}
    assert names == {check for _, check in WRONG.values()}


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (faulty.AThousandthLong, BY_NORM),
        (faulty.Float32Upcast, BY_NORM),
        (faulty.OtherDtype, "form"),
        (faulty.SignFlipped, BY_NORM),
    ],
)
@pytest.mark.parametrize("problem", SMALL)
def test_float64_is_held_to_its_own_roundings_and_dtype(wrong, check, problem):
    assert check in failed(wrong(dtype="float64"), problem, "float64")


def test_one_buffer_is_found_where_a_start_has_two_rows():
    """In another order they must be another start."""
    assert "outputs kept" in failed(faulty.OneBuffer(), "factorisation/2x2r1")


def test_an_answer_that_is_wrong_for_large_problems_alone_is_found_on_a_large_one():
    assert BY_NORM not in failed(faulty.WrongWhenLarge())
    assert BY_NORM in failed(faulty.WrongWhenLarge(), "factorisation/200x60r3")


def test_the_reason_names_the_check_and_says_by_how_much_it_failed():
    found = [check for check in checked(faulty.DropsAStep()) if not check.passed and check.tolerance]
    assert {"trajectory", "trajectory of a decoy"} <= {check.name for check in found}
    for check in found:
        outcome = checks.outcome([check])
        assert outcome.status == "disagrees"
        assert outcome.reason.startswith(f"{check.name}: {check.what}")
        assert f"off by {check.error:.2g}, where {check.tolerance:.2g} is allowed" in outcome.reason


def test_a_descent_that_blows_up_has_diverged():
    of = reference("factorisation")
    with np.errstate(all="ignore"):
        found = checks.judge(of, computed(faulty.Diverging(), of))
    assert checks.outcome(found).status == "diverged"


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
    assert (checks._left_to_get(SimpleNamespace(seconds={"train": seconds}), "train") <= 1) == waits


def iris_end(change=lambda trained: None, lower_bound=None):
    """Return the end state of the reference's own params on Iris, after `change` to a copy of them."""
    of = reference("factorisation/iris")
    ours = [{key: p.copy() for key, p in params.items()} for params in of.trained]
    change(ours)
    allowed = Allowed(1e-4, 1e-4, of.least_loss, lower_bound or of.lower_bound)
    return WORKLOADS["factorisation"].end_state(of.problem, ours, of.trained, allowed)


def test_the_end_state_is_told_of_the_start_that_is_worst():
    _, _, what = iris_end(lambda trained: trained[5]["U"].fill(0))
    squares = np.sum(pose("factorisation/iris").batch["A"].astype(float) ** 2)
    assert what.startswith(f"reconstruction error {squares:.8g} against ")


def test_an_error_below_the_least_possible_is_infinitely_wrong():
    error, tolerance, _ = iris_end()
    assert error <= tolerance
    error, _, what = iris_end(lower_bound=16.0)
    assert error == np.inf
    assert "below the least possible" in what


def test_another_operation_with_a_missing_key_fails_its_cell_and_ends_no_run():
    of = reference("factorisation")
    wrong = computed(faulty.Wrong(), of)
    wrong.start.arrays["another"] = {"U": wrong.start.grads["U"]}
    (form,) = checks.judge(of, wrong)
    assert not form.passed
    assert form.what.startswith("another at the start has the keys U instead of U, V")
