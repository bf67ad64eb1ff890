"""Pose the problems, check that backends agree, time them, report.  No module here imports a library of the comparison."""

import os
import sys
from pathlib import Path

GIVEN = frozenset(os.environ)
"""The names of the environment's variables, before any library that this process imports has added its own."""


def _look_last_in_the_working_folder() -> None:
    """Move the working folder to the end of the path: a person's backend may lie there, and numpy.py must hide no library."""
    if Path.cwd() != Path(__file__).parents[1]:
        sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path.cwd()] + [os.getcwd()]


_look_last_in_the_working_folder()
