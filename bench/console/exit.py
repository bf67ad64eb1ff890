"""End every command by a sentence and one of five exit codes."""

import argparse
import contextlib
import errno
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from bench.console import escaped
from bench.errors import UsageError

GOOD, DISAGREEMENT, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130
REGRESSION = DISAGREEMENT


def ended(work: Callable[[], int]) -> int:
    """Return the exit code of `work`; an error of the person's ends it in one sentence on stderr and no traceback."""
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
    """Point a stream that a shell has closed to nowhere: otherwise the next file that is opened would get its number."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            setattr(sys, name, open(number, "w"))  # noqa: SIM115 - it stays open as long as the process


def folder(text: str) -> Path:
    """Return the folder of `--results`; an empty path would be the current folder, which nobody named."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path names no folder; give the one that results go to")
    return Path(text)


def whole_number(text: str) -> int:
    """Return the number; ArgumentTypeError for one that is negative or no number."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def percentage(text: str) -> float:
    """Return the share that `2%` is; ArgumentTypeError for anything else, 0% and 100% among it."""
    number = text.removesuffix("%").strip()
    try:
        share = float(number) / 100 if text.endswith("%") else math.nan
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage between 0% and 100%; write it as 3%")
    return share


class Patient:
    """A stream that drops what cannot be written, and says so once where a disk is full, because the run is worth more."""

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
    """Point the stream to nowhere, so that what is still buffered does not raise once more."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Print what ends a command: where the reader of a pipe has left, the exit code stays what it is."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)


def warn(line: str) -> None:
    """Print a line on stderr."""
    print(escaped(line), file=sys.stderr)
