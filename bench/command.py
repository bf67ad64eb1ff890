"""How every command here ends: a sentence, and one of five exit codes."""

import errno
import os
import sys
from collections.abc import Callable

from bench.problem import UsageError
from bench.report.units import inert
from bench.report.words import GOOD, INTERRUPTED, USAGE


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
    except BrokenPipeError:
        # The reader of a pipe left; what is still buffered must not raise once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        warn(f"cannot write the output ({error.strerror}); make room for it")
        return USAGE


def warn(line: str) -> None:
    print(inert(line), file=sys.stderr)
