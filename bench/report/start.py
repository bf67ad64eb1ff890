"""Compute what the first call costs, after how many steps that has paid for itself, and device memory."""

from typing import Literal, NamedTuple

import numpy as np

from bench.records.schema import Entrant
from bench.report.findings import Findings
from bench.statistics import break_even, per_call

Cache = Literal["cold", "warm"]


class BreakEven(NamedTuple):
    """Steps after which a backend has made up for its first call; NEVER when it is not faster.

    The median over the generations, and the least and the most of them.  With n generations these two
    hold the true median between them with a chance of 1 - 2^(1 - n), 99 % for eight, whatever the
    distribution: of the steady times, for a cold first call there is but once.
    """

    steps: float
    least: float
    most: float


def first_call(f: Findings, entrant: Entrant, problem: str, cache: Cache) -> float | None:
    """Median seconds of the first `train`, over the generations that had this cache."""
    cell = f.cell(entrant, problem)
    timed = cell is not None and f.samples(entrant, problem)
    found = (
        [c.seconds for c in cell.first_calls if (c.operation, c.cache) == ("train", cache)] if cell and timed else []
    )
    return float(np.median(found)) if found else None


def breaks_even(f: Findings, entrant: Entrant, problem: str, cache: Cache) -> BreakEven | None:
    """Against the reference; None for the reference itself and where either was not timed."""
    call = first_call(f, entrant, problem, cache)
    if f.reference is None or entrant is f.reference or call is None:
        return None
    ours, theirs = _by_generation(f, entrant, problem), _by_generation(f, f.reference, problem)
    found = [break_even(call, ours[g], theirs[g], f.steps(problem)) for g in ours if g in theirs]
    if not found:
        return None
    # The lower middle one, not the mean of two: one of them may be NEVER.
    found.sort()
    return BreakEven(found[(len(found) - 1) // 2], found[0], found[-1])


def _by_generation(f: Findings, entrant: Entrant, problem: str) -> dict[int, float]:
    """Median seconds a step, by generation."""
    return {s.generation: float(np.median(per_call(s))) / f.steps(problem) for s in f.samples(entrant, problem)}


def peak_bytes(f: Findings, entrant: Entrant, problem: str) -> float | None:
    """Return the most bytes that lay on the device during one `train`, a median; None on the CPU."""
    cell = f.cell(entrant, problem)
    found = cell.device_peak_bytes if cell else []
    return float(np.median(found)) if found else None


def import_seconds(entrant: Entrant) -> float | None:
    """Median seconds to import the library and make the backend."""
    return float(np.median(entrant.import_seconds)) if entrant.import_seconds else None
