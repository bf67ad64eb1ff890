"""Records on disk: written whole or not at all, read strictly, one writer to a folder."""

import json
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
import msgspec

from bench.errors import UsageError
from bench.records.schema import SCHEMA, Record


def save(record: Record, path: Path) -> None:
    """Write the record, unless it could not be read again; UsageError where there is no room."""
    content = msgspec.json.encode(record)
    if misfit := next(_misfits(msgspec.json.decode(content, type=Record)), ""):
        raise ValueError(misfit)
    try:
        write(path, content)
    except OSError as error:
        kept = f", and go on with --resume {shlex.quote(str(path))}" if path.exists() else ""
        raise UsageError(f"cannot write {path} ({error.strerror}); make room for it{kept}") from None


def write(path: Path, content: bytes) -> None:
    """Write the file whole or not at all: a temporary file beside it, flushed to the disk, then renamed over it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):  # a Ctrl-C may come just after the renaming
            os.unlink(temporary)
        raise


class Refused(UsageError):
    """The file is a record of another version of the suite, or its parts do not fit together."""


def read(path: Path) -> Record:
    """Return the record in `path`; UsageError, in one sentence, for anything that is not one."""
    try:
        text = path.read_bytes()
        parts = json.loads(text, object_pairs_hook=_without_duplicates)
        schema = parts.get("schema") if isinstance(parts, dict) else None
        if type(schema) is int and schema != SCHEMA:
            remedy = "use the version of the suite that wrote it"
            raise Refused(f"{path} has record schema {schema}, this version reads {SCHEMA}; {remedy}")
        record = msgspec.json.decode(text, type=Record)
        if msgspec.to_builtins(record) != parts:
            raise ValueError("a key is missing")
    except OSError as error:
        remedy = "give the path of a record, as in results/*.json"
        raise UsageError(f"cannot read {path} ({error.strerror}); {remedy}") from None
    except (ValueError, RecursionError) as error:
        remedy = "run `pytest bench/ --benchmark-only` to make one"
        raise UsageError(f"{path} is not a record of this suite ({error}); {remedy}") from None
    if misfit := next(_misfits(record), ""):
        raise Refused(f"{path} does not fit together: {misfit}; it was altered, run anew")
    return record


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"a key stands twice: {max(keys, key=keys.count)!r}")
    return dict(pairs)


def _misfits(record: Record) -> Iterator[str]:
    """Yield a phrase for each part of the record that does not fit the rest of it."""
    entrants: list[tuple[str, ...]] = [e.key for e in record.entrants]
    problems: list[tuple[str, ...]] = [(p.name, p.dtype) for p in record.problems]
    cells: list[tuple[str, ...]] = [(c.entrant, c.problem, c.dtype) for c in record.cells]
    for what, keys in {"entrant": entrants, "problem": problems, "cell": cells}.items():
        yield from (f"{what} {' '.join(key)} stands twice" for key in set(keys) if keys.count(key) > 1)
    for problem in (*record.settings.problems, *(race.problem for race in record.races)):
        if problem not in record.settings.operations:
            yield f"nothing says what is timed on {problem}"
    for cell in record.cells:
        name = f"cell {cell.entrant} {cell.problem} {cell.dtype}"
        if (cell.entrant, cell.dtype) not in entrants or (cell.problem, cell.dtype) not in problems:
            yield f"{name} names an entrant or a problem that the record does not have"
        if cell.outcome.status == "ok" and not (cell.checks and all(check.passed for check in cell.checks)):
            yield f"{name} is ok and has not passed every check"
        if any(check.passed != (check.error is not None and check.error <= check.tolerance) for check in cell.checks):
            yield f"{name} has a check whose error does not say whether it was passed"
        sampled = [(s.generation, s.operation) for s in cell.samples]
        if len(set(sampled)) < len(sampled):
            yield f"{name} has samples of one operation in one generation twice"
        if any(s.generation >= record.settings.generations for s in cell.samples):
            yield f"{name} has samples of a generation that was not asked for"


def newest(folder: Path, warn: Callable[[str], None] = lambda line: None) -> Path:
    """Return the newest complete record in `folder` with a good cell; `warn` is told why a newer one is passed over."""
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stem, reverse=True):
        try:
            record = read(path)
            if record.status != "complete":
                warn(f"passed over: {path} is {record.status}; name it to see what it holds, or go on with --resume")
            elif not any(cell.outcome.status == "ok" for cell in record.cells):
                warn(f"passed over: in {path} no cell is good; name it to see why")
            else:
                return path
        except Refused as error:
            warn(f"passed over: {error}")
        except UsageError:
            continue
    raise UsageError(f"no complete record in {folder}; run `pytest bench/ --benchmark-only` to make one")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make `folder`; what the system says against writing to it becomes a UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        remedy = "give --results a folder you can write to"
        raise UsageError(f"cannot write to {folder} ({error.strerror}); {remedy}") from None


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold `folder` for one run; UsageError where it cannot be written, or another run holds it."""
    with writing(folder), tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"room for a start")
        probe.flush()
    try:
        held = filelock.FileLock(folder / ".lock", blocking=False).acquire()
    except filelock.Timeout:
        raise UsageError(f"another run is writing to {folder}; wait for it, or give --results another folder") from None
    with held:
        yield
