"""Every time that was measured: one heat map a group, first calls, and every cell in full."""

from collections.abc import Sequence

import numpy as np

from bench.operations import OPERATIONS
from bench.records.schema import Entrant
from bench.report import units
from bench.report.document import SHADES, Bytes, Cell, Count, Heat, Name, Ratio, Seconds, Section, Share, Status, Table
from bench.report.findings import Group, name
from bench.statistics import between_processes, break_even, generations_for, log_times, middle_sample

FIRST_CALL = "With cold caches / with those kept on disk; no import. The first problem also pays what happens once."
IN_FULL = (
    "`middle sample`: how much longer it took than the fastest of its generation, which times are of. `of the limit`: share of the machine's own rate of multiplying matrices. `between processes`: share of the variance"
    " that lies between generations of processes. `for +-1 %`: about how many generations such an interval takes."
)
ON_DEVICE = " `queued`: one call of several. `there`, `back`: transfers, in no timed call."


def section(g: Group) -> Section | None:
    """Return the heat map of `train`, those of other operations, and every cell; None where nothing was timed."""
    operations = [o for o in OPERATIONS if any(g.samples(e, p, o) for e in g.entrants for p in g.problems)]
    ratio = f" Below a time stands its ratio to that of {units.code(name(g.reference))}." if g.reference else ""
    text = f"Times are of the fastest sample in a generation. The darker a cell, the slower it is beside the fastest of its column.{ratio}"
    cells = [_in_full(g, p) for p in g.problems if any(g.samples(e, p) for e in g.entrants)]
    found = Section(f"All times ({g.title})", [text, *(_heat_map(g, o) for o in operations), *cells])
    return found if operations else None


def _heat_map(g: Group, operation: str) -> Table:
    timed = {p: [t for e in g.racers if (t := g.time(e, p, operation)) is not None] for p in g.problems}
    slowest = max([2.0, *(max(times) / min(times) for times in timed.values() if times)])

    def cell(e: Entrant, problem: str) -> Cell:
        time = g.time(e, problem, operation)
        if time is None:
            return Status.of(g.outcome(e, problem))
        against = g.ratio(e, g.reference, problem, operation) if g.reference and e is not g.reference else None
        shade = SHADES * np.log(max(1.0, time / min(timed[problem], default=time))) / np.log(slowest)
        return Heat(time, f"{units.number(against.value)} x" if against else "", shade=min(SHADES, round(shade)))

    rows = [[Name(name(e)), *(cell(e, p) for p in g.problems)] for e in g.entrants]
    what = "step" if OPERATIONS[operation].takes_steps else "call"
    title = f"Time of a {what} of {operation} ({g.title})"
    return Table(title, ["backend", *g.problems], rows, shown="everywhere" if what == "step" else "folded")


def _in_full(g: Group, problem: str) -> Table:
    """Return all that is known of every cell of one problem."""
    on_device = ["memory", "queued", "there", "back"] if g.resources.device != "cpu" else []
    against = [f"time / {name(g.reference)}"] if g.reference else []
    headers = [
        "backend",
        "a step",
        "middle sample",
        *against,
        "of the limit",
        "between processes",
        "for +-1 %",
        *on_device,
    ]

    def row(e: Entrant) -> list[Cell]:
        time, cell = g.time(e, problem), g.cell(e, problem)
        if time is None or cell is None:
            return [Status.of(g.outcome(e, problem))] * (len(headers) - 1)
        compared = g.compare(e, g.reference, problem) if g.reference and e is not g.reference else None
        samples, found = g.samples(e, problem), compared and compared.estimate
        share, longer = between_processes(samples), Share(middle_sample(samples) - 1)
        ratio = Ratio(found, verdict=compared.verdict) if compared and found else Status("reference")
        needed = generations_for(0.01, found) if found else None
        told: list[Cell] = [Status("-") if share is None else Share(share), Count(needed) if needed else Status("-")]
        peak = Bytes(float(np.median(cell.device_peak_bytes))) if cell.device_peak_bytes else Status("ok")
        lists = (cell.device_seconds, cell.put_seconds, cell.get_seconds)
        device = [peak, *(Seconds(min(seconds)) if seconds else Status("ok") for seconds in lists)]
        told = [longer, *[ratio] * len(against), limit(g, problem, time), *told]
        return [Seconds(time), *told, *device[: len(on_device)]]

    rows = [[Name(name(e)), *row(e)] for e in g.entrants]
    note = IN_FULL + (ON_DEVICE if on_device else "")
    return Table(f"{problem}, every cell ({g.title})", headers, rows, note, shown="folded")


def limit(g: Group, problem: str, seconds: float) -> Cell:
    """Return the share of the rate at which the machine multiplies matrices with these resources."""
    facts, limits = g.facts(problem), g.record.limits_of(g.resources, g.dtype)
    return Share(facts.flops / seconds / limits.matmul_flops_per_second) if facts and limits else Status("ok")


def first_call(g: Group, entrant: Entrant, problem: str, cache: str = "cold") -> float | None:
    """Return the median seconds of the first `train`, over the generations that had this cache."""
    cell = g.cell(entrant, problem)
    calls = cell.first_calls if cell and g.samples(entrant, problem) else []
    found = [c.seconds for c in calls if (c.operation, c.cache) == ("train", cache)]
    return float(np.median(found)) if found else None


def pays_after(g: Group, entrant: Entrant, problem: str) -> float | None:
    """Return the steps that make up for the cold first call (lower median); None where that cannot be told."""
    call, steps = first_call(g, entrant, problem), g.steps(problem)
    if g.reference is None or entrant is g.reference or call is None:
        return None
    sides = [g.samples(e, problem) for e in (entrant, g.reference)]
    ours, theirs = ({i: float(np.exp(log)) / steps for i, log in log_times(side).items()} for side in sides)
    found = [break_even(call, ours[i], theirs[i], steps) for i in ours if i in theirs]
    return lower_median(found) if found else None


def lower_median(values: Sequence[float]) -> float:
    """Return the lower middle one, not the mean of two: one of them may be NEVER."""
    return sorted(values)[(len(values) - 1) // 2]


def first_calls(g: Group) -> Section | None:
    """Return the first calls of everything that compiles; None where nothing does."""
    compiled = [e for e in g.racers if e.mode not in ("eager", "")]
    rows = [[Name(name(e)), *(_first_calls(g, e, p) for p in g.problems)] for e in compiled]
    table = Table(f"First call of train, cold / warm ({g.title})", ["backend", *g.problems], rows)
    timed = any(g.samples(e, p) for e in compiled for p in g.problems)
    return Section("First call", [FIRST_CALL, table]) if timed else None


def _first_calls(g: Group, entrant: Entrant, problem: str) -> Cell:
    cold, warm = (first_call(g, entrant, problem, cache) for cache in ("cold", "warm"))
    if cold is None:
        return Status.of(g.outcome(entrant, problem))
    return Seconds(cold, "" if warm is None else f"/ {units.seconds(warm)}")
