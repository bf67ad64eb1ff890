"""Find how many generations a wished half-width takes, by a pilot race whose samples are not kept.

The number is fixed before the race that counts.  Who stops a race when its interval looks good finds intervals that are
too narrow.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bench.errors import UsageError
from bench.plan.selection import Selection
from bench.records.schema import Record
from bench.report.findings import groups_of
from bench.report.trust import controls
from bench.statistics import Estimate, generations_for, half_width_of

Race = Callable[[Selection, Callable[[str], None]], Record]

PILOT, MOST = 5, 100  # generations of the pilot, and of a race at most


def generations(selection: Selection, half_width: float, race: Race, say: Callable[[str], None]) -> int:
    """Return how many generations give half of the intervals against NumPy a relative half-width of about `half_width`.

    `race` runs the pilot.  UsageError where it takes more than MOST, or nothing can be compared.
    """
    began = time.monotonic()
    record = race(replace(selection, generations=PILOT), lambda line: say(f"pilot, {line}"))
    seconds, found = (time.monotonic() - began) / PILOT, _estimates(record)
    if not found:
        reasons = (f" ({cell.outcome.status}: {cell.outcome.reason})" for cell in record.cells if cell.outcome.failed)
        raise UsageError(
            f"the pilot race has no two cells to compare{next(reasons, '')}; mend that, or leave out --half-width"
        )
    needed = math.ceil(_median(found, lambda estimate: generations_for(half_width, estimate)))
    told = (
        f"a half-width of {100 * half_width:.3g}% takes about {needed} generations, {_duration(needed * seconds)} here"
    )
    if needed > MOST:
        least = _median(found, lambda estimate: half_width_of(MOST, estimate))
        possible = f"{math.ceil(1000 * least) / 10:g}%, for {_duration(MOST * seconds)}"
        raise UsageError(f"{told}; give --half-width {possible}, or more")
    say(f"{told}, by the pilot")
    return needed


def _estimates(record: Record) -> list[Estimate]:
    """Return the ratio to NumPy of every cell; where NumPy raced alone, of its control."""
    groups = groups_of(record)
    found = [g.ratio(e, g.base, p) for g in groups for p in g.problems for e in g.racers if g.base and e is not g.base]
    some = [*filter(None, found)] or [estimate for g in groups for _, _, estimate in controls(g)]
    return [estimate for estimate in some if estimate.error is not None]


def _median(estimates: Sequence[Estimate], of: Callable[[Estimate], float | None]) -> float:
    return float(np.median([of(estimate) or 0 for estimate in estimates]))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
