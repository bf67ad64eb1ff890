"""Backends from outside the suite, raced by the name `tests.outsiders:<class>`: one that tells what its process
is like, and some that break a rule of the race."""

import hashlib
import os
import sys
import threading
import time
from pathlib import Path

import threadpoolctl

import backends


class Outsider:
    """The numpy backend, but for what a subclass makes of it."""

    def __init__(self, device="cpu", dtype="float32"):
        self._backend = backends.load("numpy", device, dtype)

    def __getattr__(self, name):
        return getattr(self._backend, name)


AS_IMPORTED = dict(os.environ)
"""The environment that this module, and NumPy before it, was imported in."""


class Telltale(Outsider):
    """Gives as its `versions` what its process is like, torch and JAX loaded and used."""

    @property
    def versions(self):
        import jax
        import torch

        jax.numpy.ones((300, 300)).dot(jax.numpy.ones((300, 300))).block_until_ready()
        pools = threadpoolctl.threadpool_info()
        return AS_IMPORTED | {
            "cores of every thread": " ".join(sorted({str(sorted(os.sched_getaffinity(int(t)))) for t in _tasks()})),
            "threads of NumPy": str(max(p["num_threads"] for p in pools if "numpy" in p["filepath"])),
            "threads of torch": f"{torch.get_num_threads()}",
            "threads of XLA": str(sum("XLAEigen" in Path(f"/proc/self/task/{t}/comm").read_text() for t in _tasks())),
            "path": os.pathsep.join(sys.path),
        }


def _tasks():
    return os.listdir("/proc/self/task")


class Lazy(Outsider):
    """`wait` does not wait; `get` does the work."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps)
        return lambda params, batch: (lambda: (time.sleep(0.05), right(params, batch))[1],)

    def wait(self, tree):
        return Pending(tree[0]) if isinstance(tree, tuple) and callable(tree[0]) else tree

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


class Greedy(Outsider):
    """Frees itself from its core, and burns four threads while it trains."""

    def trainer(self, problem, num_steps):
        right = self._backend.trainer(problem, num_steps)

        def train(params, batch):
            team = [threading.Thread(target=burn_anywhere, args=[4]) for _ in range(4)]
            for thread in team:
                thread.start()
            answer = right(params, batch)
            for thread in team:
                thread.join()
            return answer

        return train


def burn(times):
    for _ in range(times):
        hashlib.sha256(bytes(5_000_000))  # without the interpreter's lock


def burn_anywhere(times):
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    burn(times)


class Restless(Outsider):
    """Computes something all the time, whoever's turn it is."""

    def __init__(self, device, dtype):
        super().__init__(device, dtype)
        threading.Thread(target=burn, args=[10**9], daemon=True).start()


class Compiling(Outsider):
    """Says that it compiles a program in every call."""

    compiled = 0

    def compilations(self):
        self.compiled += 1
        return self.compiled


class Keeper(Outsider):
    """Keeps its first answer, and gives it ever after."""

    def key(self, params, batch):
        return None

    def trainer(self, problem, num_steps):
        right, self.kept, self.recalled = self._backend.trainer(problem, num_steps), {}, 0

        def train(params, batch):
            key = self.key(params, batch)
            if key in self.kept:
                self.recalled += 1
            else:
                self.kept[key] = right(params, batch)
            return self.kept[key]

        return train


class KeeperByBatch(Keeper):
    """Keeps an answer for every batch, wherever the descent starts."""

    def key(self, params, batch):
        return _bytes(batch)


class KeeperByArguments(Keeper):
    """Keeps every answer, for the very same arguments: never wrong, so all it could be is too fast.

    Counts what it recalls as programs compiled, so that the harness reports what was recalled inside a turn.
    """

    def key(self, params, batch):
        return _bytes(params), _bytes(batch)

    def compilations(self):
        return self.recalled


def _bytes(arrays):
    return tuple(sorted((key, array.tobytes()) for key, array in arrays.items()))
