"""The worker: it holds one backend in a process of its own, where `bench.workers.__main__` answers requests by it."""

import gc
import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
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
from bench.records.schema import Limits, Outcome, Positive
from bench.resources import Resources
from bench.workers import cpu_accounting, memory, messages, problem_files
from bench.workers.cores import pin_all_threads
from bench.workers.trouble import TooLate, trouble
from bench.workloads import WORKLOADS

FEW_STEPS, FEW_STEPS_SECONDS = 4, 0.05
"""The samples of a turn follow so many untimed steps at least, unless they take longer than these seconds (docs/measured.md)."""

LARGE = 2**25  # bytes moved by a step, above which memory in older cycles is collected, too; torch takes long for it

IDLE_LOOKS, IDLE_SECONDS = 50, 0.005  # how often, and for how long, a process is watched until its threads have stopped

QUEUED = 5  # calls of `train` that follow one another without being waited for, to measure what a device takes for one


class Worker:
    """Holds the backend and the last problem; every public method is a request, and says what is read."""

    backend: Backend
    resources: Resources
    dtype: str
    problem: Problem
    functions: Functions
    batch: Any
    _cores: list[int] = []

    def load(self, backend: str, resources: Resources, dtype: str) -> messages.Loaded:
        """Import one library and make one backend."""
        self.resources, self.dtype = resources, dtype
        seconds, made = clock.timed(lambda: backends.load(backend, resources.device, dtype))
        self.backend = checked(made)
        pin_all_threads(self._cores)  # again, because a library may have started threads
        # torch.__version__ is a kind of str of its own, which no message can hold.
        versions = {library: str(version) for library, version in self.backend.versions.items()}
        whole, names = getattr(self.backend, "peak_of_the_process", False), [x.name for x in offered(self.backend)]
        return messages.Loaded(seconds, self.backend.mode, versions, whole, names)

    def pin(self, cores: list[int]) -> None:
        """Pin every thread to `cores`; to none where there are none."""
        pin_all_threads(cores)
        self._cores = cores

    def prepare(self, problem: str, operations: list[str]) -> messages.Prepared:
        """Compile `operations` for the problem in the folder `problem`, and call each once, timed."""
        self.problem, self.functions = problem_files.read(problem), {}
        self.batch = self.backend.wait(self.backend.put(self.problem.batch))
        params, compiled = self.backend.wait(self.backend.put(self.problem.params)), self._compilations()

        def first_call(operation: str) -> None:
            self.functions[operation] = OPERATIONS[operation].make(self.backend, self.problem)
            try:
                self._call(operation, params)
            except Unsupported as error:
                raise TooLate(error, operation) from None

        first = {operation: clock.timed(partial(first_call, operation))[0] for operation in operations}
        for other in offered(self.backend):
            if other.name not in first:
                self.functions[other.name] = other.make(self.backend, self.problem)
        if self.problem.bytes_moved > LARGE:
            gc.unfreeze()
        gc.collect()
        gc.freeze()  # what is alive now stays out of later collections, which otherwise take longer than a turn
        counts = hasattr(self.backend, "compilations")
        return messages.Prepared(first, self._compilations() - compiled if counts else None)

    def compute(self, halfway: str, decoy: str, others: list[str]) -> Computed:
        """Run the prepared problem for the checks of agreement, with these folders: see `agreement.answers.compute`."""
        there = [problem_files.read(folder) for folder in (halfway, decoy, *others)]
        return compute(self.backend, self.functions, self.problem, there[0].params, there[1], there[2:])

    def promise(self) -> dict[str, str]:
        """Return, for each promise of the protocol that needs no reference, how it was broken; '' where it was kept."""
        return promises.tried(self.backend, self.problem)

    def pilot(self, operations: list[str]) -> dict[str, Positive]:
        """Return the seconds of the faster of two calls; of a dozen where so short that several may make one sample."""
        seeds = itertools.count()

        def fastest(operation: str) -> float:
            def one() -> float:
                start = self.backend.wait(self.backend.put(starts(self.problem, next(seeds), 1)[0]))
                return clock.timed(lambda: self._call(operation, start))[0]

            first = min(one(), one())
            return min(first, *(one() for _ in range(10))) if first < 2 * clock.SHORTEST_SAMPLE else first

        with self._turns.measured():
            return {operation: fastest(operation) for operation in operations}

    def begin(self, step_bytes: float, room_for: int, warm_up_seconds: float) -> None:
        """Put the batch on the device anew, from the core that is raced on, and count from now on what is done.

        `room_for`: processes whose heaps share the memory for a step of `step_bytes` each; 0 where this one gets no room.
        `warm_up_seconds`: the least time of untimed calls that begin a turn; the device may need more.
        """
        self.batch = None
        self.batch = self.backend.wait(self.backend.put(self.problem.batch))
        if room_for:
            memory.give_room(step_bytes, room_for)
        self._warm_up_seconds = max(warm_up_seconds, DEVICES[self.resources.device].least_warm_up_seconds)
        self._turns, self._calls, self._compiled = cpu_accounting.Meter(), cpu_accounting.Meter(), 0
        self._threads_before = cpu_accounting.thread_seconds()
        self._began = time.monotonic(), time.process_time()

    def turn(self, calls: dict[str, int], samples: dict[str, int], seed: int) -> dict[str, list[messages.Sample]]:
        """Return so many timed samples, of so many calls each, of each operation, in this order, after untimed ones.

        Each timed call has a start of its own.
        """
        with self._turns.measured():
            needed = {op: count * samples[op] + 1 for op, count in calls.items()}
            given = {op: starts(self.problem, seed + i, count) for i, (op, count) in enumerate(needed.items())}
            there = {op: [self.backend.wait(self.backend.put(start)) for start in given[op]] for op in given}
            compiled = self._compilations()
            gc.collect()  # before the untimed calls, because collecting drives data out of the caches
            found = {op: self._samples(op, calls[op], given[op], there[op]) for op in calls}
            self._compiled += self._compilations() - compiled
            self._fall_idle()
            return found

    def _fall_idle(self) -> None:
        """Wait until the threads of a library have stopped: OpenBLAS's look for work for some 25 ms after a call."""
        for _ in range(IDLE_LOOKS if self.resources.threads > 1 else 0):
            before = time.process_time()
            time.sleep(IDLE_SECONDS)
            if time.process_time() - before < 0.1 * IDLE_SECONDS:
                return

    def _samples(self, operation: str, calls: int, given: list[Arrays], there: list[Any]) -> list[messages.Sample]:
        """Take samples of so many calls from all starts but the first: `given` as NumPy arrays, `there` on the device."""

        def sample(first: int) -> messages.Sample:
            some = there[first : first + calls]
            nanoseconds, outputs = clock.sample(self.functions[operation], self.backend.wait, some, self.batch)
            loss, arrays = OPERATIONS[operation].split(self.backend.get(outputs[-1]))
            far = distance(arrays, given[first + calls - 1])
            return messages.Sample(nanoseconds, float(np.ravel(loss)[-1]), far)

        with self._calls.measured():
            self._warm_up(operation, there[0], calls)
            return [sample(first) for first in range(1, len(there), calls)]

    def _warm_up(self, operation: str, params: Any, calls: int = 1) -> None:
        """Take untimed samples of so many calls for the warm-up's seconds, and on to FEW_STEPS or FEW_STEPS_SECONDS.

        They keep their outputs as the timed sample does, which would otherwise be the first to touch the memory for them.
        """
        steps = self.problem.timed_steps if OPERATIONS[operation].takes_steps else 1
        began, done, spent = time.monotonic(), 0, 0.0
        while not done or spent < self._warm_up_seconds or (done < FEW_STEPS and spent < FEW_STEPS_SECONDS):
            clock.sample(self.functions[operation], self.backend.wait, [params] * calls, self.batch)
            done, spent = done + calls * steps, time.monotonic() - began

    def tally(self) -> messages.Tallied:
        """Return what the process did since `begin`, in its turns and outside of them."""
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

    def transfer(self) -> messages.Transferred:
        """Measure the device memory of one `train`, how long its arrays travel, and its time when nobody waits for it."""
        params = self.backend.wait(self.backend.put(self.problem.params))
        device_peak = getattr(self.backend, "peak_device_bytes", lambda: None)
        device_peak()
        trained, _ = self._call("train", params)
        device_peak_bytes, given = device_peak(), self.problem.params | self.problem.batch
        # Each is fetched once, because a library may keep what it has fetched.
        fetched = iter([self.backend.wait(self.backend.put(self.backend.get(trained))) for _ in range(5)])
        put_seconds = _fastest(lambda: self.backend.wait(self.backend.put(given)), 5)
        get_seconds = _fastest(lambda: self.backend.get(next(fetched)), 5)
        device_seconds = None if DEVICES[self.resources.device].is_the_cpu else self._queued_seconds(params)
        return messages.Transferred(device_peak_bytes, put_seconds, get_seconds, device_seconds)

    def probe(self, side: int, copied_bytes: int) -> Limits:
        """Measure what the machine can do by this library, with matrices of `side` rows and columns.

        The best of several tries counts: a limit is what the machine can do, not what it usually does.
        """
        backend: Any = self.backend
        dtype = array_dtype(self.dtype)
        square, long = np.ones((side, side), dtype), np.ones(copied_bytes // dtype.itemsize, dtype)
        # Products of constants would take a GPU less power, and so less time.
        np.random.default_rng(0).standard_normal(out=square, dtype=dtype)
        there = backend.wait(backend.put({"square": square, "long": long}))

        multiplied = _fastest(lambda: backend.wait(backend.matmul(there["square"], there["square"])), 6)
        copied = _fastest(lambda: backend.wait(backend.copy(there["long"])), 6)
        return Limits(self.resources, self.dtype, 2 * side**3 / multiplied, 2 * long.nbytes / copied)

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


def answer(worker: Worker, asked: bytes) -> bytes:
    """Return the packed answer to a packed request; an exception becomes the status and the reason."""
    request: messages.Request = messages.unpack(asked, type=messages.Request)
    try:
        method = getattr(worker, request.method)
        *wanted, _ = method.__annotations__.values()
        given = [msgspec.convert(value, kind) for value, kind in zip(request.given, wanted, strict=True)]
        return messages.pack({"outcome": Outcome("ok"), "found": method(*given)})  # an Answer, packed at once
    except Exception as error:
        return messages.pack(messages.Answer(trouble(error, request)))
