"""A session: from what a person selected to a finished record in results/."""

import contextlib
import glob
import os
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from bench import machine
from bench.choice import (
    GENERATIONS,
    MOST_ROUNDS,
    RESULTS,
    SECONDS_PER_RACE,
    SLOWEST_STEP,
    WARM_UP,
    Choice,
    entrants,
    posed,
)
from bench.inert import inert
from bench.problem import Interrupted, Problem, UsageError
from bench.process import steering
from bench.race import Runner
from bench.record import Entrant, Machine, Outcome, ProblemFacts, Record, Settings
from bench.report.findings import all_findings
from bench.report.trust import half_width
from bench.store import read, save, sole_writer

TOLD_TO_END = (signal.SIGTERM, signal.SIGHUP)
"""From `kill`, from a time limit, from a terminal that is closed."""


def start(choice: Choice) -> tuple[Record, list[Problem]]:
    """A new record and its problems; UsageError for anything that cannot be raced, before anything is measured."""
    problems, entering = posed(choice), entrants(choice)
    pace, now = choice.pace, datetime.now(UTC)
    record = Record(
        id=now.strftime("%Y-%m-%dT%H%M%SZ"),
        started=now.isoformat(timespec="seconds"),
        command=inert(shlex.join([*_program(), *sys.argv[1:]])),
        commit=commit(),
        machine=machine.describe(),
        settings=Settings(
            generations=GENERATIONS[pace] if choice.generations is None else choice.generations,
            most_rounds=MOST_ROUNDS,
            seconds_per_race=SECONDS_PER_RACE[pace],
            warm_up_seconds=WARM_UP[pace],
            slowest_step_seconds=SLOWEST_STEP if choice.sweep else None,
            seed=choice.seed,
            operations=list(choice.operations),
            problems=list(choice.problems),
            backends=list(choice.backends),
            devices=list(choice.devices),
            dtypes=list(choice.dtypes),
            quick=pace == "quick",
        ),
        entrants=entering,
        problems=[_facts(problem) for problem in problems],
        warnings=_steered(entering),
    )
    record.lay_out()
    return record, problems


def _steered(entering: list[Entrant]) -> list[str]:
    """A sentence for each variable of the environment that may steer the library of one of them."""
    steered = {name: value for entrant in entering for name, value in steering(entrant).items()}
    return [
        f"{name}={inert(value)} was set, which may steer a library: what was timed need not be what others get; unset it."
        for name, value in steered.items()
    ]


def _program() -> list[str]:
    """As a person would type it: by `python -m` the program's own file is called __main__.py."""
    spec = sys.modules["__main__"].__spec__
    return [Path(sys.argv[0]).name] if spec is None else ["python", "-m", spec.name.removesuffix(".__main__")]


def _facts(problem: Problem) -> ProblemFacts:
    return ProblemFacts(
        name=problem.name,
        dtype=problem.dtype,
        seed=problem.seed,
        digest=problem.digest,
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


def run(
    choice: Choice, results: Path = RESULTS, say: Callable[[str], None] = print, resume: Path | None = None
) -> Record:
    """Race, and keep the record in `results` as it grows, or where it lies when it is resumed.

    Raises UsageError before anything is measured or when there is no room for the record, and
    Interrupted after Ctrl-C; what was done before is on disk.
    """
    with sole_writer(results if resume is None else resume.parent):
        if resume is None:
            record, problems = start(choice)
            path = _unused(results, record)
        else:
            record, problems = _continued(resume, choice)
            path = resume
            _remove_unfinished(path)
        with tempfile.TemporaryDirectory(prefix="compiled-") as cache, _patient_interrupts() as interrupted:
            save(record, path)
            try:
                tell, keep = partial(_with_widths, record, say), partial(save, record, path)
                Runner(record, problems, Path(cache), choice.deadline, keep, tell, interrupted).run()
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends now; another Ctrl-C could only break into that
                _leave(path)
                kept = f"interrupted; what was done is in {path}"
                raise Interrupted(f"{kept}; go on with --resume {shlex.quote(str(path))}") from None
            record.finished, record.status = datetime.now(UTC).isoformat(timespec="seconds"), "complete"
            save(record, path)
        say(f"record: {path}")
    return record


def _with_widths(record: Record, say: Callable[[str], None], line: str) -> None:
    """`line`, and how wide the intervals are by now, once there are any."""
    widths = [width for f in all_findings(record) if (width := half_width(f)) is not None]
    say(f"{line}; intervals are +-{100 * max(widths):.1f} % by now" if widths else line)


def _unused(results: Path, record: Record) -> Path:
    """Where `record` goes; two runs begun within one second get two names."""
    begun, number = record.id, 1
    while (path := results / f"{record.id}.json").exists():
        number += 1
        record.id = f"{begun}-{number}"
    return path


def _remove_unfinished(path: Path) -> None:
    """Away with what was being written for `path` when its run was killed; the lock is held, so nobody writes now."""
    for begun in path.parent.glob(f".{glob.escape(path.stem)}.*.tmp"):
        begun.unlink()


def _leave(path: Path) -> None:
    """The record as it was last written, its unbegun cells said to be interrupted.

    Not the one in memory: that may hold half a race, which resuming would run once more.
    """
    record = read(path)
    for cell in record.cells:
        if cell.outcome.word == "pending":
            cell.outcome = Outcome(word="interrupted", reason="the run was ended before its race; --resume it")
    record.status = "interrupted"
    save(record, path)


def agreement(choice: Choice, say: Callable[[str], None]) -> Record:
    """The gates alone, nothing timed and nothing written."""
    choice.generations = 0
    record, problems = start(choice)
    with tempfile.TemporaryDirectory(prefix="compiled-") as cache, _patient_interrupts() as interrupted:
        Runner(record, problems, Path(cache), choice.deadline, say=say, interrupted=interrupted).run()
    return record


def _continued(path: Path, choice: Choice) -> tuple[Record, list[Problem]]:
    """An unfinished record and its problems; UsageError when it cannot go on on this machine, by this version."""
    record = read(path)
    if record.status == "complete":
        raise UsageError(f"{path} is complete; there is nothing left to resume")
    if (hardware := _hardware(record.machine)) != _hardware(machine.describe()):
        raise UsageError(f"{path} was begun on another machine ({hardware}); resume it there")
    for name, (then, now) in _changed_versions(record).items():
        raise UsageError(f"{path} was begun with {name} {then}, and here is {now}; install {then} again, or run anew")
    problems = posed(choice)
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
        if (facts.name, facts.dtype, facts.digest) != (problem.name, problem.dtype, problem.digest):
            raise UsageError(f"{problem.name} has other data or another start than when {path} was begun; run anew")
    for race in record.races:
        if any(operation not in plan for operation in choice.operations for plan in (race.rounds, race.calls)):
            raise UsageError(f"{path} has a race without its plan of rounds and calls; it was altered, run anew")
    for cell in record.cells:
        if cell.outcome.word == "interrupted":
            cell.outcome = Outcome()
    record.status = "running"
    record.lay_out()
    news = _steered(record.entrants)
    if (now := commit()) != record.commit:
        news.append(
            f"It was begun at commit {record.commit or '?'} and resumed at {now or '?'}: other code may have raced."
        )
    record.warnings += [warning for warning in news if warning not in record.warnings]
    return record, problems


BLAS = ("openblas", "mkl", "blis", "flexiblas")


def _changed_versions(record: Record) -> dict[str, tuple[str, str]]:
    """Then and now, of Python and of what was raced, as far as it is a package; nothing is imported."""
    then = {"Python": record.machine.python}
    for entrant in record.entrants:
        # There are packages called like a BLAS, too, but none that says which one NumPy brings.
        then |= {library: version for library, version in entrant.versions.items() if library not in BLAS}
    now = {"Python": platform.python_version()}
    for name in then:
        with contextlib.suppress(PackageNotFoundError):
            now[name] = metadata.version(name)
    # PyPI's torch calls itself 2.13.0+cu130, and 2.13.0 to pip.
    return {n: (then[n], now[n]) for n in now if now[n].partition("+")[0] != then[n].partition("+")[0]}


def _hardware(of: Machine) -> str:
    return f"{of.cpu}, {of.cores} cores{f', {of.gpu.name}' if of.gpu else ''}"


def _place(entrant: Entrant) -> tuple[str, str, str, str, bool]:
    """Who races where: what a resumed record may not change."""
    return entrant.label, entrant.backend, entrant.device, entrant.dtype, entrant.control


@contextlib.contextmanager
def _patient_interrupts() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C is kept until the race at hand is done; the second stops at once, as does each of `TOLD_TO_END`.

    Who was interrupted ends, and no further Ctrl-C breaks into that.
    """
    asked = False

    def at_once(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    def on_interrupt(signum: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        # Not by print, which a signal may have broken into.
        with contextlib.suppress(OSError):
            os.write(2, b"\ninterrupted: finishing the race at hand (Ctrl-C again to stop at once)\n")

    handlers = {signal.SIGINT: on_interrupt}
    # What `nohup` has set to be ignored stays so.
    handlers |= {told: at_once for told in TOLD_TO_END if signal.getsignal(told) is not signal.SIG_IGN}
    before = {signum: signal.signal(signum, handler) for signum, handler in handlers.items()}
    try:
        yield lambda: asked
    finally:
        for signum, handler in before.items():
            signal.signal(signum, signal.SIG_IGN if asked and signum == signal.SIGINT else handler)
