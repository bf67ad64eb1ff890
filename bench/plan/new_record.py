"""The record that a run begins with."""

import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.console.escape import escaped
from bench.plan.entrants import entrants
from bench.plan.selection import GENERATIONS, RESULTS, WARM_UP, Selection
from bench.problem import Problem
from bench.records import host
from bench.records.schema import ProblemFacts, Record, Settings
from bench.workers.environment import steering

ROUNDS = 6
"""Turns of an entrant in a race: the median of six outvotes two that were disturbed (docs/measured.md)."""
SLOWEST_STEP = 1.0
"""Seconds that a step may take on the ladder of sizes; a size that would take longer is skipped."""


def new_record(selection: Selection) -> tuple[Record, list[Problem]]:
    """Return a new record and its problems; UsageError for anything that cannot be raced, before anything is measured."""
    problems, entering = selection.posed(), entrants(selection)
    pace, now, given = selection.pace, datetime.now(UTC), selection.generations
    record = Record(
        id=now.strftime("%Y-%m-%dT%H%M%SZ"),
        started=now.isoformat(timespec="seconds"),
        command=escaped(shlex.join([*_program(), *sys.argv[1:]])),
        commit=commit(),
        host=host.describe(),
        settings=Settings(
            generations=GENERATIONS[pace] if given is None else given,
            rounds=ROUNDS,
            warm_up_seconds=WARM_UP[pace],
            slowest_step_seconds=SLOWEST_STEP if selection.sweep else None,
            seed=selection.seed,
            operations=selection.timed,
            problems=list(selection.problems),
            backends=list(selection.backends),
            resources=selection.resources,
            dtypes=list(selection.dtypes),
            allocators=list(selection.allocators),
            core=selection.core,
            quick=pace == "quick",
        ),
        entrants=entering,
        problems=[facts(problem) for problem in problems],
        environment=steering(entering),
    )
    record.lay_out()
    return record, problems


def _program() -> list[str]:
    """Return the program as a person types it: with `python -m`, its own file is called __main__.py."""
    spec = sys.modules["__main__"].__spec__
    return [Path(sys.argv[0]).name] if spec is None else ["python", "-m", spec.name.removesuffix(".__main__")]


def facts(problem: Problem) -> ProblemFacts:
    """Return what a record keeps of a problem."""
    return ProblemFacts(
        name=problem.name,
        dtype=problem.dtype,
        seed=problem.seed,
        checksum=problem.checksum,
        shapes={key: list(shape) for key, shape in problem.shapes.items()},
        learning_rate=problem.learning_rate,
        num_steps=problem.num_steps,
        timed_steps=problem.timed_steps,
        flops=problem.flops,
        bytes_moved=problem.bytes_moved,
    )


def commit() -> str:
    """Return the commit that runs, with + when its code has changes; '' outside a checkout."""
    try:
        head = _git("rev-parse", "--short", "HEAD").strip()
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(RESULTS.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
