"""The process of one entrant, as the race sees it: started, asked, ended.

Everything that must be fixed before a framework is imported is fixed here: environment, threads, and a
core to begin on, from where `Pin` moves it.  Spawned, never forked: JAX hangs in a forked child.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import psutil

import backends
import bench
from bench.records.schema import Entrant, Outcome
from bench.workers import messages
from bench.workers.cpu_accounting import PLACE, PLACES

ROOT = Path(__file__).parents[1]

THREADS = 1
"""Threads a worker may compute with: the headline is one thread on one pinned core."""

KEPT_OUTPUT = 4000
"""Characters of a failed worker's output that the record keeps."""

MARK = "BENCH_WORKER"
"""The environment variable by which whatever a worker started is found, wherever it has gone."""


class Failed(Exception):
    """The worker could not do what it was asked; `outcome` says what fills its cells."""

    def __init__(self, word: str, reason: str, output: str = ""):
        super().__init__(f"{word}: {reason}")
        self.outcome = Outcome(status=word, reason=reason)
        self.output = output


class Layout(NamedTuple):
    """Two numbers that move the arrays of a process: equal for all processes of a generation, others in the next."""

    heap_place: int = 0
    """The place in its page where the heap begins: one of usage.PLACES."""
    hash_seed: int = 0
    """The seed of Python's hashes, which decide what importing allocates."""

    def environment(self) -> dict[str, str]:
        """Return the variables that make it so, of one length."""
        return {PLACE: f"{self.heap_place:03}", "PYTHONHASHSEED": f"{self.hash_seed:010}"}


USUAL_LAYOUT = Layout()


def layout(seed: int, generation: int) -> Layout:
    """Return the layout of a generation.

    Identical code is laid out alike in it and can be told to be identical.  What a layout does to different code differs from
    one generation to the next, so that it is in the interval.
    """
    rng = np.random.default_rng([seed, generation])
    return Layout(int(rng.integers(PLACES)), int(rng.integers(2**32)))


class Process:
    """A running worker.  `ask` raises Failed; after a crash or a missed deadline it is not `alive`."""

    loaded: messages.Loaded | None = None
    """What it answered to Load, once it has."""

    def __init__(self, entrant: Entrant, cores: list[int], cache: Path, layout: Layout = USUAL_LAYOUT):
        """Start it on `cores`; anywhere without any."""
        self._mark, self._spent, self._said = secrets.token_hex(8), 0.0, ""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the process
        self._connection, theirs = Pipe()
        with theirs, _affinity(cores):
            self._process = subprocess.Popen(
                # With -P a script called jax.py in the working folder is not taken for the library.
                # Arguments and environment have one length for all: their size moves what lies on the stack.
                [sys.executable, "-P", "-m", "bench.workers.worker", f"{theirs.fileno():04}"],
                env=_given() | _environment(entrant, cache) | layout.environment() | {MARK: self._mark},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.alive = True

    def ask(self, request: messages.Request, deadline: float):
        """The answer.  All about one problem, from Prepare on, may take `deadline` seconds together; Pin is about none."""
        if isinstance(request, messages.Prepare):
            self._spent = 0.0
        packed = messages.pack(request)
        began = time.monotonic()
        try:
            self._connection.send_bytes(packed)
            if not self._answers_within(deadline if isinstance(request, messages.Pin) else deadline - self._spent):
                self.end()
                raise Failed("timed out", f"no answer to {_name(request)} within {deadline:g} s", self._last_output())
            answer = messages.unpack_answer(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise self._crashed(request) from None
        except msgspec.MsgspecError as error:
            self.end()
            raise Failed(
                "crashed", f"its answer to {_name(request)} could not be read ({error})", self._last_output()
            ) from None
        finally:
            if not isinstance(request, messages.Pin):
                self._spent += time.monotonic() - began
        if isinstance(answer, messages.Trouble):
            raise Failed(answer.status, answer.reason, self._last_output())
        return answer

    def _answers_within(self, seconds: float) -> bool:
        """EOFError once the process is gone: a child of its may hold the connection open."""
        until = time.monotonic() + seconds
        while not self._connection.poll(min(1.0, max(0.0, until - time.monotonic()))):
            if time.monotonic() >= until:
                return False
            if self._process.poll() is not None and not self._connection.poll():
                raise EOFError
        return True

    def kill(self) -> None:
        """The process, its group, and whatever else descends from it, at once; `ask` then says that it crashed.

        Not once it was ended: its number may be another process's.
        """
        if self._connection.closed:
            return
        self.alive = False
        for child in self._children():
            with contextlib.suppress(psutil.Error):
                child.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self._mark:
                    process.kill()

    def _children(self) -> list[psutil.Process]:
        """While the worker lives: all that it started, orphans too, for it is their subreaper."""
        if self._process.returncode is not None:
            return []
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.Error:
            return []

    def end(self) -> None:
        """The process and all it started, once; what it said last is kept."""
        if self._connection.closed:
            return
        self.kill()
        self._process.wait()
        self._connection.close()
        self._said = self._last_output()
        self._output.close()

    def _crashed(self, request: messages.Request) -> Failed:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = None
        self.end()
        how = (
            "closed its connection"
            if code is None
            else f"ended with exit code {code}"
            if code >= 0
            else f"was ended by {_signal(code)}"
        )
        return Failed("crashed", f"the process {how} during {_name(request)}", self._last_output())

    def _last_output(self) -> str:
        if self._output.closed:
            return self._said
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - 4 * KEPT_OUTPUT))
        return self._output.read().decode("utf-8", "replace")[-KEPT_OUTPUT:]


ALLOCATORS = {
    # glibc as it comes; the variables do nothing, but are as long as the others.
    "default": {"BENCH__MMAP_MAX_": "0", "BENCH__TRIM_THRESHOLD_": str(2**40)},
    # glibc keeps what is freed, and takes large arrays from the heap, too.
    "kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)},
}

STEERING = (
    "COVERAGE_",
    "GLIBC_TUNABLES",
    "GOMP_",
    "KMP_",
    "LD_",
    "MALLOC_",
    "OMP_",
    *(f"PYTHON{what}" for what in ("ASYNCIODEBUG", "DEVMODE", "HOME", "MALLOC", "OPTIMIZE", "PERFSUPPORT", "PROFILE")),
    *(f"PYTHON{what}" for what in ("TRACEMALLOC", "_CPU_COUNT", "_GIL", "_JIT", "_PERF")),
)
"""How the names of variables begin that change how any process computes; libraries add their own."""


def steering(entrants: Iterable[Entrant]) -> dict[str, str]:
    """Return the variables a person has set that may change how a worker computes, and that the suite leaves to some worker."""
    ours = [set(_environment(entrant, Path())) for entrant in entrants]
    set_for_all = set.intersection(*ours) if ours else set()
    return {name: value for name, value in _given().items() if _steers(name) and name not in set_for_all}


def _steers(name: str) -> bool:
    return name.startswith((*STEERING, *(prefix for x in backends.LIBRARIES.values() for prefix in x.steered_by)))


def _given() -> dict[str, str]:
    """Return the environment without the variables that a library set in this process: they are not passed to workers."""
    return {name: value for name, value in os.environ.items() if name in bench.GIVEN or not _steers(name)}


def _environment(entrant: Entrant, cache: Path) -> dict[str, str]:
    """Return what the suite sets for a worker: threads, memory, and what each library needs, for every worker alike."""
    libraries: dict[str, str] = {}
    for library in backends.LIBRARIES.values():
        libraries |= library.environment(entrant.device, str(cache), THREADS)
    return libraries | {
        "OMP_NUM_THREADS": str(THREADS),
        "OMP_WAIT_POLICY": "PASSIVE",  # an idle team must not spin while others have their turn
        **ALLOCATORS[entrant.allocator],
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    }


@contextlib.contextmanager
def _affinity(cores: list[int]) -> Iterator[None]:
    """This thread on `cores`, so that a process started meanwhile is born there."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def usable_cores() -> list[int]:
    """The cores this process may pin workers to; empty where pinning is not possible."""
    try:
        cores = sorted(os.sched_getaffinity(0))
        with _affinity(cores[:1]):
            return cores
    except OSError:
        return []


def _name(request: messages.Request) -> str:
    return type(request).__name__.lower()


def _signal(code: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
