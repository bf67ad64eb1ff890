"""Ctrl-C and signals that ask a process to end: when a race stops for them, undisturbed by the next one."""

import contextlib
import os
import signal
from typing import Self

TOLD_TO_END = (signal.SIGTERM, signal.SIGHUP)  # from `kill`, from a time limit, from a terminal that is closed


class Interrupted(KeyboardInterrupt):
    """A run was ended; the message says what is kept and how to go on."""


class Interrupts:
    """Inside `with`, the first Ctrl-C waits for `end_if_asked`; a second, and each of TOLD_TO_END, raises Interrupted.

    From then on this process ignores these signals, so that it ends undisturbed.
    """

    def __init__(self) -> None:
        self._asked = False

    def __enter__(self) -> Self:
        told = [signum for signum in TOLD_TO_END if signal.getsignal(signum) is not signal.SIG_IGN]  # as nohup sets it
        self._before = {signum: signal.signal(signum, self._end) for signum in told}
        self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._patiently)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        if not isinstance(error, KeyboardInterrupt):
            for signum, handler in self._before.items():
                signal.signal(signum, handler)

    def end_if_asked(self) -> None:
        """Raise Interrupted where Ctrl-C was pressed; called between two races."""
        if self._asked:
            self._end()

    def _patiently(self, signum: int, frame: object) -> None:
        self.end_if_asked()
        self._asked = True
        with contextlib.suppress(OSError):  # by os.write, because a signal may have come in the middle of a print
            os.write(2, b"\ninterrupted: finishing the race at hand (Ctrl-C again to stop at once)\n")

    def _end(self, *of_the_signal: object) -> None:
        for signum in self._before:
            signal.signal(signum, signal.SIG_IGN)
        raise Interrupted
