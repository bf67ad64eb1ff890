"""Pose the problems, check that backends agree, time them, report. Imports no framework."""

import os

GIVEN = frozenset(os.environ)
"""The names of the environment's variables, before any library that this process imports has added its own."""
