"""Backends from outside the suite, raced by the name `tests.outsiders:<class>`.

One tells what its process is like, one is never still, and some keep their answers.
"""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import threadpoolctl

from bench.workers import memory
from tests.faults.backends import Wrong

AS_IMPORTED = dict(os.environ)
"""The environment that this module, and NumPy before it, was imported in."""


class Telltale(Wrong):
    """Gives as its `versions` what its process is like, with the libraries that were loaded and used before."""

    def __init__(self, device, dtype):
        super().__init__(device, dtype)
        self._compiler = str("torch._dynamo" in sys.modules)  # before a look at its settings loads it

    @property
    def versions(self):
        pools = threadpoolctl.threadpool_info()
        told = AS_IMPORTED | {
            "cores of every thread": " ".join(sorted({str(sorted(os.sched_getaffinity(int(t)))) for t in _tasks()})),
            "threads of numpy": str(max(p["num_threads"] for p in pools if "numpy" in p["filepath"])),
            "threads of jax": str(sum("XLAEigen" in Path(f"/proc/self/task/{t}/comm").read_text() for t in _tasks())),
            "path": os.pathsep.join(sys.path),
            "the compiler of torch was loaded": self._compiler,
        }
        if torch := sys.modules.get("torch"):
            import torch._inductor.config

            told["threads of torch"] = str(torch.get_num_threads())
            told["g++ takes torch's vector library"] = str(torch._inductor.config.cpp.vec_isa_ok)
        return told


class Placed(Wrong):
    """Gives as its `versions` where in their pages a small and a large array begin."""

    @property
    def versions(self):
        arrays = {size: np.empty(size, np.float32) for size in (600, 2**21)}
        return {f"place of {size}": str(array.ctypes.data % memory.PAGE) for size, array in arrays.items()}


def _tasks():
    return os.listdir("/proc/self/task")


class Restless(Wrong):
    """Computes something all the time, whoever's turn it is."""

    def __init__(self, device, dtype):
        super().__init__(device, dtype)
        threading.Thread(target=burn, daemon=True).start()


def burn():
    while True:
        hashlib.sha256(bytes(5_000_000))  # without the interpreter's lock


class Keeper(Wrong):
    """Keeps its first answer, and gives it ever after."""

    recalled = 0

    def key(self, params, batch):
        return None

    def trainer(self, problem, num_steps):
        right, self.kept, self.recalled, self.last = self._backend.trainer(problem, num_steps), {}, 0, None

        def train(params, batch):
            key = self.key(params, batch)
            if key in self.kept:
                self.recalled += params is not self.last  # untimed calls are all from one start
            else:
                self.kept[key] = right(params, batch)
            self.last = params
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


class KeeperByNearness(KeeperByArguments):
    """Keeps an answer for every start, and takes a start that is near for the same."""

    def key(self, params, batch):
        return _bytes({key: np.round(p, 3) for key, p in params.items()}), _bytes(batch)


class KeeperByLoss(Keeper):
    """Keeps one answer for all starts that have the problem's loss, which turning it does not change."""

    def trainer(self, problem, num_steps):
        self.loss_of = self._backend.loss(problem)
        self.expected = self.loss_of(problem.params, problem.batch)
        return super().trainer(problem, num_steps)

    def key(self, params, batch):
        the_same = np.isclose(self.loss_of(params, batch), self.expected, 1e-4)
        return "the same" if the_same else _bytes(params), _bytes(batch)


def _bytes(arrays):
    return tuple(sorted((key, array.tobytes()) for key, array in arrays.items()))


class Version(str):
    """What torch.__version__ is: a string of a class of its own."""


class OfAVersion(Wrong):
    versions = {"torch": Version("2.13.0+cpu")}


class WithANamelessChild(Wrong):
    """Starts a child with an empty environment, in a session of its own."""

    def __init__(self, device="cpu", dtype="float32"):
        super().__init__(device, dtype)
        self._child = subprocess.Popen(["sleep", "600"], env={}, start_new_session=True)

    @property
    def versions(self):
        return {"child": str(self._child.pid)}
