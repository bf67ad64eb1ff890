"""The record that a run begins with."""

import shlex
import subprocess
import sys
from copy import copy
from datetime import UTC, datetime
from pathlib import Path

from bench.console import escaped
from bench.plan.entrants import entrants
from bench.plan.selection import GENERATIONS, OF_THREADS, RESULTS, WARM_UP, Selection
from bench.problem import Problem
from bench.records import host
from bench.records.schema import ProblemFacts, Record, Settings
from bench.workers.environment import steering

ROUNDS = {"default": 4, "rigorous": 8, "quick": 2}
"""Turns of an entrant in a race that nothing disturbs (docs/measured.md)."""
SLOWEST_STEP = 1.0  # seconds that a step may take on the ladder of sizes; a size that would take longer is skipped

AS_SELECTED = ("seed", "problems", "backends", "resources", "dtypes", "allocators", "core", "margin")


def new_record(selection: Selection) -> tuple[Record, list[Problem]]:
    """Return a new record and its problems; UsageError for anything that cannot be raced, before anything is measured."""
    problems, entering = selection.posed(), entrants(selection)
    pace, now, given = selection.pace, datetime.now(UTC), selection.generations
    spec = sys.modules["__main__"].__spec__  # with `python -m`, the program's own file is called __main__.py
    module = ["python", "-m", spec.name.removesuffix(".__main__")] if spec else []
    program = module or [Path(sys.argv[0]).name]
    record = Record(
        id=now.strftime("%Y-%m-%dT%H%M%SZ"),
        started=now.isoformat(timespec="seconds"),
        command=escaped(shlex.join([*program, *sys.argv[1:]])),
        commit=commit(),
        host=host.describe(),
        settings=Settings(
            generations=GENERATIONS[pace] if given is None else given,
            rounds=ROUNDS[pace],
            warm_up_seconds=max(WARM_UP[pace], OF_THREADS if max(selection.threads) > 1 else 0.0),
            slowest_step_seconds=SLOWEST_STEP if selection.sweep else None,
            operations=selection.timed,
            quick=pace == "quick",
            **{name: copy(getattr(selection, name)) for name in AS_SELECTED},
        ),
        entrants=entering,
        problems=[facts(problem) for problem in problems],
        environment=steering(entering),
    )
    record.lay_out()
    return record, problems


def facts(problem: Problem) -> ProblemFacts:
    """Return what a record keeps of a problem."""
    return ProblemFacts(
        **{name: getattr(problem, name) for name in ProblemFacts.__struct_fields__ if hasattr(problem, name)}
    )


def commit() -> str:
    """Return the commit that runs, with + when its code has changes; '' outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(RESULTS.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    try:
        head = git("rev-parse", "--short", "HEAD").strip()
        return head + ("+" if git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
