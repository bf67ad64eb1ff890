"""Time against size: the measured points, the limit of the machine, and where a backend overtakes the reference."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from bench.records.schema import Entrant, Limits
from bench.report.findings import Findings
from bench.statistics import NEVER

FEWEST_SIZES = 4
ALWAYS = 0.0


class Point(NamedTuple):
    """A problem as a size: the flops of one step, and seconds a step."""

    problem: str
    flops: float
    seconds: float


def points(f: Findings, entrant: Entrant, problems: Iterable[str]) -> list[Point]:
    """Return what was measured, smallest work first."""
    found = [(p, f.facts(p), f.median(entrant, p)) for p in problems]
    return sorted((Point(p, facts.flops, time) for p, facts, time in found if facts and time), key=lambda x: x.flops)


def sweeps(f: Findings) -> dict[str, list[str]]:
    """Return the workloads posed at enough sizes to show a trend, with their problems."""
    return {w: problems for w, problems in f.workloads.items() if len({_flops(f, p) for p in problems}) >= FEWEST_SIZES}


def _flops(f: Findings, problem: str) -> float | None:
    facts = f.facts(problem)
    return facts.flops if facts else None


def overtakes(ours: list[Point], theirs: list[Point]) -> float | None:
    """The flops of a step from which ours stays below theirs, between the two sizes on a log scale.

    ALWAYS when it is below at every size, NEVER when it is not at the largest, None without a size in common.
    """
    other = {p.problem: p.seconds for p in theirs}
    logs = [(np.log(p.flops), np.log(p.seconds / other[p.problem])) for p in ours if p.problem in other]
    if not logs:
        return None
    above = [i for i, (_, log) in enumerate(logs) if log >= 0]
    if not above:
        return ALWAYS
    if above[-1] == len(logs) - 1:
        return NEVER
    (x0, y0), (x1, y1) = logs[above[-1]], logs[above[-1] + 1]
    return float(np.exp(x0 + (x1 - x0) * y0 / (y0 - y1)))


def limits(f: Findings) -> Limits | None:
    return next((found for found in f.record.limits if found.device == f.device), None)


def limit_seconds(f: Findings, problem: str) -> float | None:
    """What a step takes at least on this machine: its flops at the matmul rate or its bytes at the copy rate."""
    found, facts = limits(f), f.facts(problem)
    if found is None or facts is None:
        return None
    matmul = found.matmul_rate(f.dtype)
    bounds = [facts.flops / matmul] if matmul else []
    bounds += [facts.bytes_moved / found.copy_bytes_per_second] if found.copy_bytes_per_second else []
    return max(bounds, default=None)


def share_of_limit(f: Findings, entrant: Entrant, problem: str) -> float | None:
    """1 is as fast as the machine can; None where one of the two is not known."""
    limit, time = limit_seconds(f, problem), f.median(entrant, problem)
    return limit / time if limit and time else None
