"""The process of one entrant, as the race sees it: started, asked under a deadline, ended.

It is spawned and never forked, because JAX hangs in a forked child.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil

from bench.records.schema import Entrant, Outcome
from bench.workers import messages
from bench.workers.channel import Channel
from bench.workers.cores import pinned
from bench.workers.environment import USUAL_LAYOUT, Layout, environment

KEPT_OUTPUT = 4000
"""Characters of a failed worker's output that the record keeps."""


class Failed(Exception):
    """The worker could not do what it was asked; `outcome` is what its cells say."""

    def __init__(self, status: str, reason: str, output: str = ""):
        super().__init__(f"{status}: {reason}")
        self.outcome = Outcome(status, reason)
        self.output = output


class Process:
    """A running worker.  After a crash or a missed deadline it is not `alive`."""

    loaded: messages.Loaded | None = None
    """What it answered to Load, once it has."""

    def __init__(self, entrant: Entrant, cores: Sequence[int], cache: Path, layout: Layout = USUAL_LAYOUT):
        """Start it on `cores`, anywhere where there are none; `cache` is the folder for programs that it compiles."""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as the process
        self._said = ""
        ours, theirs = socket.socketpair()
        with theirs, pinned(cores):
            self._process = subprocess.Popen(
                # The argument has one length for all, because the size of the arguments moves what lies on the stack.
                [sys.executable, "-m", "bench.workers.worker", f"{theirs.fileno():04}"],
                env=environment(entrant, cache, layout),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._channel = Channel(ours, gone=lambda: self._process.poll() is not None)
        self.alive = True

    def ask(self, request: messages.Request, deadline: float) -> Any:
        """Return the answer; Failed where there is none.

        From Prepare on, all requests about one problem may take `deadline` seconds together.  Pin belongs to no problem and
        has a deadline of its own.
        """
        left = self._channel.left
        if isinstance(request, messages.Load | messages.Prepare | messages.Pin):
            self._channel.left = deadline
        try:
            answer = self._answer(request)
        except TimeoutError:
            self.end()
            raise Failed("timed out", f"no answer to {_name(request)} within {deadline:g} s", self._said) from None
        except (EOFError, OSError):
            raise self._crashed(request) from None
        except msgspec.MsgspecError as error:
            self.end()
            reason = f"its answer to {_name(request)} could not be read ({error})"
            raise Failed("crashed", reason, self._said) from None
        if isinstance(request, messages.Pin):
            self._channel.left = left
        if isinstance(answer, messages.Trouble):
            raise Failed(answer.status, answer.reason, self._last_output())
        return answer

    def _answer(self, request: messages.Request) -> messages.Answer:
        self._channel.send(messages.pack(request))
        return messages.unpack_answer(self._channel.receive())

    def kill(self) -> None:
        """End the process, its group and its children at once; `ask` then says that it crashed.

        A process that was ended is left alone, because its number may be another process's.
        """
        if self._channel.closed:
            return
        self.alive = False
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self._process.pid).children(recursive=True)
        for child in children:
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

    def _crashed(self, request: messages.Request) -> Failed:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = None
        self.end()
        return Failed("crashed", f"the process {_how(code)} during {_name(request)}", self._said)

    def _last_output(self) -> str:
        if self._output.closed:
            return self._said
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - 4 * KEPT_OUTPUT))
        return self._output.read().decode("utf-8", "replace")[-KEPT_OUTPUT:]


def _how(code: int | None) -> str:
    """Return how a process ended: `ended with exit code 3`, `was ended by SIGSEGV`."""
    if code is None:
        return "closed its connection"
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _name(request: messages.Request) -> str:
    return type(request).__name__.lower()
