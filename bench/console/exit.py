"""How every command here ends: a sentence, and one of five exit codes."""

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from bench.console.escape import escaped
from bench.errors import UsageError

GOOD, DISAGREEMENT, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130
REGRESSION = DISAGREEMENT


def ended(work: Callable[[], int]) -> int:
    """The exit code of `work`; what a person did ends it in one sentence on stderr and no traceback."""
    open_streams()
    try:
        return work()
    except UsageError as error:
        warn(str(error))
        return USAGE
    except KeyboardInterrupt as interrupted:
        warn(str(interrupted) or "interrupted; run it again")
        return INTERRUPTED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        warn(f"cannot write the output ({error.strerror}); make room for it")
        return USAGE


def open_streams() -> None:
    """One that a shell has closed leads nowhere; otherwise the next file that is opened would have its number."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            setattr(sys, name, open(number, "w"))  # noqa: SIM115 - as long as the process


def folder(text: str) -> Path:
    """For `--results`: an empty path would be the current folder, which nobody named."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path names no folder; give the one that results go to")
    return Path(text)


class Patient:
    """A stream that loses what cannot be written, and says so once where a disk is full: what goes on is worth more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._full = stream, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            if error.errno == errno.ENOSPC and not self._full:
                warn(f"cannot write the output ({error.strerror}); what was measured is kept")
                self._full = True
            _to_nowhere(self._stream)
        return len(text)

    def flush(self) -> None:
        self.write("")


def _to_nowhere(stream: TextIO) -> None:
    """What is still buffered must not raise once more."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Around what is printed at the end: its reader may leave before, and the exit code stays what it is."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)


def warn(line: str) -> None:
    print(escaped(line), file=sys.stderr)
