"""Ctrl-C, and being told to end: when a race stops for it, and that nothing breaks into how it then ends."""

import contextlib
import os
import signal
from types import TracebackType
from typing import Self

TOLD_TO_END = (signal.SIGTERM, signal.SIGHUP)
"""From `kill`, from a time limit, from a terminal that is closed."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what is kept and how to go on."""


class Interrupts:
    """Inside `with`, the first Ctrl-C waits for `end_if_asked`; a second, and each of TOLD_TO_END, raises at once.

    Raised is Interrupted.  From then on this process hears none of these signals, and so ends undisturbed; one that was
    not interrupted hears them after `with` as it did before.
    """

    def __init__(self) -> None:
        self._asked = False

    def __enter__(self) -> Self:
        # What `nohup` has set to be ignored stays so.
        told = [signum for signum in TOLD_TO_END if signal.getsignal(signum) is not signal.SIG_IGN]
        self._before = {signum: signal.signal(signum, self._at_once) for signum in told}
        self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._patiently)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not isinstance(error, KeyboardInterrupt):
            for signum, handler in self._before.items():
                signal.signal(signum, handler)

    def end_if_asked(self) -> None:
        """Between two races; Interrupted where Ctrl-C was heard."""
        if self._asked:
            self._end()

    def _at_once(self, signum: int, frame: object) -> None:
        self._end()

    def _patiently(self, signum: int, frame: object) -> None:
        self.end_if_asked()
        self._asked = True
        # Not by print, which a signal may have broken into.
        with contextlib.suppress(OSError):
            os.write(2, b"\ninterrupted: finishing the race at hand (Ctrl-C again to stop at once)\n")

    def _end(self) -> None:
        for signum in self._before:
            signal.signal(signum, signal.SIG_IGN)
        raise Interrupted
