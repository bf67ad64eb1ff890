"""What the first call costs, and after how many steps it has paid for itself."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from bench.records.schema import Entrant
from bench.report import units
from bench.report.cells import Cell, FirstCall, Name, Status, Steps
from bench.report.document import Section, Table
from bench.report.findings import Group, name
from bench.statistics import break_even, per_call


def first_call(g: Group, entrant: Entrant, problem: str, cache: Literal["cold", "warm"]) -> float | None:
    """Return the median seconds of the first `train`, over the generations that had this cache."""
    cell = g.cell(entrant, problem)
    calls = cell.first_calls if cell and g.samples(entrant, problem) else []
    found = [c.seconds for c in calls if (c.operation, c.cache) == ("train", cache)]
    return float(np.median(found)) if found else None


def pays_after(g: Group, entrant: Entrant, problem: str) -> float | None:
    """Return the steps after which the cold first call has paid for itself against the reference; NEVER where it does not.

    The lower median over the generations.  None for the reference itself, and where either was not timed.
    """
    call = first_call(g, entrant, problem, "cold")
    if g.reference is None or entrant is g.reference or call is None:
        return None
    ours, theirs = (
        {s.generation: float(np.median(per_call(s))) / g.steps(problem) for s in g.samples(e, problem)}
        for e in (entrant, g.reference)
    )
    found = [break_even(call, ours[i], theirs[i], g.steps(problem)) for i in ours if i in theirs]
    return lower_median(found) if found else None


def lower_median(values: Sequence[float]) -> float:
    """Return the lower middle one, not the mean of two: one of them may be NEVER."""
    return sorted(values)[(len(values) - 1) // 2]


def section(g: Group) -> Section | None:
    """Return the first calls of everything that compiles; None where nothing does."""
    compiled = [e for e in g.racers if e.mode not in ("eager", "")]
    if not any(g.samples(e, p) for e in compiled for p in g.problems):
        return None
    text = (
        "The first call compiles, and imports nothing. The first time is with cold caches, the second with those that the"
        " library keeps on disk. The first problem also pays what a library does once in a process."
    )
    calls, paid = ([[Name(name(e)), *(cell(g, e, p) for p in g.problems)] for e in compiled] for cell in (_cell, _paid))
    headers, against = ["backend", *g.problems], name(g.reference) if g.reference else "no reference"
    title = f"Steps until the cold first call has paid for itself against {against} ({g.title})"
    tables = [
        Table(f"First call of train, cold / warm ({g.title})", headers, calls),
        Table(title, headers, paid, shown="folded"),
    ]
    return Section("First call", [text, *tables])


def _cell(g: Group, entrant: Entrant, problem: str) -> Cell:
    cold, warm = first_call(g, entrant, problem, "cold"), first_call(g, entrant, problem, "warm")
    if cold is None and warm is None:
        return Status(g.outcome(entrant, problem).status)
    return FirstCall(cold, "" if warm is None else f"/ {units.seconds(warm)}")


def _paid(g: Group, entrant: Entrant, problem: str) -> Cell:
    steps = pays_after(g, entrant, problem)
    return Status(g.outcome(entrant, problem).status) if steps is None else Steps(steps)
