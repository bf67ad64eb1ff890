"""`python -m bench.workers.worker FD`: the program that holds one backend, and answers requests from the socket FD."""

from bench.workers import memory

KEPT = memory.place_heap()  # before NumPy is imported, whose small arrays lie where importing left gaps

import gc
import itertools
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import backends
from bench import clock
from bench.agreement import promises
from bench.agreement.answers import Computed, compute
from bench.agreement.distances import distance
from bench.backend import Backend, Unsupported, checked
from bench.devices import DEVICES
from bench.operations import OPERATIONS, Functions, offered
from bench.problem import Arrays, Problem, array_dtype, epsilon, nudged
from bench.workers import cpu_accounting, messages, problem_files
from bench.workers.channel import Channel
from bench.workers.cores import pin_all_threads
from bench.workers.trouble import TooLate, trouble
from bench.workloads import WORKLOADS

FEW_CALLS, FEW_CALLS_SECONDS = 4, 0.05
"""A turn begins with so many untimed calls at least, unless they take longer than these seconds (docs/measured.md)."""

LARGE = 2**25  # bytes moved by a step, above which memory in older cycles is collected, too; torch takes long for it

IDLE_LOOKS, IDLE_SECONDS = 50, 0.005  # how often, and for how long, a process is watched until its threads have stopped

QUEUED = 5  # calls of `train` that follow one another without being waited for, to measure what a device takes for one


class Worker:
    """Answers requests: one method for each, of its name in lower case.  Holds the backend and the last problem."""

    backend: Backend
    device: str
    dtype: np.dtype[Any]
    problem: Problem
    functions: Functions
    batch: Any
    _cores: list[int] = []

    def load(self, ask: messages.Load) -> messages.Loaded:
        self.device, self.dtype = ask.resources.device, array_dtype(ask.dtype)
        self._threads = ask.resources.threads
        seconds, made = clock.timed(lambda: backends.load(ask.backend, self.device, ask.dtype))
        self.backend = checked(made)
        pin_all_threads(self._cores)  # again, because a library may have started threads
        # torch.__version__ is a kind of str of its own, which no message can hold.
        versions = {library: str(version) for library, version in self.backend.versions.items()}
        whole, names = getattr(self.backend, "peak_of_the_process", False), [x.name for x in offered(self.backend)]
        return messages.Loaded(seconds, self.backend.mode, versions, whole, names)

    def pin(self, ask: messages.Pin) -> messages.Done:
        pin_all_threads(ask.cores)
        self._cores = ask.cores
        return messages.Done()

    def prepare(self, ask: messages.Prepare) -> messages.Prepared:
        self.problem, self.functions = problem_files.read(ask.problem), {}
        self.batch = self.backend.wait(self.backend.put(self.problem.batch))
        params, compiled = self.backend.wait(self.backend.put(self.problem.params)), self._compilations()

        def first_call(operation: str) -> None:
            self.functions[operation] = OPERATIONS[operation].make(self.backend, self.problem)
            try:
                self._call(operation, params)
            except Unsupported as error:
                raise TooLate(error, operation) from None

        first = {operation: clock.timed(partial(first_call, operation))[0] for operation in ask.operations}
        for operation in offered(self.backend):
            if operation.name not in first:
                self.functions[operation.name] = operation.make(self.backend, self.problem)
        if self.problem.bytes_moved > LARGE:
            gc.unfreeze()
        gc.collect()
        gc.freeze()  # what is alive now stays out of later collections, which otherwise take longer than a turn
        counts = hasattr(self.backend, "compilations")
        return messages.Prepared(first, self._compilations() - compiled if counts else None)

    def compute(self, ask: messages.Compute) -> Computed:
        halfway, decoy, *others = map(problem_files.read, [ask.halfway, ask.decoy, *ask.others])
        return compute(self.backend, self.functions, self.problem, halfway.params, decoy, others)

    def promise(self, ask: messages.Promise) -> messages.Promised:
        return messages.Promised(promises.tried(self.backend, self.problem))

    def pilot(self, ask: messages.Pilot) -> messages.Piloted:
        """Time the faster of two calls; the fastest of a dozen where so short that several may make one sample."""
        seeds = itertools.count()

        def fastest(operation: str) -> float:
            def one() -> float:
                start = self.backend.wait(self.backend.put(starts(self.problem, next(seeds), 1)[0]))
                return clock.timed(lambda: self._call(operation, start))[0]

            first = min(one(), one())
            return min(first, *(one() for _ in range(10))) if first < 2 * clock.SHORTEST_SAMPLE else first

        with self._turns.measured():
            return messages.Piloted({operation: fastest(operation) for operation in ask.operations})

    def begin(self, ask: messages.Begin) -> messages.Done:
        self.batch = None
        self.batch = self.backend.wait(self.backend.put(self.problem.batch))
        if ask.room_for:
            memory.give_room(ask.step_bytes, ask.room_for)
        self._warm_up_seconds = max(ask.warm_up_seconds, DEVICES[self.device].least_warm_up_seconds)
        self._turns, self._calls, self._compiled = cpu_accounting.Meter(), cpu_accounting.Meter(), 0
        self._threads_before = cpu_accounting.thread_seconds()
        self._began = time.monotonic(), time.process_time()
        return messages.Done()

    def turn(self, ask: messages.Turn) -> messages.Turned:
        with self._turns.measured():
            given = {op: starts(self.problem, ask.seed + i, n + 1) for i, (op, n) in enumerate(ask.calls.items())}
            there = {op: [self.backend.wait(self.backend.put(start)) for start in given[op]] for op in given}
            compiled = self._compilations()
            gc.collect()  # before the untimed calls, because collecting drives data out of the caches
            samples = {op: self._sample(op, given[op][-1], there[op]) for op in there}
            self._compiled += self._compilations() - compiled
            self._fall_idle()
            return messages.Turned(samples)

    def _fall_idle(self) -> None:
        """Wait until the threads of a library have stopped: OpenBLAS's look for work for some 25 ms after a call."""
        for _ in range(IDLE_LOOKS if self._threads > 1 else 0):
            before = time.process_time()
            time.sleep(IDLE_SECONDS)
            if time.process_time() - before < 0.1 * IDLE_SECONDS:
                return

    def _sample(self, operation: str, last: Arrays, there: list[Any]) -> messages.Sample:
        """Take a sample from all starts but the first; `last` is the last of them, as NumPy arrays."""
        with self._calls.measured():
            self._warm_up(operation, there[0], len(there) - 1)
            nanoseconds, outputs = clock.sample(self.functions[operation], self.backend.wait, there[1:], self.batch)
        loss, arrays = OPERATIONS[operation].split(self.backend.get(outputs[-1]))
        return messages.Sample(nanoseconds, float(np.ravel(loss)[-1]), distance(arrays, last))

    def _warm_up(self, operation: str, params: Any, calls: int = 1) -> None:
        """Take untimed samples of so many calls for the warm-up's seconds, and on to FEW_CALLS or FEW_CALLS_SECONDS.

        They keep their outputs as the timed sample does, which would otherwise be the first to touch the memory for them.
        """
        began, done, spent = time.monotonic(), 0, 0.0
        while not done or spent < self._warm_up_seconds or (done < FEW_CALLS and spent < FEW_CALLS_SECONDS):
            clock.sample(self.functions[operation], self.backend.wait, [params] * calls, self.batch)
            done, spent = done + calls, time.monotonic() - began

    def tally(self, ask: messages.Tally) -> messages.Tallied:
        wall, cpu = time.monotonic() - self._began[0], time.process_time() - self._began[1]
        before = self._threads_before
        busy = [seconds - before.get(thread, 0.0) for thread, seconds in cpu_accounting.thread_seconds().items()]
        return messages.Tallied(
            cores_used=self._calls.cpu / max(self._calls.wall, 1e-9),
            idle_cpu_share=max(0.0, cpu - self._turns.cpu) / max(wall - self._turns.wall, 1e-9),
            busy_threads=sum(seconds > 0.05 * max(cpu, 1e-9) for seconds in busy),
            compilations=self._compiled,
            strays=cpu_accounting.strays(self._cores),
        )

    def transfer(self, ask: messages.Transfer) -> messages.Transferred:
        params = self.backend.wait(self.backend.put(self.problem.params))
        device_peak = getattr(self.backend, "peak_device_bytes", lambda: None)
        device_peak()
        trained, _ = self._call("train", params)
        device_peak_bytes, given = device_peak(), self.problem.params | self.problem.batch
        # Each is fetched once, because a library may keep what it has fetched.
        fetched = iter([self.backend.wait(self.backend.put(self.backend.get(trained))) for _ in range(5)])
        put_seconds = _fastest(lambda: self.backend.wait(self.backend.put(given)), 5)
        get_seconds = _fastest(lambda: self.backend.get(next(fetched)), 5)
        device_seconds = None if DEVICES[self.device].is_the_cpu else self._queued_seconds(params)
        return messages.Transferred(device_peak_bytes, put_seconds, get_seconds, device_seconds)

    def probe(self, ask: messages.Probe) -> messages.Probed:
        """Take the best of several tries: a limit is what the machine can do, not what it usually does."""
        backend: Any = self.backend
        square, long = (np.ones(n, self.dtype) for n in ((ask.side, ask.side), ask.copied_bytes // self.dtype.itemsize))
        # Products of constants would take a GPU less power, and so less time.
        np.random.default_rng(0).standard_normal(out=square, dtype=self.dtype)
        there = backend.wait(backend.put({"square": square, "long": long}))

        multiplied = _fastest(lambda: backend.wait(backend.matmul(there["square"], there["square"])), 6)
        copied = _fastest(lambda: backend.wait(backend.copy(there["long"])), 6)
        return messages.Probed(2 * ask.side**3 / multiplied, 2 * long.nbytes / copied)

    def _call(self, operation: str, params: Any) -> Any:
        return self.backend.wait(self.functions[operation](params, self.batch))

    def _queued_seconds(self, params: Any) -> float:
        """Return the time of one `train` among QUEUED, the best of five: they share the way to the device and back."""
        train = self.functions["train"]

        def queued() -> None:
            for output in [train(params, self.batch) for _ in range(QUEUED)]:
                self.backend.wait(output)

        self._warm_up("train", params)
        return _fastest(queued, 5) / QUEUED

    def _compilations(self) -> int:
        return getattr(self.backend, "compilations", lambda: 0)()


def _fastest(call: Callable[[], Any], tries: int) -> float:
    return min(clock.timed(call)[0] for _ in range(tries))


def starts(problem: Problem, seed: int, count: int) -> list[Arrays]:
    """Return `count` starts, no two alike, and far from each other where the problem has a symmetry.

    A gradient or a descent that was kept is wrong for another start; a kept loss is right, and found by the checks.
    """
    rng = np.random.default_rng(seed)
    turned = WORKLOADS[problem.workload].turned(problem.params, rng, count)
    turned = nudged(turned, rng, epsilon(problem.dtype))
    return [{key: p[i] for key, p in turned.items()} for i in range(count)]


def answer(method: Callable[[Any], Any], ask: Any) -> bytes:
    """Return what `method` answers, packed; an exception becomes Trouble."""
    try:
        return messages.pack(method(ask))
    except Exception as error:
        return messages.pack(trouble(error, ask))


def main(descriptor: int) -> None:
    """Answer requests until the parent closes the connection."""
    cpu_accounting.end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    worker, parent = Worker(), Channel(socket.socket(fileno=descriptor))
    while True:
        try:
            ask = messages.unpack_request(parent.receive())
        except EOFError:
            return
        parent.send(answer(getattr(worker, type(ask).__name__.lower()), ask))


if __name__ == "__main__":
    main(int(sys.argv[1]))
