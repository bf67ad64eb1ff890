"""A worker: one backend in a process of its own.  Loads it, prepares a problem, waits for its turn.

`python -m bench.workers.worker FD` reads requests from the inherited socket FD and answers each.  Threads and
environment were set by the parent before this process began, and the core that it began on; see `bench.workers.process`.
"""

from bench.workers import cpu_accounting

KEPT = cpu_accounting.place_heap()  # before NumPy is imported, whose small arrays lie where importing left gaps

import gc
import importlib.util
import itertools
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from importlib.machinery import ModuleSpec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import backends
from bench import clock
from bench.agreement import promises
from bench.agreement.answers import Evidence, Operations, makers, testify
from bench.agreement.reference import distance
from bench.backend import Backend, Malformed, Unsupported, checked, parts
from bench.problem import Arrays, Problem, array_dtype, epsilon, nudged
from bench.records.schema import Operation
from bench.workers import messages
from bench.workloads import WORKLOADS

LEAST_WARM_UP = {"cpu": 0.0, "cuda": 0.05}
"""Seconds of untimed calls at the beginning of a turn, whatever was asked for.  On a GPU a heuristic: one that had nothing
to do has lowered its clock."""

FEW_CALLS, FEW_CALLS_SECONDS = 4, 0.05
"""Untimed calls that begin a turn at least, unless they take longer than these seconds: two calls of 11 ms
left a step of numpy on factorisation/2000x1000r32 5 % slower than nine, and five no more than 2 %."""

LARGE = 2**25
"""Bytes moved by a step, above which a problem needs the room of what the one before it left in cycles.  To look for that
among all that a compiled mode of torch holds takes as long as a warm first call, a third of a warm preparation."""

QUEUED = 5
"""Calls that follow one another without being waited for, to see what a device takes for one."""


class Worker:
    """One method per request; holds the backend, and the problem it was last given."""

    backend: Backend
    device: str
    dtype: np.dtype[Any]
    problem: Problem
    operations: Operations
    batch: Any
    _cores: list[int] = []

    def load(self, ask: messages.Load) -> messages.Loaded:
        seconds, made = clock.timed(lambda: backends.load(ask.backend, ask.device, ask.dtype))
        self.backend = checked(made)
        cpu_accounting.pin(self._cores)  # again: a library may have started threads, or gone elsewhere
        self.device, self.dtype = ask.device, array_dtype(ask.dtype)
        return messages.Loaded(
            import_seconds=seconds,
            mode=self.backend.mode,
            # torch.__version__ is a kind of str of its own, which no message can hold.
            versions={library: str(version) for library, version in self.backend.versions.items()},
            peak_of_the_process=getattr(self.backend, "peak_of_the_process", False),
        )

    def pin(self, ask: messages.Pin) -> messages.Done:
        cpu_accounting.pin(ask.cores)
        self._cores = ask.cores
        return messages.Done()

    def prepare(self, ask: messages.Prepare) -> messages.Prepared:
        self.problem, self.operations = ask.problem, {}
        self.batch = self.backend.wait(self.backend.put(ask.problem.batch))
        params = self.backend.wait(self.backend.put(ask.problem.params))
        make, compiled = makers(self.backend, ask.problem), self._compilations()

        def first_call(operation: str) -> None:
            self.operations[operation] = make[operation]()
            try:
                self._call(operation, params)
            except Unsupported as error:
                raise TooLate(f"{operation} {TOO_LATE}: {error.status}, {error.reason}") from None

        first = {operation: clock.timed(partial(first_call, operation))[0] for operation in ask.operations}
        self.operations |= {name: make[name]() for name in make if name not in self.operations}
        if ask.problem.bytes_moved > LARGE:
            gc.unfreeze()  # so that what the problem before left in cycles is collected, too
        gc.collect()
        gc.freeze()  # what is alive now stays alive: otherwise collecting before every turn takes longer than the turn
        counts = hasattr(self.backend, "compilations")
        return messages.Prepared(first, self._compilations() - compiled if counts else None)

    def testify(self, ask: messages.Testify) -> Evidence:
        return testify(self.backend, self.operations, self.problem, ask.halfway, ask.decoy, ask.others)

    def promise(self, ask: messages.Promise) -> messages.Promised:
        return messages.Promised(promises.tried(self.backend, self.problem))

    def pilot(self, ask: messages.Pilot) -> messages.Piloted:
        """The faster of two calls; the fastest of a dozen where so short that several may make one sample."""
        seeds = itertools.count()

        def fastest(operation: str) -> float:
            def one() -> float:
                start = self.backend.wait(self.backend.put(starts(self.problem, next(seeds), 1)[0]))
                return clock.timed(lambda: self._call(operation, start))[0]

            first = min(one(), one())
            return min(first, *(one() for _ in range(10))) if first < 2 * clock.SHORTEST_SAMPLE else first

        with self._turns.measured():
            return messages.Piloted({op: fastest(op) for op in ask.operations})

    def begin(self, ask: messages.Begin) -> messages.Done:
        self.batch = None
        self.batch = self.backend.wait(self.backend.put(self.problem.batch))
        if ask.room_for:
            cpu_accounting.give_room(ask.step_bytes, ask.room_for)
        self._warm_up_seconds = max(ask.warm_up_seconds, LEAST_WARM_UP[self.device])
        self._turns, self._calls, self._compiled = cpu_accounting.Meter(), cpu_accounting.Meter(), 0
        self._threads_before, self._began = (
            cpu_accounting.thread_seconds(),
            (time.monotonic(), cpu_accounting.cpu_seconds()),
        )
        return messages.Done()

    def turn(self, ask: messages.Turn) -> messages.Turned:
        with self._turns.measured():
            given = {op: starts(self.problem, ask.seed + i, n + 1) for i, (op, n) in enumerate(ask.calls.items())}
            there = {op: [self.backend.wait(self.backend.put(start)) for start in given[op]] for op in given}
            compiled = self._compilations()
            # Before the untimed calls, which bring back what collecting drives out of the processor's caches.
            gc.collect()
            samples = {op: self._sample(op, given[op][-1], there[op]) for op in there}
            self._compiled += self._compilations() - compiled
            return messages.Turned(samples)

    def _sample(self, operation: Operation, last: Arrays, there: list[Any]) -> messages.Sample:
        """From all starts but the first, of which the `last` is given as it was put there."""
        with self._calls.measured():
            self._warm_up(operation, there[0], len(there) - 1)
            nanoseconds, outputs = clock.sample(self.operations[operation], self.backend.wait, there[1:], self.batch)
        loss, result = parts(operation, self.backend.get(outputs[-1]))
        return messages.Sample(nanoseconds, float(np.ravel(loss)[-1]), distance(result, last))

    def _warm_up(self, operation: str, params: Any, calls: int = 1) -> None:
        """Take untimed samples of so many calls for the warm-up's seconds, or on to FEW_CALLS or FEW_CALLS_SECONDS.

        They keep their outputs as the timed one does, which would otherwise be the first to touch the memory for them.
        """
        began, done, spent = time.monotonic(), 0, 0.0
        while not done or spent < self._warm_up_seconds or (done < FEW_CALLS and spent < FEW_CALLS_SECONDS):
            clock.sample(self.operations[operation], self.backend.wait, [params] * calls, self.batch)
            done, spent = done + calls, time.monotonic() - began

    def tally(self, ask: messages.Tally) -> messages.Tallied:
        wall, cpu = time.monotonic() - self._began[0], cpu_accounting.cpu_seconds() - self._began[1]
        before = self._threads_before
        busy = [seconds - before.get(thread, 0.0) for thread, seconds in cpu_accounting.thread_seconds().items()]
        return messages.Tallied(
            cores_used=self._calls.cpu / max(self._calls.wall, 1e-9),
            idle_cpu_share=max(0.0, cpu - self._turns.cpu - self._turns.looking) / max(wall - self._turns.wall, 1e-9),
            busy_threads=sum(seconds > 0.05 * max(cpu, 1e-9) for seconds in busy),
            compilations=self._compiled,
            strays=cpu_accounting.strays(self._cores),
        )

    def weigh(self, ask: messages.Weigh) -> messages.Weighed:
        params = self.backend.wait(self.backend.put(self.problem.params))
        device_peak = getattr(self.backend, "peak_device_bytes", lambda: None)
        device_peak()
        trained, _ = self._call("train", params)
        device_peak_bytes, given = device_peak(), self.problem.params | self.problem.batch
        # Each fetched once: a library may keep what it has fetched.
        fetched = iter([self.backend.wait(self.backend.put(self.backend.get(trained))) for _ in range(5)])
        return messages.Weighed(
            device_peak_bytes,
            put_seconds=_fastest(lambda: self.backend.wait(self.backend.put(given)), 5),
            get_seconds=_fastest(lambda: self.backend.get(next(fetched)), 5),
            device_seconds=None if self.device == "cpu" else self._queued_seconds(params),
        )

    def probe(self, ask: messages.Probe) -> messages.Probed:
        """Each is the best of several tries: a limit is what the machine can do, not what it usually does."""
        backend: Any = self.backend
        shapes = ((ask.side, ask.side), ask.copied_bytes // self.dtype.itemsize, 1)
        square, long, one = (np.ones(shape, self.dtype) for shape in shapes)
        # Products of constants would take a GPU less power, and so less time.
        np.random.default_rng(0).standard_normal(out=square, dtype=self.dtype)
        there = backend.wait(backend.put({"square": square, "long": long, "one": one}))

        def best(call: Callable[[], Any], tries: int) -> float:
            return _fastest(lambda: backend.wait(call()), tries)

        return messages.Probed(
            matmul_flops_per_second=2 * ask.side**3 / best(lambda: backend.matmul(there["square"], there["square"]), 6),
            copy_bytes_per_second=2 * long.nbytes / best(lambda: backend.copy(there["long"]), 6),
            dispatch_seconds=best(lambda: backend.copy(there["one"]), 1000),
        )

    def _call(self, operation: str, params: Any) -> Any:
        return self.backend.wait(self.operations[operation](params, self.batch))

    def _queued_seconds(self, params: Any) -> float:
        """Of one `train` among QUEUED that are waited for together: the way to the device and back is shared.  The best of
        five, of a device that is awake."""
        train = self.operations["train"]

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
    """`count` starts, no two alike, nor near where the problem has a symmetry to turn it by.

    So a gradient or a descent that was kept from an earlier call answers another question.  All have the same loss,
    because of the symmetry: an old answer of `loss` is found by the gates, and by being faster than its arithmetic.
    """
    rng = np.random.default_rng(seed)
    turned = WORKLOADS[problem.workload].turned(problem.params, rng, count)
    turned = nudged(turned, rng, epsilon(problem.dtype))
    return [{key: p[i] for key, p in turned.items()} for i in range(count)]


def answer(method: Callable[[Any], Any], ask: Any) -> bytes:
    """What `method` answers, packed; an exception becomes Trouble, with the word for the cell."""
    try:
        return messages.pack(method(ask))
    except Exception as error:
        return messages.pack(_trouble(error, ask))


class TooLate(Exception):
    """A backend said in a call that it cannot run; a sentence with the remedy."""


TOO_LATE = "raised Unsupported in a call; raise it in the factory, or where the function is made"


def _trouble(error: Exception, ask: Any) -> messages.Trouble:
    """Return the word for the cell, and why; only while it is loaded or prepared may a backend say that it cannot."""
    said = f"{type(error).__name__}: {error}"[:2000]
    if isinstance(error, Unsupported):
        if isinstance(ask, messages.Load | messages.Prepare):
            return messages.Trouble(error.status, error.reason)
        return messages.Trouble("failed", f"{TOO_LATE}: {error.status}, {error.reason}")
    if isinstance(error, TooLate):
        return messages.Trouble("failed", str(error))
    if isinstance(error, Malformed):
        return messages.Trouble("disagrees", str(error))
    if any(isinstance(e, MemoryError) or "out of memory" in str(e).lower() for e in _chain(error)):
        return messages.Trouble("out of memory", said)
    if isinstance(ask, messages.Load) and (reason := _hidden(ask.backend)):
        return messages.Trouble("failed", reason)
    if isinstance(error, ModuleNotFoundError) and _is_absent(error, getattr(ask, "backend", "")):
        return messages.Trouble("not installed", f"{error}; install it to race this backend")
    # Where an import failed is for nobody to mend; where anything else did, its author wants to know.
    return messages.Trouble("failed", said if isinstance(error, ImportError) else f"{said} ({_where(error)})")


def _hidden(backend: str) -> str:
    """Return a sentence where a file of the library's name lies before the library on the path; '' otherwise."""
    library = backends.library_of(backend)
    found = _found(library) if library in backends.LIBRARIES else None
    if found is None or (found.origin and found.submodule_search_locations):
        return ""
    where = found.origin or next(iter(found.submodule_search_locations or ()), "")
    return (
        f"{library} was imported from {where}, which is not the library; rename it, or take its folder off PYTHONPATH"
    )


def _is_absent(error: ModuleNotFoundError, backend: str) -> bool:
    """Whether a package is missing that could be installed: not a part of one that is there, nor the backend's own module."""
    package, own = (error.name or "").partition(".")[0], backend.partition(":")[0].partition(".")[0]
    return package != own and (not package or _found(package) is None)


def _found(package: str) -> ModuleSpec | None:
    """Return where a package would be imported from; None where there is none."""
    try:
        return importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return None


def _where(error: Exception) -> str:
    """`mine.py, line 12, in train`: the last line that was running."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}, in {last.name}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those during whose handling it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def main(socket: int) -> None:
    cpu_accounting.bind()
    sys.path.append(os.getcwd())  # last: a backend of a person's own may lie there, and hides no library
    # Ctrl-C is the parent's to handle; it decides when the workers go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker, parent = Worker(), Connection(socket)
    methods = {kind: getattr(worker, kind.__name__.lower()) for kind in messages.Request.__args__}
    while True:
        try:
            ask = messages.unpack_request(parent.recv_bytes())
        except EOFError:
            return
        parent.send_bytes(answer(methods[type(ask)], ask))


if __name__ == "__main__":
    main(int(sys.argv[1]))
