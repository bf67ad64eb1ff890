"""Every time that was measured: one heat map a group, and every cell in full."""

import numpy as np

from bench.operations import OPERATIONS
from bench.records.schema import Entrant
from bench.report import units
from bench.report.cells import SHADES, Bytes, Cell, Count, Heat, Name, Ratio, Seconds, Share, Status
from bench.report.document import Section, Table
from bench.report.findings import Group, name
from bench.statistics import between_processes, generations_for

PRECISION = 0.01
"""The relative half-width for which the tables say how many generations it takes."""
ON_DEVICE = ["memory", "queued", "there", "back"]
IN_FULL = (
    "`of the limit`: share of the machine's own rate of multiplying matrices. `between processes`: share of the variance"
    " that lies between generations of processes. `for +-1 %`: about how many generations such an interval takes."
)


def section(g: Group) -> Section | None:
    """Return the heat map of `train`, those of other operations, and every cell; None where nothing was timed."""
    operations = [o for o in OPERATIONS if any(g.samples(e, p, o) for e in g.entrants for p in g.problems)]
    if not operations:
        return None
    text = "Median times. The darker a cell, the slower it is beside the fastest of its column."
    if g.reference:
        text += f" Below a time stands its ratio to that of {units.code(name(g.reference))}."
    cells = [_in_full(g, p) for p in g.problems if any(g.samples(e, p) for e in g.entrants)]
    return Section(f"All times ({g.title})", [text, *(_heat_map(g, o) for o in operations), *cells])


def _heat_map(g: Group, operation: str) -> Table:
    is_step = OPERATIONS[operation].takes_steps
    timed = {p: [t for e in g.racers if (t := g.median(e, p, operation)) is not None] for p in g.problems}
    slowest = max([2.0, *(max(times) / min(times) for times in timed.values() if times)])

    def cell(e: Entrant, problem: str) -> Cell:
        time = g.median(e, problem, operation)
        if time is None:
            return empty(g, e, problem)
        against = g.ratio(e, g.reference, problem, operation) if g.reference and e is not g.reference else None
        shade = SHADES * float(np.log(max(1.0, time / min(timed[problem], default=time))) / np.log(slowest))
        return Heat(time, f"{units.number(against.value)} x" if against else "", shade=min(SHADES, round(shade)))

    rows = [[Name(name(e)), *(cell(e, p) for p in g.problems)] for e in g.entrants]
    title = f"Time of a {'step' if is_step else 'call'} of {operation} ({g.title})"
    return Table(title, ["backend", *g.problems], rows, shown="everywhere" if is_step else "folded")


def empty(g: Group, e: Entrant, problem: str) -> Status:
    outcome = g.outcome(e, problem)
    return Status(outcome.status, reason=outcome.reason)


def _in_full(g: Group, problem: str) -> Table:
    """Return all that is known of every cell of one problem."""
    on_device = ON_DEVICE if g.resources.device != "cpu" else []
    against = [f"time / {name(g.reference)}"] if g.reference else []
    headers = ["backend", "a step", *against, "of the limit", "between processes", "for +-1 %", *on_device]
    rows = [[Name(name(e)), *_full_row(g, e, problem, len(headers) - 1)] for e in g.entrants]
    note = IN_FULL + (
        " `queued`: one call of several. `there`, `back`: transfers, in no timed call." if on_device else ""
    )
    return Table(f"{problem}, every cell ({g.title})", headers, rows, note, shown="folded")


def _full_row(g: Group, e: Entrant, problem: str, width: int) -> list[Cell]:
    median, cell = g.median(e, problem), g.cell(e, problem)
    if median is None or cell is None:
        return [empty(g, e, problem)] * width
    row: list[Cell] = [Seconds(median)]
    compared = g.compare(e, g.reference, problem) if g.reference and e is not g.reference else None
    found = compared.estimate if compared else None
    if g.reference:
        row.append(Ratio(found, verdict=compared.verdict) if compared and found else Status("reference"))
    needed = generations_for(PRECISION, found) if found else None
    row += [limit(g, problem, median), _share(between_processes(g.samples(e, problem)))]
    row.append(Status("-") if needed is None else Count(needed))
    if g.resources.device != "cpu":
        peak: Cell = Bytes(float(np.median(cell.device_peak_bytes))) if cell.device_peak_bytes else Status("ok")
        lists = (cell.device_seconds, cell.put_seconds, cell.get_seconds)
        row += [peak, *(Seconds(min(seconds)) if seconds else Status("ok") for seconds in lists)]
    return row


def _share(share: float | None) -> Cell:
    return Status("-") if share is None else Share(share)


def limit(g: Group, problem: str, seconds: float) -> Cell:
    """Return the share of the rate at which the machine multiplies matrices with these resources."""
    facts, limits = g.facts(problem), g.record.limits_of(g.resources, g.dtype)
    return Share(facts.flops / seconds / limits.matmul_flops_per_second) if facts and limits else Status("ok")
