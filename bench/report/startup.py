"""What the first call costs, and after how many steps it has paid for itself."""

from collections.abc import Sequence

import numpy as np

from bench.records.schema import Entrant
from bench.report import units
from bench.report.cells import Cell, Name, Seconds, Status
from bench.report.document import Section, Table
from bench.report.findings import Group, name
from bench.statistics import break_even, per_call

TEXT = (
    "The first call compiles, and imports nothing. The first time is with cold caches, the second with those that the library"
    " keeps on disk. The first problem also pays what a library does once in a process."
)


def first_call(g: Group, entrant: Entrant, problem: str, cache: str = "cold") -> float | None:
    """Return the median seconds of the first `train`, over the generations that had this cache."""
    cell = g.cell(entrant, problem)
    calls = cell.first_calls if cell and g.samples(entrant, problem) else []
    found = [c.seconds for c in calls if (c.operation, c.cache) == ("train", cache)]
    return float(np.median(found)) if found else None


def pays_after(g: Group, entrant: Entrant, problem: str) -> float | None:
    """Return the steps after which the cold first call has paid for itself against the reference; NEVER where it does not.

    The lower median over the generations.  None for the reference itself, and where either was not timed.
    """
    call, steps = first_call(g, entrant, problem), g.steps(problem)
    if g.reference is None or entrant is g.reference or call is None:
        return None
    ours, theirs = (
        {s.generation: float(np.median(per_call(s))) / steps for s in g.samples(e, problem)}
        for e in (entrant, g.reference)
    )
    found = [break_even(call, ours[i], theirs[i], steps) for i in ours if i in theirs]
    return lower_median(found) if found else None


def lower_median(values: Sequence[float]) -> float:
    """Return the lower middle one, not the mean of two: one of them may be NEVER."""
    return sorted(values)[(len(values) - 1) // 2]


def section(g: Group) -> Section | None:
    """Return the first calls of everything that compiles; None where nothing does."""
    compiled = [e for e in g.racers if e.mode not in ("eager", "")]
    rows = [[Name(name(e)), *(_cell(g, e, p) for p in g.problems)] for e in compiled]
    timed = any(g.samples(e, p) for e in compiled for p in g.problems)
    table = Table(f"First call of train, cold / warm ({g.title})", ["backend", *g.problems], rows)
    return Section("First call", [TEXT, table]) if timed else None


def _cell(g: Group, entrant: Entrant, problem: str) -> Cell:
    cold, warm = (first_call(g, entrant, problem, cache) for cache in ("cold", "warm"))
    if cold is None:
        return Status(g.outcome(entrant, problem).status)
    return Seconds(cold, "" if warm is None else f"/ {units.seconds(warm)}")
