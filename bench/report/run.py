"""Tell what was run, where, and how to run it again: data, environment, commands, method."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.records.schema import Entrant, Record
from bench.report import units
from bench.report.document import Cell, Count, Document, Name, Seconds, Section, Status, Table
from bench.report.findings import name

METHOD = Path(__file__).parents[2] / "docs" / "method.md"
AGAIN = "Repeat one cell: `pytest bench/ --benchmark-only --backend BACKEND --problem PROBLEM --dtype DTYPE`."
ENTERED = "`import`: median seconds to import the library. `busy`: threads that took processor time in a race."


def facts(record: Record, some: Sequence[Entrant] = ()) -> str:
    """Return the machine, the resources and the versions of all or of `some` entrants, and the date on one line."""
    raced = some or record.entrants
    given = dict.fromkeys([*(e.resources.label or "1 thread" for e in raced), *(e.dtype for e in raced)])
    libraries = {e.library for e in raced}
    gpu = f", {record.host.gpu.name}" if record.host.gpu else ""
    versions = [f"{lib} {version.partition('+')[0]}" for lib, version in record.versions.items() if lib in libraries]
    where = f"{record.host.cpu}, {units.plural(record.host.cores, 'core')}{gpu}"
    return "; ".join(filter(None, [where, ", ".join(given), ", ".join(versions), record.started[:10]]))


def section(record: Record) -> Section:
    """Return what was run, the problems and the backends, folded on the page."""
    command = f"Repeat the run: {units.code(record.command)} at commit {units.code(record.commit)}."
    tables = [_the_run(record), _data(record), _entrants(record)]
    return Section("Data, environment and commands", [command, AGAIN, *tables], folded=True)


def method() -> list[Section]:
    """Return how it is measured and why; nothing where the documentation was not installed."""
    return [Section("Method", [Document("docs/method.md", METHOD.read_text())], folded=True)] if METHOD.exists() else []


def _the_run(record: Record) -> Table:
    host, settings = record.host, record.settings
    gpu = f", {host.gpu.name} (driver {host.gpu.driver})" if host.gpu else ""
    cores = sorted({core for e in record.entrants for core in e.cores})
    more = " or more" if any(race.samples for race in record.races) else ""
    rows = {
        "record": f"{record.id}, {record.status}, schema {record.schema}",
        "started, finished": f"{record.started}, {record.finished or 'not finished'}",
        "machine": f"{host.cpu}, {units.plural(host.cores, 'core')}, {units.bytes_(host.memory_bytes)}{gpu}",
        "system": f"{host.system}, Python {host.python}",
        "replication": f"{units.plural(settings.generations, 'generation')} of {units.plural(settings.rounds, 'turn')}{more}",
        "warm-up": f"{units.seconds(settings.warm_up_seconds)} of calls at least",
        "cores": ", ".join(map(str, cores)) or "none pinned",
    }
    readings = host.gpu.readings if host.gpu else []
    for what in dict.fromkeys(key for reading in readings for key in reading):
        rows[f"GPU, {what}"] = _span([reading[what] for reading in readings if what in reading])
    return Table("What was run", ["what", "value"], [[Cell(what), Cell(said)] for what, said in rows.items()])


def _span(values: list[float]) -> str:
    """Return `2`, or `2 to 3`."""
    return " to ".join(dict.fromkeys(units.number(x) if x % 1 else f"{x:.0f}" for x in (min(values), max(values))))


def _data(record: Record) -> Table:
    rows: list[list[Cell]] = []
    for p in record.problems:
        shapes = ", ".join(f"{key} {'x'.join(map(str, shape))}" for key, shape in p.shapes.items())
        told = [Cell(said) for said in (units.number(p.learning_rate), shapes, p.checksum[:12])]
        rows.append([Name(p.name), Count(p.flops), Count(p.num_steps), Count(p.timed_steps), *told])
    headers = ["problem", "flops a step", "steps", "steps a call", "rate", "arrays", "checksum"]
    return Table("The problems", headers, rows)


def _entrants(record: Record) -> Table:
    rows: list[list[Cell]] = []
    for e in record.entrants:
        # The harness computes with NumPy, too, and has it loaded before.
        known = e.import_seconds and e.library != "numpy"
        seconds: Cell = Seconds(float(np.median(e.import_seconds))) if known else Status("-")
        busy = Cell(_span(list(map(float, e.busy_threads))) if e.busy_threads else "-")
        versions = ", ".join(f"{library} {version}" for library, version in e.versions.items()) or "unknown"
        given = f"{e.dtype}, {e.resources.label or '1 thread'}"
        rows.append([Name(name(e)), Cell(e.mode or "unknown"), Cell(given), seconds, busy, Cell(versions)])
    headers = ["backend", "mode", "given", "import", "busy", "versions"]
    return Table("The backends as they entered", headers, rows, ENTERED)
