"""How every command here ends: a sentence, and one of five exit codes."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator

from bench.problem import UsageError
from bench.report.units import inert
from bench.report.words import INTERRUPTED, USAGE


def ended(work: Callable[[], int]) -> int:
    """The exit code of `work`; what a person did ends it in one sentence on stderr and no traceback."""
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


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Around what is printed at the end: its reader may leave before, and the exit code stays what it is."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not raise once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warn(line: str) -> None:
    print(inert(line), file=sys.stderr)
