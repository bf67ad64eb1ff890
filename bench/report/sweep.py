"""Time against size: what a step costs before it does anything, the limit of the machine, who overtakes NumPy where."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from bench.record import Entrant, Limits
from bench.report.findings import Findings
from bench.statistics import NEVER, spread, students

FEWEST_SIZES = 4
ALWAYS = 0.0


class Point(NamedTuple):
    """A problem as a size: the flops of one step, and seconds a step."""

    problem: str
    flops: float
    seconds: float


class Fit(NamedTuple):
    """seconds = overhead + flops / rate; rate is None where the time does not grow with the work."""

    overhead: float
    rate: float | None

    def seconds(self, flops: float) -> float:
        return self.overhead + (flops / self.rate if self.rate else 0.0)


class Fitted(NamedTuple):
    """The mean of the generations' fits, and the 95 % interval of each of its terms; None below three of them."""

    fit: Fit
    overhead: tuple[float, float] | None
    rate: tuple[float, float] | None


def points(f: Findings, entrant: Entrant, problems: Iterable[str], generation: int | None = None) -> list[Point]:
    """Smallest work first; over all generations, or of one."""
    found = [(p, f.facts(p), _seconds_a_step(f, entrant, p, generation)) for p in problems]
    return sorted((Point(p, facts.flops, time) for p, facts, time in found if facts and time), key=lambda x: x.flops)


def _seconds_a_step(f: Findings, entrant: Entrant, problem: str, generation: int | None) -> float | None:
    if generation is None:
        return f.median(entrant, problem)
    samples = [s for s in f.samples(entrant, problem) if s.generation == generation]
    return spread(samples).median / f.steps(problem) if samples else None


def sweeps(f: Findings) -> dict[str, list[str]]:
    """The workloads posed at enough sizes for a fit, with their problems."""
    return {w: problems for w, problems in f.workloads.items() if len({_flops(f, p) for p in problems}) >= FEWEST_SIZES}


def _flops(f: Findings, problem: str) -> float | None:
    facts = f.facts(problem)
    return facts.flops if facts else None


def fit(measured: list[Point]) -> Fit | None:
    """Least squares of the *relative* error, neither term negative; None below four sizes."""
    if len({p.flops for p in measured}) < FEWEST_SIZES:
        return None
    work, time = (np.array([getattr(p, field) for p in measured]) for field in ("flops", "seconds"))
    # Divided by the time, every point weighs the same: a plain fit would see the largest size alone.
    columns = np.stack([1 / time, work / work.max() / time], axis=1)
    (overhead, slope), *_ = np.linalg.lstsq(columns, np.ones(len(time)), rcond=None)
    if overhead < 0:
        overhead, slope = 0.0, _alone(columns[:, 1])
    elif slope <= 0:
        overhead, slope = _alone(columns[:, 0]), 0.0
    return Fit(float(overhead), float(work.max() / slope) if slope > 0 else None)


def fitted(f: Findings, entrant: Entrant, problems: Sequence[str]) -> Fitted | None:
    """The generations' fits, a mean with Student's t; None below four sizes, no rate where it shows not in all of them."""
    generations = sorted({s.generation for p in problems for s in f.samples(entrant, p)})
    each = [found for g in generations if (found := fit(points(f, entrant, problems, g))) is not None]
    if not each:
        return None
    overheads, rates = [found.overhead for found in each], [found.rate for found in each if found.rate]
    if len(rates) < len(each):
        return Fitted(Fit(float(np.mean(overheads)), None), students(overheads), None)
    return Fitted(Fit(float(np.mean(overheads)), float(np.mean(rates))), students(overheads), students(rates))


def _alone(column: np.ndarray) -> float:
    """The least-squares factor that makes one column nearest to 1."""
    return float(column.sum() / (column @ column))


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
