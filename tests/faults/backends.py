"""Backends whose answers are wrong, each in one way: named `tests.faults.backends:NAME`, they race like any other.

Every name is a factory `(device, dtype)`.  Most are the numpy backend with one method replaced.
"""

import os
import time

import numpy as np

import backends


class Wrong:
    """It is the numpy backend, but for what a subclass does to its answers."""

    def __init__(self, device="cpu", dtype="float32"):
        self._backend = backends.load("numpy", "cpu", dtype)

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def value_and_grad(self, problem):
        right, kept = self._backend.value_and_grad(problem), []
        return lambda params, batch: self.answer(kept, batch, *right(params, batch))

    def answer(self, kept, batch, loss, grads):
        """Return the loss and the gradient; `kept` is a list that lasts from call to call."""
        return loss, {key: self.spoil(key, g.copy()) for key, g in grads.items()}

    def spoil(self, key, gradient):
        return gradient


# Gradients and losses.


def spoiling(spoil):
    return type("Spoiling", (Wrong,), {"spoil": staticmethod(spoil)})


def with_one(value):
    def spoil(key, g):
        g.flat[0] = value
        return g

    return spoil


AllZero = spoiling(lambda key, g: 0 * g)
SignFlipped = spoiling(lambda key, g: -g)
OnePercentShort = spoiling(lambda key, g: g * np.float32(0.99))
AThousandthLong = spoiling(lambda key, g: g * 1.001)
OneElementMissing = spoiling(with_one(0))
Float32Upcast = spoiling(lambda key, g: g.astype("float32").astype("float64"))
NanInOnePlace = spoiling(with_one(np.nan))
NanInTheSamePlace = spoiling(with_one(np.nan))  # two that are wrong alike must not vouch for each other
Infinite = spoiling(lambda key, g: g * np.inf)
OtherDtype = spoiling(lambda key, g: g.astype("float32" if g.dtype == "float64" else "float64"))
ShapeThatBroadcasts = spoiling(lambda key, g: g[:1])
ScalarForArray = spoiling(lambda key, g: g.sum())
Empty = spoiling(lambda key, g: g[:0])


class Stale(Wrong):
    """It gives the gradient of the first call, beside the right loss."""

    def answer(self, kept, batch, loss, grads):
        kept.append(grads)
        return loss, kept[0]


class StaleValue(Wrong):
    """It gives the loss of the first call, beside the right gradient."""

    def answer(self, kept, batch, loss, grads):
        kept.append(loss)
        return kept[0], grads


class MeanBesideTheGradient(Wrong):
    """It gives the mean, where the sum is asked for."""

    def answer(self, kept, batch, loss, grads):
        return loss / np.float32(len(next(iter(batch.values())))), grads


class WrongWhenLarge(Wrong):
    def answer(self, kept, batch, loss, grads):
        factor = np.float32(0.99 if batch["A"].size > 10_000 else 1)
        return loss, {key: g * factor for key, g in grads.items()}


class Foreseen(Wrong):
    """It answers before it is called."""

    def value_and_grad(self, problem):
        answer = self._backend.value_and_grad(problem)(problem.params, problem.batch)
        return lambda params, batch: answer


class RemembersByShape(Wrong):
    """It keeps a loss for the shapes of what it was given."""

    def loss(self, problem):
        right, kept = self._backend.loss(problem), {}

        def loss(params, batch):
            key = self.key(params, batch)
            if key not in kept:
                kept[key] = right(params, batch), batch  # the batch is kept, so that its id is given to no other
            return kept[key][0]

        return loss

    def key(self, params, batch):
        return tuple(a.shape for a in params.values())


class RemembersTheBatch(RemembersByShape):
    """It keeps a loss for the batch it was asked of."""

    def key(self, params, batch):
        return id(batch["A"])


# Descents.


class Training(Wrong):
    """`train(right, params, batch)` takes the place of the right descent."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps)
        return lambda params, batch: self.train(right, params, batch)

    def train(self, right, params, batch):
        return right(params, batch)


class OneBuffer(Wrong):
    """It gives the same arrays at every call, filled anew."""

    def trainer(self, problem, num_steps):
        right, kept = self._backend.trainer(problem, num_steps), {}

        def train(params, batch):
            trained, losses = right(params, batch)
            for key, array in (trained | {"losses": losses}).items():
                np.copyto(kept.setdefault(key, np.empty_like(array)), array)
            return {key: kept[key] for key in trained}, kept["losses"]

        return train


class Meddling(Training):
    """It changes the parameters that it was given."""

    def train(self, right, params, batch):
        out = right(params, batch)
        next(iter(params.values()))[...] *= np.float32(2)
        return out


class Lazy(Wrong):
    """Its `wait` does not wait: `get` does the work."""

    more_work = 0.05

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps)
        return lambda params, batch: (lambda: (time.sleep(self.more_work), right(params, batch))[1],)

    def wait(self, tree):
        return Pending(tree[0]) if isinstance(tree, tuple) and callable(tree[0]) else tree

    def get(self, tree):
        return tree.result if isinstance(tree, Pending) else tree


class QuicklyLazy(Lazy):
    more_work = 0.0


class LazyInPart(Lazy):
    """It leaves a third of the work to `get`."""

    def wait(self, tree):
        there = super().wait(tree)
        if isinstance(there, Pending):
            time.sleep(2 * self.more_work)
        return there


class LazyGradient(Wrong):
    """It leaves microseconds of work to `get`."""

    def value_and_grad(self, problem):
        right = self._backend.value_and_grad(problem)
        return lambda params, batch: Pending(lambda: right(params, batch))

    def get(self, tree):
        return tree.result if isinstance(tree, Pending) else tree


class Pending:
    def __init__(self, work):
        self._work = work

    @property
    def result(self):
        return self._work()

    def __iter__(self):
        return iter(self.result)


class Nondeterministic(Wrong):
    """Its last digit is drawn."""

    def trainer(self, problem, num_steps):
        right, rng = self._backend.trainer(problem, num_steps), np.random.default_rng(0)

        def drawn(p):
            return p * (1 + np.float32(1e-7) * rng.integers(-1, 2, p.shape, np.int8))

        def train(params, batch):
            trained, losses = right(params, batch)
            return {key: drawn(p) for key, p in trained.items()}, losses

        return train


class DropsAStep(Wrong):
    """It takes a step that it says nothing of."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps + 1)

        def train(params, batch):
            trained, losses = right(params, batch)
            return trained, np.delete(losses, 1)

        return train


class Diverging(Wrong):
    """It takes steps a thousand times too long."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem.replace(learning_rate=1000 * problem.learning_rate), num_steps)

        def train(params, batch):
            with np.errstate(all="ignore"):
                return right(params, batch)

        return train


# What `bench.agree --conformance` alone tries.


class AliasesWhatItIsGiven(Wrong):
    def put(self, arrays):
        return dict(arrays)


class LosesPayloads(Wrong):
    """It makes every NaN the plain one."""

    def put(self, arrays):
        floats = {key: a for key, a in arrays.items() if a.dtype.kind == "f"}
        return dict(arrays) | {key: np.where(np.isnan(a), a.dtype.type(np.nan), a) for key, a in floats.items()}


class MakesListsOfTuples(Wrong):
    def get(self, tree):
        return list(tree) if isinstance(tree, tuple) and isinstance(tree[0], dict) and set(tree[0]) == {"a"} else tree


class WrongWhenShort(Wrong):
    """Its descent of one step takes two."""

    def trainer(self, problem, num_steps):
        if num_steps > 1:
            return self._backend.trainer(problem, num_steps)
        longer = self._backend.trainer(problem, 2)
        return lambda params, batch: (lambda params, losses: (params, losses[:1]))(*longer(params, batch))


class NeverQuiteStill(Wrong):
    """It moves by a rounding where it should not move."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps)
        if problem.learning_rate:
            return right

        def train(params, batch):
            trained, losses = right(params, batch)
            return {key: np.nextafter(p, p.dtype.type(1)) for key, p in trained.items()}, losses

        return train


# A process that says much and ends.


class Babbling(Training):
    """It prints ten megabytes, then bytes that are no text, and ends."""

    def train(self, right, params, batch):
        os.write(1, b"talk " * 2_000_000)
        os.write(1, b"\xff\xfe\x00\x1b[31m last words")
        os.abort()
