"""The record that a session begins with: a new one, or an unfinished one to go on with."""

import contextlib
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from bench.console.escape import escaped
from bench.errors import UsageError
from bench.plan.selection import GENERATIONS, RESULTS, ROUNDS, SLOWEST_STEP, WARM_UP, Choice, entrants, posed
from bench.problem import Problem
from bench.records import host
from bench.records.schema import Entrant, Host, Outcome, ProblemFacts, Record, Settings
from bench.records.store import read
from bench.workers.process import steering


def new(choice: Choice) -> tuple[Record, list[Problem]]:
    """A new record and its problems; UsageError for anything that cannot be raced, before anything is measured."""
    problems, entering = posed(choice), entrants(choice)
    pace, now = choice.pace, datetime.now(UTC)
    record = Record(
        id=now.strftime("%Y-%m-%dT%H%M%SZ"),
        started=now.isoformat(timespec="seconds"),
        command=escaped(shlex.join([*_program(), *sys.argv[1:]])),
        commit=commit(),
        host=host.describe(),
        settings=Settings(
            generations=GENERATIONS[pace] if choice.generations is None else choice.generations,
            rounds=ROUNDS,
            warm_up_seconds=WARM_UP[pace],
            slowest_step_seconds=SLOWEST_STEP if choice.sweep else None,
            seed=choice.seed,
            operations=list(choice.operations),
            problems=list(choice.problems),
            backends=list(choice.backends),
            devices=list(choice.devices),
            dtypes=list(choice.dtypes),
            allocators=list(choice.allocators),
            core=choice.core,
            quick=pace == "quick",
        ),
        entrants=entering,
        problems=[_facts(problem) for problem in problems],
        environment=steering(entering),
    )
    record.lay_out()
    return record, problems


def _program() -> list[str]:
    """As a person would type it: by `python -m` the program's own file is called __main__.py."""
    spec = sys.modules["__main__"].__spec__
    return [Path(sys.argv[0]).name] if spec is None else ["python", "-m", spec.name.removesuffix(".__main__")]


def _facts(problem: Problem) -> ProblemFacts:
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
    """The commit that ran, with + when its code had changes; '' outside a checkout."""
    try:
        git = ["git", "-C", str(RESULTS.parent)]
        head = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return head + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def unfinished(path: Path, choice: Choice) -> tuple[Record, list[Problem]]:
    """An unfinished record and its problems; UsageError when it cannot go on on this machine, by this version."""
    record = read(path)
    _refuse_elsewhere(path, record)
    problems = posed(choice)
    _refuse_other_questions(path, record, choice, problems)
    for cell in record.cells:
        if cell.outcome.status == "interrupted":
            cell.outcome = Outcome()
    record.status = "running"
    record.lay_out()
    record.environment |= steering(record.entrants)
    if (now := commit()) != record.commit:
        said = f"It was begun at commit {record.commit or '?'} and resumed at {now or '?'}: other code may have raced."
        record.warnings += [said] if said not in record.warnings else []
    return record, problems


def _refuse_elsewhere(path: Path, record: Record) -> None:
    """UsageError where it is done, or was begun on another machine or with other versions."""
    if record.status == "complete":
        raise UsageError(f"{path} is complete; there is nothing left to resume")
    if (hardware := _hardware(record.host)) != _hardware(host.describe()):
        raise UsageError(f"{path} was begun on another machine ({hardware}); resume it there")
    for name, (then, now) in _changed_versions(record).items():
        raise UsageError(f"{path} was begun with {name} {then}, and here is {now}; install {then} again, or run anew")


def _refuse_other_questions(path: Path, record: Record, choice: Choice, problems: list[Problem]) -> None:
    """UsageError where the entrants, the problems or the plans of its races are not those that go on."""
    if list(map(_place, record.entrants)) != list(map(_place, entrants(choice))) or len(problems) != len(
        record.problems
    ):
        raise UsageError(f"{path} was begun by another version of the suite, with other entrants; run anew")
    for problem, facts in zip(problems, record.problems, strict=True):
        lengths = {
            "calls": (facts.timed_steps, problem.timed_steps),
            "descents": (facts.num_steps, problem.num_steps),
        }
        for what, (before, here) in lengths.items():
            if before != here:
                raise UsageError(
                    f"{path} was begun with {what} of {before} steps on {problem.name}, and here they are of {here}; run anew"
                )
        if (facts.name, facts.dtype, facts.checksum) != (problem.name, problem.dtype, problem.checksum):
            raise UsageError(f"{problem.name} has other data or another start than when {path} was begun; run anew")
    for race in record.races:
        if any(operation not in plan for operation in choice.operations for plan in (race.rounds, race.calls)):
            raise UsageError(f"{path} has a race without its plan of rounds and calls; it was altered, run anew")


BLAS = ("openblas", "mkl", "blis", "flexiblas")


def _changed_versions(record: Record) -> dict[str, tuple[str, str]]:
    """Then and now, of Python and of what was raced, as far as it is a package; nothing is imported."""
    # There are packages called like a BLAS, too, but none that says which one NumPy brings.
    libraries = {library: version for library, version in record.versions.items() if library not in BLAS}
    then = {"Python": record.host.python} | libraries
    now = {"Python": platform.python_version()}
    for name in then:
        with contextlib.suppress(PackageNotFoundError):
            now[name] = metadata.version(name)
    # PyPI's torch calls itself 2.13.0+cu130, and 2.13.0 to pip.
    return {n: (then[n], now[n]) for n in now if now[n].partition("+")[0] != then[n].partition("+")[0]}


def _hardware(of: Host) -> str:
    return f"{of.cpu}, {of.cores} cores{f', {of.gpu.name}' if of.gpu else ''}"


def _place(entrant: Entrant) -> tuple[str, str, str, str, bool]:
    """Who races where: what a resumed record may not change."""
    return entrant.label, entrant.backend, entrant.device, entrant.dtype, entrant.control
