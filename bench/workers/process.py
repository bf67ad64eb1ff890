"""The process of one entrant, as the race sees it: spawned (JAX hangs when forked), asked under a deadline, ended."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import psutil

from bench.records.schema import Entrant, Outcome
from bench.workers import messages
from bench.workers.channel import Channel
from bench.workers.cores import pinned
from bench.workers.environment import USUAL_LAYOUT, Layout, environment
from bench.workers.worker import Worker

KEPT_OUTPUT = 4000  # characters of a failed worker's output that the record keeps


class Failed(Exception):
    """The worker could not do what it was asked; `outcome` is what its cells say."""

    def __init__(self, status: str, reason: str, output: str = ""):
        super().__init__(f"{status}: {reason}")
        self.outcome = Outcome(status, reason)
        self.output = output


class Remote:
    """Stands for a Worker elsewhere: to call one of its methods is to ask it."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        """`ask` is called with the name of the method and what it is given, and returns the answer."""
        self._ask = ask

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return partial(self._ask, method)


class Process:
    """A running worker.  After a crash or a missed deadline it is not `alive`."""

    loaded: messages.Loaded | None = None  # what it answered to `load`, once it has

    def __init__(self, entrant: Entrant, cores: Sequence[int], cache: Path, layout: Layout = USUAL_LAYOUT):
        """Start it on `cores`, anywhere where there are none; `cache` is the folder for programs that it compiles."""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as the process
        self._said = ""
        ours, theirs = socket.socketpair()
        with theirs, pinned(cores):
            self._process = subprocess.Popen(
                # The argument has one length for all, because the size of the arguments moves what lies on the stack.
                [sys.executable, "-m", "bench.workers", f"{theirs.fileno():04}"],
                env=environment(entrant, cache, layout),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._channel = Channel(ours, gone=lambda: self._process.poll() is not None)
        self.alive = True

    def ask(self, deadline: float) -> Worker:
        """Return what stands for the worker: its methods return the answers, or raise Failed where there are none.

        From `prepare` on, all requests about one problem take at most `deadline` seconds together; `pin` has its own.
        """
        return cast(Worker, Remote(partial(self._answer, deadline)))

    def _answer(self, deadline: float, method: str, *given: Any) -> Any:
        left = self._channel.left
        if method in ("load", "prepare", "pin"):
            self._channel.left = deadline
        try:
            self._channel.send(messages.pack(messages.Request(method, list(given))))
            answer: messages.Answer = messages.unpack(self._channel.receive(), type=messages.Answer)
            if method == "pin":
                self._channel.left = left
            if answer.outcome.status == "ok":
                return messages.unpack(answer.found, type=getattr(Worker, method).__annotations__["return"])
        except TimeoutError:
            self.end()
            raise Failed("timed out", f"no answer to {method} within {deadline:g} s", self._said) from None
        except (EOFError, OSError):
            how = self._how_it_ended()
            raise Failed("crashed", f"the process {how} during {method}", self._said) from None
        except msgspec.MsgspecError as error:
            self.end()
            raise Failed("crashed", f"its answer to {method} could not be read ({error})", self._said) from None
        raise Failed(answer.outcome.status, answer.outcome.reason, self._last_output())

    def kill(self) -> None:
        """End the process, its group and its children at once, unless it was ended; `ask` then says that it crashed."""
        if self._channel.closed:
            return
        self.alive = False
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """End the process, and keep what it said last."""
        if self._channel.closed:
            return
        self.kill()
        self._process.wait()
        self._channel.close()
        self._said = self._last_output()
        self._output.close()

    def _how_it_ended(self) -> str:
        """End the process, and return how it had ended: `ended with exit code 3`, `was ended by SIGSEGV`."""
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=5)
        self.end()
        if code is None:
            return "closed its connection"
        if code >= 0:
            return f"ended with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"

    def _last_output(self) -> str:
        if self._output.closed:
            return self._said
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - 4 * KEPT_OUTPUT))
        return self._output.read().decode("utf-8", "replace")[-KEPT_OUTPUT:]
