"""A session: from what a person selected to a finished record in results/."""

import glob
import shlex
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench.console.interrupts import Interrupted, Interrupts
from bench.devices import cpu
from bench.plan import new_record
from bench.plan.selection import Choice
from bench.race.generation import Runner
from bench.records.schema import Outcome, Record
from bench.records.store import read, save, sole_writer
from bench.workers.process import usable_cores


def run(
    choice: Choice,
    results: Path,
    say: Callable[[str], None],
    resume: Path | None = None,
    aside: Callable[[Record], str] = lambda record: "",
) -> Record:
    """Race, and keep the record in `results` as it grows, or where it lies when it is resumed.

    `say` is told how far it is, and beside each line of that what `aside` has to say of the record so far.
    Raises UsageError before anything is measured or when there is no room for the record, and
    Interrupted after Ctrl-C; what was done before is on disk.
    """
    with sole_writer(results if resume is None else resume.parent), cpu.reserved(usable_cores()):
        if resume is None:
            record, problems = new_record.new(choice)
            path = _unused(results, record)
        else:
            record, problems = new_record.unfinished(resume, choice)
            path = resume
            _remove_temporaries(path)
        with tempfile.TemporaryDirectory(prefix="compiled-") as cache, Interrupts() as interrupts:
            save(record, path)

            def tell(line: str) -> None:
                say(line + aside(record))

            keep, stop = partial(save, record, path), interrupts.end_if_asked
            try:
                Runner(record, problems, Path(cache), choice.deadline, tell, save=keep, end_if_asked=stop).run()
                record.finished, record.status = datetime.now(UTC).isoformat(timespec="seconds"), "complete"
                save(record, path)
            except KeyboardInterrupt:
                _leave(path)
                kept = f"interrupted; what was done is in {path}"
                raise Interrupted(f"{kept}; go on with --resume {shlex.quote(str(path))}") from None
        say(f"record: {path}")
    return record


def _unused(results: Path, record: Record) -> Path:
    """Where `record` goes; two runs begun within one second get two names."""
    begun, number = record.id, 1
    while (path := results / f"{record.id}.json").exists():
        number += 1
        record.id = f"{begun}-{number}"
    return path


def _remove_temporaries(path: Path) -> None:
    """Away with what was being written for `path` when its run was killed; the lock is held, so nobody writes now."""
    for begun in path.parent.glob(f".{glob.escape(path.stem)}.*.tmp"):
        begun.unlink()


def _leave(path: Path) -> None:
    """The record as it was last written, its unbegun cells said to be interrupted.

    Not the one in memory: that may hold half a race, which resuming would run once more.
    """
    record = read(path)
    for cell in record.cells:
        if cell.outcome.status == "pending":
            cell.outcome = Outcome(status="interrupted", reason="the run was ended before its race; --resume it")
    record.status = "interrupted"
    save(record, path)


def agreement(choice: Choice, say: Callable[[str], None], conformance: bool = False) -> Record:
    """Check the answers, and with `conformance` every promise of the protocol; nothing is timed and nothing written."""
    choice.generations = 0
    record, problems = new_record.new(choice)
    with tempfile.TemporaryDirectory(prefix="compiled-") as cache, Interrupts() as interrupts:
        stop = interrupts.end_if_asked
        Runner(record, problems, Path(cache), choice.deadline, say, end_if_asked=stop, conformance=conformance).run()
    return record
