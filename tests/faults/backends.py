"""Backends that are wrong, each in one way: named `tests.faults.backends:NAME`, they race like any other.

Every name is a factory `(device, dtype)`.  Most are the numpy backend with one method replaced.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np

import backends
from bench.backend import Unsupported

NAMED = "FAULTS_TRACE"
"""The environment variable with the path at which `leaves_a_trace` leaves its trace."""


class Wrong:
    """The numpy backend, but for what a subclass does to its answers."""

    def __init__(self, device="cpu", dtype="float32"):
        self._backend = backends.load("numpy", "cpu", dtype)

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def value_and_grad(self, problem):
        right = self._backend.value_and_grad(problem)

        def value_and_grad(params, batch):
            loss, grads = right(params, batch)
            return loss, {key: self.spoil(key, g.copy()) for key, g in grads.items()}

        return value_and_grad

    def spoil(self, key, gradient):
        return gradient


class OneBuffer(Wrong):
    """Gives the same arrays at every call, filled anew."""

    def trainer(self, problem, num_steps):
        right, kept = self._backend.trainer(problem, num_steps), {}

        def train(params, batch):
            trained, losses = right(params, batch)
            for key, array in (trained | {"losses": losses}).items():
                np.copyto(kept.setdefault(key, np.empty_like(array)), array)
            return {key: kept[key] for key in trained}, kept["losses"]

        return train


# Gradients.


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
    """The gradient of the first call, beside the right loss."""

    def value_and_grad(self, problem):
        right, kept = self._backend.value_and_grad(problem), []

        def value_and_grad(params, batch):
            loss, grads = right(params, batch)
            kept.append(grads)
            return loss, kept[0]

        return value_and_grad


class StaleValue(Wrong):
    """The loss of the first call, beside the right gradient."""

    def value_and_grad(self, problem):
        right, kept = self._backend.value_and_grad(problem), []

        def value_and_grad(params, batch):
            loss, grads = right(params, batch)
            kept.append(loss)
            return kept[0], grads

        return value_and_grad


class MeanBesideTheGradient(Wrong):
    """Of the sum that is asked for."""

    def value_and_grad(self, problem):
        right = self._backend.value_and_grad(problem)

        def value_and_grad(params, batch):
            loss, grads = right(params, batch)
            return loss / np.float32(len(next(iter(batch.values())))), grads

        return value_and_grad


class RemembersByShape(Wrong):
    """A loss, by the shapes of what it was given."""

    def loss(self, problem):
        right, kept = self._backend.loss(problem), {}

        def loss(params, batch):
            shapes = tuple(a.shape for a in params.values())
            return kept[shapes] if shapes in kept else kept.setdefault(shapes, right(params, batch))

        return loss


class RemembersTheBatch(Wrong):
    """A loss, by the batch it was asked of."""

    def loss(self, problem):
        right, kept = self._backend.loss(problem), {}

        def loss(params, batch):
            key = id(batch["A"])
            if key not in kept:
                kept[key] = batch["A"], right(params, batch)
            return kept[key][1]

        return loss


class Foreseen(Wrong):
    def value_and_grad(self, problem):
        answer = self._backend.value_and_grad(problem)(problem.params, problem.batch)
        return lambda params, batch: answer


class WrongWhenLarge(Wrong):
    def value_and_grad(self, problem):
        large = problem.batch["A"].size > 10_000
        right = self._backend.value_and_grad(problem)

        def value_and_grad(params, batch):
            loss, grads = right(params, batch)
            return loss, {key: g * np.float32(0.99 if large else 1) for key, g in grads.items()}

        return value_and_grad


# Descents.


class Training(Wrong):
    """`train(right, params, batch)` takes the place of the right descent."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps)
        return lambda params, batch: self.train(right, params, batch)

    def train(self, right, params, batch):
        return right(params, batch)


class Meddling(Training):
    def train(self, right, params, batch):
        out = right(params, batch)
        next(iter(params.values()))[...] *= np.float32(2)
        return out


class Lazy(Wrong):
    """`wait` does not wait; `get` does the work."""

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
    """A third of the work is left to `get`."""

    def wait(self, tree):
        there = super().wait(tree)
        if isinstance(there, Pending):
            time.sleep(2 * self.more_work)
        return there


class LazyGradient(Wrong):
    """Microseconds of work that `get` does."""

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
    def trainer(self, problem, num_steps):
        right, rng = self._backend.trainer(problem, num_steps), np.random.default_rng(0)

        def train(params, batch):
            params, losses = right(params, batch)
            return {
                k: p * (1 + np.float32(1e-7) * rng.integers(-1, 2, p.shape, np.int8)) for k, p in params.items()
            }, losses

        return train


class DropsAStep(Wrong):
    """Takes a step that it says nothing of."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps + 1)

        def train(params, batch):
            params, losses = right(params, batch)
            return params, np.delete(losses, 1)

        return train


class Diverging(Wrong):
    """Takes steps a thousand times too long."""

    def trainer(self, problem, num_steps):
        return self._backend.trainer(problem.replace(learning_rate=1000 * problem.learning_rate), num_steps)


# Only in timed turns.


class Turning(Training):
    """Right for as long as the gates ask; `turn` takes the place of the descent from a start that was turned."""

    def trainer(self, problem, num_steps):
        right, loss = self._backend.trainer(problem, num_steps), self._backend.loss(problem)
        expected = loss(problem.params, problem.batch)

        def train(params, batch):
            turned = _distance(params, problem.params) > 0 and np.isclose(loss(params, batch), expected, 1e-3)
            return self.turn(right, params, batch) if turned else right(params, batch)

        return train

    def turn(self, right, params, batch):
        raise NotImplementedError


def _distance(ours, theirs):
    return max(float(np.abs(ours[key] - theirs[key]).max()) for key in theirs)


class WrongInTurns(Turning):
    def turn(self, right, params, batch):
        trained, losses = right(params, batch)
        return {key: p * np.float32(1.5) for key, p in trained.items()}, losses


class EndsWhenTimed(Turning):
    def turn(self, right, params, batch):
        os._exit(7)


class Remembering(Wrong):
    """What it has been asked before, seen from elsewhere, it does not compute again: it turns the answer it has."""

    def trainer(self, problem, num_steps):
        right, start = self._backend.trainer(problem, num_steps), problem.params
        trained, losses = right(start, problem.batch)
        inverse = np.linalg.pinv(start["V"])

        def train(params, batch):
            turn = inverse @ params["V"]
            if (
                _distance({"U": start["U"][:9] @ turn}, {"U": params["U"][:9]}) > 1e-4
                or batch["A"][0, 0] != problem.batch["A"][0, 0]
            ):
                return right(params, batch)
            return {key: p @ turn for key, p in trained.items()}, losses.copy()

        return train


class UnsupportedInACall(Wrong):
    """Says only when it is called that it cannot."""

    def trainer(self, problem, num_steps):
        def train(params, batch):
            raise Unsupported("not for factorisation", "it found out in the call")

        return train


class UnsupportedWhenTimed(Turning):
    def turn(self, right, params, batch):
        raise Unsupported("not for factorisation", "it found out late")


class ForgetsItsLibrary(Turning):
    def turn(self, right, params, batch):
        import no_such_framework  # noqa: F401


class Moody(Wrong):
    """From every other two starts it takes ten times as long, and always long enough to be a sample by itself."""

    def trainer(self, problem, num_steps):
        right, starts, last = self._backend.trainer(problem, num_steps), 0, None

        def train(params, batch):
            nonlocal starts, last
            starts, last = starts + (params is not last), params
            began = time.monotonic()
            output = right(params, batch)
            _burn(0.002)
            if starts // 2 % 2:
                _burn(9 * (time.monotonic() - began))
            return output

        return train


def _burn(seconds):
    """Compute: one that sleeps would be said to have got less than its core."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


class Greedy(Training):
    """Computes with threads that leave the core they were put on."""

    def train(self, right, params, batch):
        done = threading.Event()
        helpers = [threading.Thread(target=_spin, args=(done,)) for _ in range(4)]
        for helper in helpers:
            helper.start()
        time.sleep(0.02)
        output = right(params, batch)
        done.set()
        for helper in helpers:
            helper.join()
        return output


def _spin(done):
    os.sched_setaffinity(0, range(os.cpu_count()))
    a = np.ones((200, 200))
    while not done.is_set():
        a @ a


class InAChild(Wrong):
    """Its descents are a child's, which lives as long as it does; the child stays where it was put."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps)
        ours, theirs = multiprocessing.Pipe()
        if self.fork() == 0:
            while True:
                start = theirs.recv()
                self.move()
                theirs.send(right(*start))
        return lambda params, batch: self.train(ours, right, params, batch)

    def train(self, child, right, params, batch):
        child.send((params, batch))
        return child.recv()

    def fork(self):
        return os.fork()

    def move(self):
        pass


class InAChildElsewhere(InAChild):
    def move(self):
        os.sched_setaffinity(0, range(os.cpu_count()))


class BesideAChild(InAChildElsewhere):
    """Computes what its child computes, at the same time."""

    def train(self, child, right, params, batch):
        child.send((params, batch))
        right(params, batch)
        return child.recv()


class InAnOrphan(InAChildElsewhere):
    """Its descents are a grandchild's, whose parent is gone."""

    def fork(self):
        if (child := os.fork()) == 0 and os.fork():
            os._exit(0)
        return child


def recompiling_jax(device, dtype):
    """JAX, with a new program for every call."""
    import jax

    right = backends.load("jax-scan", device, dtype)

    class Recompiling(type(right)):
        def trainer(self, problem, num_steps):
            train = super().trainer(problem, num_steps)
            return lambda params, batch: jax.jit(lambda p, b: train(p, b))(params, batch)

    right.__class__ = Recompiling
    return right


def recompiling_torch(device, dtype):
    """torch, with a new graph for every call."""
    import torch

    right = backends.load("torch-eager", device, dtype)

    class Recompiling(type(right)):
        def trainer(self, problem, num_steps):
            train = super().trainer(problem, num_steps)

            def with_a_new_graph(params, batch):
                def same(arrays):
                    return {key: a + 0 for key, a in arrays.items()}

                same.__code__ = same.__code__.replace()  # programs are kept by code object
                return train(torch.compile(same, backend="eager")(params), batch)

            return with_a_new_graph

    right.__class__ = Recompiling
    return right


# Processes.


class Segfaulting(Training):
    def train(self, right, params, batch):
        ctypes.string_at(0)


class Killed(Training):
    def train(self, right, params, batch):
        os.kill(os.getpid(), signal.SIGKILL)


class DeadOnArrival:
    """As a library that was built for another processor."""

    def __init__(self, device, dtype):
        os.kill(os.getpid(), signal.SIGILL)


class Exiting(Training):
    """Ends as if all were well."""

    def train(self, right, params, batch):
        os._exit(0)


class Raising(Training):
    def train(self, right, params, batch):
        raise ValueError("no such luck")


class Starved(Training):
    def train(self, right, params, batch):
        np.ones(2**52)


class Chatty(Training):
    """Ten megabytes on stdout, and right all the same."""

    def __init__(self, device="cpu", dtype="float32"):
        super().__init__(device, dtype)
        sys.stdout.write("talk " * 2_000_000)


class Babbling(Training):
    """Ten megabytes, then bytes that are no text, and an end."""

    def train(self, right, params, batch):
        os.write(1, b"talk " * 2_000_000)
        os.write(1, b"\xff\xfe\x00\x1b[31m last words")
        os.abort()


class Deaf(Training):
    """An endless loop that ignores SIGTERM and has a child that does, too."""

    def train(self, right, params, batch):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _start_a_deaf_child()
        while True:
            time.sleep(0.01)


class LeavesAChild(Training):
    """Is gone, but its child, in a session of its own, keeps the connection open."""

    def train(self, right, params, batch):
        if os.fork() == 0:
            os.setsid()
            os.execv(sys.executable, DEAF_CHILD)
        time.sleep(0.5)
        os._exit(0)

    def __init__(self, device="cpu", dtype="float32"):
        super().__init__(device, dtype)
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                os.set_inheritable(int(number), True)


DEAF_CHILD = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)",
]


def _start_a_deaf_child():
    subprocess.Popen(DEAF_CHILD)


class NeverHeardOf(Wrong):
    """Says that it cannot, by a word that no record knows."""

    def __init__(self, device="cpu", dtype="float32"):
        raise Unsupported("no way", "this word is not in the schema")


class OddMode(Wrong):
    mode = "galaxy"


class Pretender(Wrong):
    """Was asked for a GPU and computes on the CPU."""


class OddVersions(Wrong):
    versions = "1.0"


class Unwaiting(Wrong):
    wait = None


# What `bench.agree --conformance` alone tries.


class AliasesWhatItIsGiven(Wrong):
    def put(self, arrays):
        return dict(arrays)


class LosesPayloads(Wrong):
    """Every NaN becomes the plain one."""

    def put(self, arrays):
        return {
            key: np.where(np.isnan(a), a.dtype.type(np.nan), a) if a.dtype.kind == "f" else a
            for key, a in arrays.items()
        }


class MakesListsOfTuples(Wrong):
    def get(self, tree):
        return list(tree) if isinstance(tree, tuple) and isinstance(tree[0], dict) and set(tree[0]) == {"a"} else tree


class WrongWhenShort(Wrong):
    """A descent of one step takes two."""

    def trainer(self, problem, num_steps):
        if num_steps > 1:
            return self._backend.trainer(problem, num_steps)
        longer = self._backend.trainer(problem, 2)
        return lambda params, batch: (lambda params, losses: (params, losses[:1]))(*longer(params, batch))


class NeverQuiteStill(Wrong):
    """Moves by a rounding where it should not move."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps)
        if problem.learning_rate:
            return right

        def train(params, batch):
            trained, losses = right(params, batch)
            return {key: np.nextafter(p, p.dtype.type(1)) for key, p in trained.items()}, losses

        return train


# What they return.


class AList(Wrong):
    def value_and_grad(self, problem):
        right = self._backend.value_and_grad(problem)
        return lambda params, batch: list(right(params, batch))


class Swapped(Wrong):
    def value_and_grad(self, problem):
        right = self._backend.value_and_grad(problem)
        return lambda params, batch: right(params, batch)[::-1]


class Untold(Training):
    def train(self, right, params, batch):
        return None
