"""What a race has left running, found by a mark in the environment that all it starts inherits."""

import contextlib
import os

import psutil

MARK = {"FAULTS_CAUSED_BY": str(os.getpid())}
"""Of this process alone: other runs on the machine have workers of their own."""


def left_behind() -> list[psutil.Process]:
    """Every process with the mark, but this one and those that have ended."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _is_marked(p)]


def _is_marked(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return MARK.items() <= process.environ().items() and process.status() != psutil.STATUS_ZOMBIE
    return False
