"""Backends whose process crashes, hangs or takes more than its thread: `tests.faults.processes:NAME`."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np

from bench.workers.channel import Channel
from tests.faults.backends import Training, Wrong
from tests.faults.in_calls import Turning

# It ends.


class Segfaulting(Training):
    def train(self, right, params, batch):
        ctypes.string_at(0)


class DeadOnArrival:
    """It dies as a library does that was built for another processor."""

    def __init__(self, device, dtype):
        os.kill(os.getpid(), signal.SIGILL)


class Exiting(Training):
    """It ends as if all were well."""

    def train(self, right, params, batch):
        os._exit(0)


class EndsWhenTimed(Turning):
    def turn(self, right, params, batch):
        os._exit(7)


class Chatty(Training):
    """It prints ten megabytes, and is right all the same."""

    def __init__(self, device="cpu", dtype="float32"):
        super().__init__(device, dtype)
        sys.stdout.write("talk " * 2_000_000)


class LeavesAChild(Training):
    """It is gone, but its child keeps the connection open."""

    def __init__(self, device="cpu", dtype="float32"):
        super().__init__(device, dtype)
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                os.set_inheritable(int(number), True)

    def train(self, right, params, batch):
        subprocess.Popen(DEAF_CHILD, close_fds=False)
        os._exit(0)


# It never answers.

DEAF_CHILD = ["sh", "-c", "trap '' TERM; sleep 600"]


class Deaf(Training):
    """It computes for ever, ignores SIGTERM, and has a child that does, too."""

    def train(self, right, params, batch):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(DEAF_CHILD)
        while True:
            time.sleep(0.01)


class Stopped(Wrong):
    """It stands still after its first answer, and reads nothing any more."""

    def __init__(self, device="cpu", dtype="float32"):
        super().__init__(device, dtype)
        Channel.receive = lambda channel: os.kill(os.getpid(), signal.SIGSTOP)


class HalfAnswered(Wrong):
    """It stands still in the middle of its second answer."""

    def __init__(self, device="cpu", dtype="float32"):
        super().__init__(device, dtype)

        def half(channel, message):
            channel._socket.sendall(len(message).to_bytes(8, "big") + message[: len(message) // 2])
            os.kill(os.getpid(), signal.SIGSTOP)

        Channel.send = half  # the first answer is sent by the method as it was when the request came


# It takes more than it was given.


class Astray(Wrong):
    """It has a thread that may run on every core."""

    def __init__(self, device="cpu", dtype="float32"):
        super().__init__(device, dtype)
        threading.Thread(target=self._stray, daemon=True).start()

    @staticmethod
    def _stray():
        time.sleep(0.1)  # until it was pinned after loading
        while True:
            os.sched_setaffinity(0, range(os.cpu_count()))
            time.sleep(0.01)


class Greedy(Training):
    """It computes with threads that leave the core they were put on."""

    def train(self, right, params, batch):
        done = threading.Event()
        others = [threading.Thread(target=_spin, args=(done,)) for _ in range(2)]
        for other in others:
            other.start()
        time.sleep(0.02)
        output = right(params, batch)
        done.set()
        for other in others:
            other.join()
        return output


def _spin(done):
    os.sched_setaffinity(0, range(os.cpu_count()))
    a = np.ones((200, 200))
    while not done.is_set():
        a @ a
