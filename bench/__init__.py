"""Pose the problems, check that backends agree, time them, report.  No module here imports a library of the comparison."""

import os
import sys
from pathlib import Path

GIVEN = frozenset(os.environ)  # the variables' names, before a library that this process imports has added its own


# The working folder goes to the end of the path: a person's backend may lie there, and numpy.py must hide no library.
if Path.cwd() != Path(__file__).parents[1]:
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path.cwd()] + [os.getcwd()]
