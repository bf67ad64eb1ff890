"""Pose the problems, check that backends agree, time them, report. Imports no framework."""
