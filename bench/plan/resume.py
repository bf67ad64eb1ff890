"""Go on with an unfinished record, where everything is as it was when it was begun."""

import contextlib
import platform
import shlex
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import backends
from bench.errors import UsageError
from bench.plan.new_record import new_record
from bench.plan.selection import DEADLINE, Selection
from bench.problem import Problem
from bench.records.schema import Record
from bench.records.store import read
from bench.workloads.files import path_in


def selection_of(path: Path, named: Sequence[str] = (), deadline: float = DEADLINE) -> Selection:
    """Return what the record in `path` was begun with; outside code runs only if a person has `named` it, too."""
    s = read(path).settings
    unnamed = [name for name in s.backends if name not in backends.MODES and name not in named]
    if unnamed:
        options = " ".join(f"--backend {shlex.quote(name)}" for name in unnamed)
        raise UsageError(f"{path} races code from outside this suite; if you trust it, give {options} too")
    if extra := [name for name in named if name not in s.backends]:
        raise UsageError(f"{path} does not race {', '.join(extra)}; start a new race for it")
    devices, threads = [r.device for r in s.resources], [r.threads for r in s.resources]
    chosen = Selection(s.backends, s.problems, devices, threads, s.dtypes, timed=s.operations, deadline=deadline)
    chosen.generations, chosen.seed, chosen.allocators, chosen.core = s.generations, s.seed, s.allocators, s.core
    return chosen


def unfinished(path: Path, selection: Selection) -> tuple[Record, list[Problem]]:
    """Return the unfinished record and its problems; UsageError when it cannot go on here, by this version."""
    record = read(path)
    if gone := [file for problem in record.settings.problems if (file := path_in(problem)) and not Path(file).exists()]:
        raise UsageError(f"{path} races {gone[0]}, which is not here; resume it in the folder in which it was begun")
    now, problems = new_record(selection)
    if record.status == "complete":
        raise UsageError(f"{path} is complete; there is nothing left to resume")
    if (hardware := _hardware(record)) != _hardware(now):
        raise UsageError(f"{path} was begun on another machine ({hardware}); resume it there")
    for name, (then, here) in _changed_versions(record).items():
        raise UsageError(f"{path} was begun with {name} {then}, and here is {here}; install {then} again, or run anew")
    if _race(record) != _race(now):
        raise UsageError(f"{path} was begun with other entrants, data or steps, or by another version; run anew")
    for race in record.races:
        if any(op not in plan for op in selection.timed[race.problem] for plan in (race.rounds, race.calls)):
            raise UsageError(f"{path} has a race without its plan of rounds and calls; it was altered, run anew")
    record.environment |= now.environment
    if now.commit != record.commit:
        told = f"It was begun at commit {record.commit or '?'} and resumed at {now.commit or '?'}: other code may have raced."
        record.warnings += [told] if told not in record.warnings else []
    return record, problems


def _hardware(record: Record) -> str:
    host = record.host
    return f"{host.cpu}, {host.cores} cores{f', {host.gpu.name}' if host.gpu else ''}"


def _race(record: Record) -> object:
    """Return what a resumed record may not change: who races, and on what."""
    who = [(e.label, e.backend, e.resources, e.dtype, e.control) for e in record.entrants]
    return who, [(p.name, p.dtype, p.checksum, p.num_steps, p.timed_steps) for p in record.problems]


def _changed_versions(record: Record) -> dict[str, tuple[str, str]]:
    """Return then and now, of Python and of every library that is a package here; nothing is imported."""
    then, now = {"Python": record.host.python} | record.versions, {"Python": platform.python_version()}
    for name in then:
        if name not in ("openblas", "mkl", "blis", "flexiblas"):  # there are packages of these names, too
            with contextlib.suppress(metadata.PackageNotFoundError):
                now[name] = metadata.version(name)
    # PyPI's torch calls itself 2.13.0+cu130, and 2.13.0 to pip.
    return {n: (then[n], now[n]) for n in now if now[n].partition("+")[0] != then[n].partition("+")[0]}
