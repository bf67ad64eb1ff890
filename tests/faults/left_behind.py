"""Find what a race has left running, by a mark in the environment that all it starts inherit."""

import contextlib
import os

import psutil

MARK = ("FAULTS_CAUSED_BY", str(os.getpid()))
"""A variable of this process alone: other runs on the machine have workers of their own."""


def left_behind() -> list[psutil.Process]:
    """Return every process with the mark, but this one and those that have ended."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _is_marked(p)]


def _is_marked(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        name, value = MARK
        return process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE
    return False
