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
from collections.abc import Iterator
from multiprocessing.connection import Pipe
from pathlib import Path

import msgspec
import psutil

import bench
from bench import messages
from bench.record import Entrant, Outcome
from bench.usage import PLACE

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
        self.outcome = Outcome(word=word, reason=reason)
        self.output = output


class Process:
    """A running worker.  `ask` raises Failed; after a crash or a missed deadline it is not `alive`."""

    loaded: messages.Loaded | None = None
    """What it answered to Load, once it has."""

    def __init__(self, entrant: Entrant, cores: list[int], cache: Path, heap_place: int = 0):
        """Born on `cores`; anywhere without any.  Its heap begins at `heap_place`, one of usage.PLACES."""
        self._mark, self._spent, self._said = secrets.token_hex(8), 0.0, ""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the process
        self._connection, theirs = Pipe()
        with theirs, _affinity(cores):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.worker", str(theirs.fileno())],
                # Of one length for all: the size of the environment moves what lies on the stack.
                env=_given() | _environment(entrant, cache) | {MARK: self._mark, PLACE: f"{heap_place:03}"},
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
            raise Failed(answer.word, answer.reason, self._last_output())
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


STEERING = (
    "AOT_",
    "ATEN_",
    "BLIS_",
    "CUBLAS_",
    "CUDNN_",
    "CXX",
    "DNNL_",
    "GLIBC_TUNABLES",
    "GOMP_",
    "JAX_",
    "KMP_",
    "LD_PRELOAD",
    "MKL_",
    "NPY_",
    "NVIDIA_TF32_",
    "OMP_",
    "ONEDNN_",
    "OPENBLAS_",
    "PYTORCH_JIT",
    "TF_XLA_",
    "TORCH",
    "TRITON_",
    "XLA_",
)
"""How the names of the variables begin that `steering` looks for."""


def steering(entrant: Entrant) -> dict[str, str]:
    """What may change how its libraries compute (another kernel, another compiler or none) and is not set here."""
    ours = _environment(entrant, Path())
    return {name: value for name, value in _given().items() if name.startswith(STEERING) and name not in ours}


def _given() -> dict[str, str]:
    """The environment without what a library set in this process: as it steers nobody else's, it steers no worker."""
    return {n: value for n, value in os.environ.items() if n in bench.GIVEN or not n.startswith(STEERING)}


def _environment(entrant: Entrant, cache: Path) -> dict[str, str]:
    threads = str(THREADS)
    return {
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",  # an idle team must not spin while others have their turn
        "PYTHONHASHSEED": "0",  # or what importing allocates, and so where arrays lie, would be drawn by every process
        # glibc keeps what is freed.  Otherwise the layout of the heap decides, process by process, whether every
        # step's arrays are given back to the kernel and faulted in again: a factor of 2 was seen, for identical code.
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(2**40),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # leave device memory to the neighbours
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        # That g++ can compile torch's vector library.  To try it took 5 to 10 s of CPU in every new cache, and 0.6 s in
        # every process after; it is no program's affair.
        "TORCHINDUCTOR_VEC_ISA_OK": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(cache),
        # JAX keeps nothing by itself: without these its warm first calls would be cold ones.
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])),
        **({} if entrant.device == "cuda" else _CPU_ALONE),
    }


_CPU_ALONE = {
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    # XLA's pool; its XLA_FLAGS do not limit it.  For a GPU it tries kernels with this pool as it compiles.
    "NPROC": str(THREADS),
    "PJRT_NPROC": str(THREADS),
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
