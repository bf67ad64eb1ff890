"""The gates let the honest pass and reject every wrong answer, each by a backend that really gives it."""

import numpy as np
import pytest

from bench.agree import Reference, evidence, gates, judge
from bench.agree.evidence import operations
from bench.workloads import pose
from tests.outsiders import Lazy, Outsider

SMALL = {"factorisation": "factorisation/12x8r2", "mlp": "mlp/24x5-6-3"}
REFERENCES: dict[tuple[str, str], Reference] = {}


class Wrong(Outsider):
    """The numpy backend, but for what a subclass does to its answers."""

    def value_and_grad(self, problem):
        right = self._backend.value_and_grad(problem)

        def value_and_grad(params, batch):
            loss, grads = right(params, batch)
            return loss, {key: self.spoil(key, g.copy()) for key, g in grads.items()}

        return value_and_grad

    def spoil(self, key, gradient):
        return gradient


def judged(backend, problem="factorisation", dtype="float32"):
    """(names of the gates that failed, the cell's word)."""
    posed = pose(SMALL.get(problem, problem), dtype)
    reference = REFERENCES.setdefault((posed.name, dtype), Reference(posed))
    given = evidence.testify(
        backend, operations(backend, posed), posed, reference.end, reference.decoy, reference.others
    )
    found = judge(reference, given)
    return [gate.name for gate in found if not gate.passed], gates.outcome(found).word


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", [*SMALL, "factorisation/iris", "mlp/iris"])
def test_the_honest_pass(problem, dtype):
    assert judged(Wrong(dtype=dtype), problem, dtype) == ([], "ok")


def spoiling(name, dtype="float32", gate="gradient at the start, by norm"):
    return lambda spoil: pytest.param(type(name, (Wrong,), {"spoil": staticmethod(spoil)}), dtype, gate, id=name)


def with_one(value):
    def spoil(key, g):
        g.flat[0] = value
        return g

    return spoil


@pytest.mark.parametrize("problem", SMALL)
@pytest.mark.parametrize(
    ("wrong", "dtype", "gate"),
    [
        spoiling("all_zero")(lambda key, g: 0 * g),
        spoiling("sign_flipped")(lambda key, g: -g),
        spoiling("one_percent_short")(lambda key, g: g * np.float32(0.99)),
        spoiling("a_thousandth_long", "float64")(lambda key, g: g * 1.001),
        spoiling("one_element_missing")(with_one(0)),
        spoiling("float32_upcast", "float64")(lambda key, g: g.astype("float32").astype("float64")),
        spoiling("nan_in_one_place", gate="form")(with_one(np.nan)),
        spoiling("infinite", gate="form")(lambda key, g: g * np.inf),
        spoiling("float32_for_float64", "float64", "form")(lambda key, g: g.astype("float32")),
        spoiling("shape_that_broadcasts", gate="form")(lambda key, g: g[:1]),
        spoiling("scalar_for_array", gate="form")(lambda key, g: g.sum()),
        spoiling("empty", gate="form")(lambda key, g: g[:0]),
    ],
)
def test_a_wrong_gradient_is_rejected(wrong, dtype, gate, problem):
    failed, word = judged(wrong(dtype=dtype), problem, dtype)
    assert gate in failed
    assert word == "disagrees"


class Stale(Wrong):
    def value_and_grad(self, problem):
        right, kept = self._backend.value_and_grad(problem), []

        def value_and_grad(params, batch):
            kept.append(right(params, batch))
            return kept[0]

        return value_and_grad


class Foreseen(Wrong):
    def value_and_grad(self, problem):
        answer = self._backend.value_and_grad(problem)(problem.params, problem.batch)
        return lambda params, batch: answer


class Meddling(Wrong):
    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps)

        def train(params, batch):
            out = right(params, batch)
            next(iter(params.values()))[...] *= np.float32(2)
            return out

        return train


class Nondeterministic(Wrong):
    def trainer(self, problem, num_steps):
        right, rng = self._backend.trainer(problem, num_steps), np.random.default_rng(0)

        def train(params, batch):
            params, losses = right(params, batch)
            return {
                k: p * (1 + np.float32(1e-7) * rng.integers(-1, 2, p.shape, np.int8)) for k, p in params.items()
            }, losses

        return train


def ending(change):
    class Ending(Wrong):
        def trainer(self, problem, num_steps):
            right = self._backend.trainer(problem, num_steps)
            return lambda params, batch: change(self._backend, problem, num_steps, *right(params, batch))

    return Ending


class DropsAStep(Wrong):
    """Takes a step that it says nothing of."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps + 1)

        def train(params, batch):
            params, losses = right(params, batch)
            return params, np.delete(losses, 1)

        return train


class WrongWhenLarge(Wrong):
    def value_and_grad(self, problem):
        large = problem.batch["A"].size > 10_000
        right = self._backend.value_and_grad(problem)

        def value_and_grad(params, batch):
            loss, grads = right(params, batch)
            return loss, {key: g * np.float32(0.99 if large else 1) for key, g in grads.items()}

        return value_and_grad


@pytest.mark.parametrize(
    ("wrong", "gate"),
    [
        (Stale, "gradient at the start, by norm"),
        (Foreseen, "gradient of a decoy"),
        (Meddling, "arguments untouched"),
        (Lazy, "waits"),
        (Nondeterministic, "repeatable"),
        (DropsAStep, "trajectory"),
        (ending(lambda b, p, n, params, losses: (params, losses[::-1].copy())), "trajectory"),
        (ending(lambda b, p, n, params, losses: (params, losses[1:])), "form"),
        (ending(lambda b, p, n, params, losses: ({"U": params["U"]}, losses)), "form"),
        (ending(lambda b, p, n, params, losses: (b.trainer(p, 5)(params, p.batch)[0], losses)), "trained params"),
    ],
    ids=[
        "stale",
        "foreseen",
        "meddling",
        "lazy",
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


def test_wrong_when_large_is_caught_on_the_large():
    assert judged(WrongWhenLarge())[1] == "ok"
    assert "gradient at the start, by norm" in judged(WrongWhenLarge(), "factorisation/200x60r3")[0]


def test_an_error_below_the_least_possible_is_a_bug(monkeypatch):
    reference = Reference(pose("factorisation/iris"))
    backend = Wrong()
    given = evidence.testify(
        backend,
        operations(backend, reference.problem),
        reference.problem,
        reference.end,
        reference.decoy,
        reference.others,
    )
    monkeypatch.setitem(reference.__dict__, "oracle", 16.0)
    end = next(gate for gate in judge(reference, given) if gate.name == "end state")
    assert not end.passed
    assert "below the least possible" in end.what


def test_a_descent_that_blows_up_is_called_diverged():
    blown = pose("factorisation/12x8r2").replace(learning_rate=1e6)
    backend = Wrong()
    steady = Reference(pose("factorisation/12x8r2"))
    with np.errstate(all="ignore"):
        given = evidence.testify(backend, operations(backend, blown), blown, steady.end, steady.decoy, [])
        assert gates.outcome(judge(steady, given)).word == "diverged"
