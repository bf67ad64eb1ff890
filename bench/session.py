"""A session: from what a person selected to a finished record in results/."""

import contextlib
import glob
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import backends
from bench import machine
from bench.problem import DTYPES, Interrupted, Problem, UsageError
from bench.race import Runner
from bench.record import (
    OPERATIONS,
    Entrant,
    Operation,
    Outcome,
    ProblemFacts,
    Record,
    Settings,
    read,
    save,
    sole_writer,
)
from bench.report.findings import all_findings
from bench.report.trust import half_width
from bench.report.units import inert
from bench.workloads import DEFAULT_PROBLEMS, pose

DEVICES = ("cpu", "cuda")
RESULTS = Path(__file__).parents[1] / "results"
REFERENCE = "numpy"

GENERATIONS = {"default": 8, "rigorous": 20, "quick": 3}
SECONDS_PER_RACE = {"default": 1.5, "rigorous": 1.5, "quick": 0.7}
MOST_ROUNDS = 10
DEADLINE = 600.0
"""Seconds; the dearest cell of the default race, torch's compiled scans, takes about a tenth of it."""
SLOWEST_STEP = 1.0
"""Seconds that a step may take on the ladder of sizes; a size that would take longer is skipped."""

STEERS_BLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_DEBUG_CPU_TYPE", "MKL_ENABLE_INSTRUCTIONS")
"""Environment variables that fix the kernels which a BLAS would choose by the processor."""


QUICK_PROBLEMS = ["factorisation/iris", "mlp/iris"]


@dataclass
class Choice:
    """What to race; an empty list stands for the default."""

    backends: Sequence[str] = ()
    problems: Sequence[str] = ()
    devices: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    operations: Sequence[Operation] = OPERATIONS
    pace: str = "default"
    sweep: bool = False
    """Sizes of a ladder: one whose step would take longer than SLOWEST_STEP is skipped."""
    generations: int | None = None
    seed: int = 0
    deadline: float = DEADLINE

    def __post_init__(self) -> None:
        quick = self.pace == "quick"
        self.devices = list(dict.fromkeys(self.devices)) or available_devices()
        self.dtypes = list(dict.fromkeys(self.dtypes)) or ["float32"]
        self.problems = list(dict.fromkeys(self.problems)) or (QUICK_PROBLEMS if quick else DEFAULT_PROBLEMS)
        self.backends = list(dict.fromkeys(self.backends)) or default_backends(self.devices, quick)
        _check("device", self.devices, DEVICES)
        _check("dtype", self.dtypes, DTYPES)
        for name in self.backends:
            check_backend(name)


def _check(what: str, given: Sequence[str], choices: Sequence[str]) -> None:
    for value in given:
        if value not in choices:
            raise UsageError(f"no {what} {value!r}; choose from {', '.join(choices)}")


def check_backend(name: str) -> None:
    """UsageError unless `name` is a backend of this suite or looks like `package.module:factory`."""
    module, colon, factory = name.partition(":")
    outside = colon and factory.isidentifier() and all(part.isidentifier() for part in module.split("."))
    if name not in backends.FACTORIES and not outside:
        raise UsageError(
            f"no backend {name!r}; choose from {', '.join(backends.FACTORIES)}, or name your own as package.module:factory"
        )


def available_devices() -> list[str]:
    return ["cpu", "cuda"] if machine.gpu() else ["cpu"]


def default_backends(devices: Sequence[str], quick: bool) -> list[str]:
    """All that can run on one of `devices`; a quick look leaves out what torch.compile takes minutes over."""
    can_run = [name for name in backends.FACTORIES if any((name, device) not in backends.NOT_ON for device in devices)]
    return [name for name in can_run if not (quick and name.startswith(("torch-compile", "torch-scan")))]


def check(choice: Choice) -> None:
    """UsageError unless every problem can be posed."""
    for dtype in choice.dtypes:
        for name in choice.problems:
            pose(name, dtype)


def choice_of(path: Path, named: Sequence[str] = (), deadline: float = DEADLINE) -> Choice:
    """What the record in `path` was begun with.

    A record is data that anyone may have written: code from outside this repository is run for it
    only when a person has `named` that code, too.
    """
    s = read(path).settings
    unnamed = [name for name in s.backends if name not in backends.FACTORIES and name not in named]
    if unnamed:
        options = " ".join(f"--backend {shlex.quote(name)}" for name in unnamed)
        raise UsageError(f"{path} races code from outside this suite; if you trust it, give {options} too")
    if extra := [name for name in named if name not in s.backends]:
        raise UsageError(f"{path} does not race {', '.join(extra)}; start a new race for it")
    return Choice(
        s.backends,
        s.problems,
        s.devices,
        s.dtypes,
        s.operations,
        generations=s.generations,
        seed=s.seed,
        deadline=deadline,
    )


def start(choice: Choice) -> tuple[Record, list[Problem]]:
    """A new record and its problems; UsageError for anything that cannot be raced, before anything is measured."""
    problems = [pose(name, dtype) for dtype in choice.dtypes for name in choice.problems]
    pace = choice.pace
    record = Record(
        id=datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ"),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=inert(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
        commit=commit(),
        machine=machine.describe(),
        settings=Settings(
            generations=GENERATIONS[pace] if choice.generations is None else choice.generations,
            most_rounds=MOST_ROUNDS,
            seconds_per_race=SECONDS_PER_RACE[pace],
            slowest_step_seconds=SLOWEST_STEP if choice.sweep else None,
            seed=choice.seed,
            operations=list(choice.operations),
            problems=list(choice.problems),
            backends=list(choice.backends),
            devices=list(choice.devices),
            dtypes=list(choice.dtypes),
            quick=pace == "quick",
        ),
        entrants=entrants(choice),
        problems=[_facts(problem) for problem in problems],
        warnings=[
            f"{name}={os.environ[name]} was set, so NumPy may not multiply with this processor's own kernels; unset it."
            for name in STEERS_BLAS
            if name in os.environ
        ],
    )
    return record, problems


def entrants(choice: Choice) -> list[Entrant]:
    """Every backend on every device it can run on, and the control: the reference a second time."""
    return [entrant for dtype in choice.dtypes for entrant in _of_dtype(choice, dtype)]


def _of_dtype(choice: Choice, dtype: str) -> list[Entrant]:
    everywhere = [(b, d) for d in choice.devices for b in choice.backends]
    # A backend that can run on no device that was asked for still gets its row, which says so.
    places = [(b, d) for b, d in everywhere if (b, d) not in backends.NOT_ON or len(choice.devices) == 1]
    found = [Entrant(label=b if d == "cpu" else f"{b}@{d}", backend=b, device=d, dtype=dtype) for b, d in places]
    twice = next((e for e in found if e.backend == REFERENCE), found[0])
    return [*found, Entrant(label="control", backend=twice.backend, device=twice.device, dtype=dtype, control=True)]


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
    """The commit that ran, with + when the tree had changes; '' outside a checkout."""
    try:
        git = ["git", "-C", str(RESULTS.parent)]
        head = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
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
            _sweep(path)
        with tempfile.TemporaryDirectory(prefix="compiled-") as cache, _patient_interrupts() as interrupted:
            save(record, path)
            try:
                tell, keep = partial(_with_widths, record, say), partial(save, record, path)
                Runner(record, problems, Path(cache), choice.deadline, keep, tell, interrupted).run()
            except KeyboardInterrupt:
                _leave(path)
                kept = f"interrupted; what was done is in {path}"
                raise Interrupted(f"{kept}; go on with --resume {shlex.quote(str(path))}") from None
            record.finished = datetime.now(UTC).isoformat(timespec="seconds")
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


def _sweep(path: Path) -> None:
    """Away with what was being written for `path` when its run was killed; the lock is held, so nobody writes now."""
    for begun in path.parent.glob(f".{glob.escape(path.stem)}.*.tmp"):
        begun.unlink()


def _leave(path: Path) -> None:
    """The record as it was last written, its unbegun cells said to be interrupted.

    Not the one in memory: that may hold half a race, which resuming would run once more.
    """
    record = read(path)
    for entrant in record.entrants:
        for facts in record.problems:
            if entrant.dtype == facts.dtype:
                cell = record.cell(entrant.label, facts.name, facts.dtype)
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
    if (record.machine.cpu, record.machine.cores) != ((here := machine.describe()).cpu, here.cores):
        raise UsageError(
            f"{path} was begun on another machine ({record.machine.cpu}, {record.machine.cores} cores); resume it there"
        )
    problems = [pose(name, dtype, 0) for dtype in choice.dtypes for name in choice.problems]
    if list(map(_place, record.entrants)) != list(map(_place, entrants(choice))) or len(problems) != len(
        record.problems
    ):
        raise UsageError(f"{path} was begun by another version of the suite, with other entrants; run anew")
    for problem, facts in zip(problems, record.problems, strict=True):
        if (facts.name, facts.dtype, facts.digest) != (problem.name, problem.dtype, problem.digest):
            raise UsageError(f"{problem.name} has other data or another start than when {path} was begun; run anew")
    for cell in record.cells:
        if cell.outcome.word == "interrupted":
            cell.outcome = Outcome()
    record.status = "running"
    return record, problems


def _place(entrant: Entrant) -> tuple[str, str, str, str, bool]:
    """Who races where: what a resumed record may not change."""
    return entrant.label, entrant.backend, entrant.device, entrant.dtype, entrant.control


@contextlib.contextmanager
def _patient_interrupts() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C is kept until the race at hand is done; the second stops at once."""
    asked = False

    def on_interrupt(signum: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        # Not by print, which a signal may have broken into.
        with contextlib.suppress(OSError):
            os.write(2, b"\ninterrupted: finishing the race at hand (Ctrl-C again to stop at once)\n")

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
