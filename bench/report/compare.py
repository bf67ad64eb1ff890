"""Two records, B against A: which cells became faster or slower.

Generations of two runs are not pairs, so the interval is Welch's, over the median log seconds of each generation.  Some
hundred cells are compared at once, so the intervals are simultaneous (Bonferroni): together they hold 95 % of the time.
"""

from collections import Counter
from collections.abc import Sequence
from math import log
from typing import NamedTuple

import numpy as np

from bench.console import exit
from bench.console.escape import escaped
from bench.errors import UsageError
from bench.operations import OPERATIONS
from bench.records.schema import Entrant, Record
from bench.records.warnings import warnings as of_the_run
from bench.report import trust, units, verdict
from bench.report.cells import Cell, Name, Ratio, Seconds, Status, Text
from bench.report.document import Items, Part, Section, Table
from bench.report.findings import Group, grouped, groups_of, name
from bench.statistics import Estimate, Verdict, of_two_runs, per_call
from bench.statistics import verdict as judged_as

TOO_WIDE = log(2)
"""Half-width of an interval, in logs, that says nothing: it holds half the time and twice the time."""
VERDICTS: tuple[Verdict, ...] = ("slower", "faster", "level", "unknown")


class Change(NamedTuple):
    """time in B / time in A of one cell; without an estimate, `status` says why."""

    group: Group
    entrant: Entrant
    problem: str
    operation: str
    seconds: tuple[float | None, float | None]
    estimate: Estimate | None
    verdict: Verdict
    status: str
    noticeable: float
    """The smallest slowdown, relative, that would have been called one; 0 without an estimate."""


def differences(a: Record, b: Record) -> list[str]:
    """Return what forbids a verdict: another machine, dtype or precision, a phrase each."""

    def told(record: Record) -> dict[str, str]:
        gpu = record.host.gpu.name if record.host.gpu else "none"
        dtypes = ", ".join(sorted({e.dtype for e in record.entrants}))
        host = record.host
        return {"processor": host.cpu, "number of cores": str(host.cores), "GPU": gpu, "dtype or precision": dtypes}

    then, now = told(a), told(b)
    return [f"{what} ({escaped(then[what])} and {escaped(now[what])})" for what in then if then[what] != now[what]]


def refuse_unlike(a: Record, b: Record) -> None:
    """Raise UsageError when the two records cannot be judged against each other."""
    if unlike := differences(a, b):
        raise UsageError(
            f"the records differ in {'; '.join(unlike)}; run both on one machine, or see them side by side with --force"
        )


def changes(a: Record, b: Record, judged: bool = True) -> list[Change]:
    """Return every cell that either record has, in the order of B; without verdicts unless `judged`."""
    cells = [cell for before, after in _paired(a, b) for cell in _cells(before, after)]
    comparable = sum(not _status(*cell) for cell in cells)
    return [_change(*cell, comparable if judged else 0) for cell in cells]


Pair = tuple[Group, Group, Entrant, str, str]


def _paired(a: Record, b: Record) -> list[tuple[Group, Group]]:
    """Return the groups of both of the same dtype and resources, by the allocators that both have, or else the first."""
    both = [name for name in b.settings.allocators if name in a.settings.allocators]
    first = [r.entrants[0].allocator if r.entrants else "default" for r in (a, b)]
    places = dict.fromkeys((e.dtype, e.resources) for e in [*b.entrants, *a.entrants])
    allocators = [(x, x) for x in both] or [(first[0], first[1])]
    return [(Group(a, *place, x), Group(b, *place, y)) for place in places for x, y in allocators]


def _cells(before: Group, after: Group) -> list[Pair]:
    """Return the cells of both; an entrant is the same when its backend is.  The control is no cell of its own."""
    entrants = {e.backend: e for e in [*before.racers, *after.racers]}
    order = dict.fromkeys(e.backend for e in [*after.racers, *before.racers])
    problems = dict.fromkeys([*after.problems, *before.problems])
    cells = [(before, after, entrants[e], p, o) for e in order for p in problems for o in OPERATIONS]
    # `train` alone stands for a cell that neither run timed; of the other operations nobody expects a number.
    return [c for c in cells if OPERATIONS[c[4]].takes_steps or any(_logs(g, *c[2:]) for g in c[:2])]


def _status(before: Group, after: Group, entrant: Entrant, problem: str, operation: str) -> str:
    """Return why there is no ratio; '' when there is one."""
    for g, which in ((before, "A"), (after, "B")):
        own = g.named(entrant.backend)
        if own is None or problem not in g.problems:
            return f"not in {which}"
        if not g.samples(own, problem, operation):
            status = g.outcome(own, problem).status
            return f"{'not measured' if status == 'ok' else status} in {which}"
    one, other = before.facts(problem), after.facts(problem)
    if one and other and OPERATIONS[operation].takes_steps and one.timed_steps != other.timed_steps:
        return "calls of other lengths"
    if one and other and one.checksum != other.checksum:
        return "other data" if one.num_steps == other.num_steps else "descents of other lengths"
    if before.record.settings.warm_up_seconds != after.record.settings.warm_up_seconds:
        return "other warm-up"
    return "" if before.allocator == after.allocator else "other allocator"


def _change(before: Group, after: Group, entrant: Entrant, problem: str, operation: str, comparable: int) -> Change:
    """Compare one cell among all that are `comparable`; 0 for a comparison without verdicts."""
    logs = [_logs(g, entrant, problem, operation) for g in (before, after)]
    times = (_mean(logs[0]), _mean(logs[1]))
    status = _status(before, after, entrant, problem, operation) or ("" if comparable else "not judged")
    found = None if status else of_two_runs(logs[1], logs[0])
    found = found and found.among(comparable)
    if found is not None and (found.half_width is None or found.half_width > TOO_WIDE):
        found, status = None, "too few generations"
    controls = [c for g in (before, after) if (c := g.control_ratio(problem, operation)) is not None]
    control = max(controls, key=lambda c: c.reach, default=None)
    noticed = float(np.expm1(max(found.half_width or 0.0, control.reach if control else 0.0))) if found else 0.0
    return Change(after, entrant, problem, operation, times, found, judged_as(found, control), status, noticed)


def _logs(g: Group, entrant: Entrant, problem: str, operation: str) -> list[float]:
    """Return the median log seconds of each generation: of a step of `train`, or of a call."""
    own, steps = g.named(entrant.backend), g.steps(problem, operation)
    return [float(np.median(np.log(per_call(s) / steps))) for s in g.samples(own, problem, operation)] if own else []


def _mean(logs: Sequence[float]) -> float | None:
    return float(np.exp(np.mean(logs))) if logs else None


NOTE = (
    "B / A is the time in B over the time in A, with simultaneous 95 % intervals (Welch's t, Bonferroni over the cells). No"
    " verdict is finer than either run's control. `train` is per step, other operations per call. A time is the geometric"
    " mean of the medians of its generations."
)


def sections(a: Record, b: Record, found: Sequence[Change], judged: bool) -> list[Section]:
    """Return the verdict, what changed, then every cell."""
    parts: list[Part] = [f"A is {a.id}, B is {b.id}. {summary(found)}"]
    if not judged:
        parts = [f"A is {a.id}, B is {b.id}. They differ in {'; '.join(differences(a, b))}, so there are no verdicts."]
    told = [(which, [*trust.caveats(r, groups_of(r)), *of_the_run(r)]) for which, r in (("A", a), ("B", b))]
    parts += [f"{which}: {sentence}" for which, sentences in told for sentence in sentences]
    parts += [Items(lines)] if (lines := [*_drift(found), *noticeable(found)]) else []
    parts += [Table("What differs between the runs", ["", "A", "B"], rows)] if (rows := _runs(a, b)) else []
    result = [Section("Verdict", parts, short=True)]
    if changed := [_table(f"{o}, the slowest first", some) for o in OPERATIONS if (some := _decided(found, o))]:
        result.append(Section("What changed", changed, short=True))
    titled = grouped(found, lambda c: f"{c.problem}, {c.operation} ({c.group.title})")
    return [*result, Section("Every cell", [NOTE, *(_table(title, some) for title, some in titled.items())])]


def _decided(found: Sequence[Change], operation: str) -> list[Change]:
    decided = [c for c in found if c.operation == operation and c.verdict in ("slower", "faster")]
    return sorted(decided, key=lambda c: -c.estimate.log if c.estimate else 0.0)


def _runs(a: Record, b: Record) -> list[list[Cell]]:
    """Return what was upgraded, or asked for otherwise: a row for each thing that is not the same."""

    def told(record: Record) -> dict[str, str]:
        s = record.settings
        asked = {
            "generations": s.generations,
            "turns": s.rounds,
            "seconds of warm-up": s.warm_up_seconds,
            "seed": s.seed,
        }
        ours = {"commit": record.commit, "Python": record.host.python, "system": record.host.system}
        both = record.versions | ours | asked | {"allocator": ", ".join(s.allocators)} | record.environment
        return {key: str(value) for key, value in both.items()}

    then, now = told(a), told(b)
    keys = dict.fromkeys([*now, *then])
    differ = [key for key in keys if then.get(key) != now.get(key)]
    return [[Text(key), Text(then.get(key, "none")), Text(now.get(key, "none"))] for key in differ]


def _drift(found: Sequence[Change]) -> list[str]:
    """Return what all cells have in common, which the machine did more likely than every backend."""
    ratios = [c.estimate.value for c in found if c.estimate]
    if not ratios:
        return []
    return [
        f"The median of B / A over {units.plural(len(ratios), 'cell')} is {units.number(float(np.median(ratios)))}."
    ]


def noticeable(found: Sequence[Change]) -> list[str]:
    """Return how small a slowdown could have been noticed; empty where nothing was compared."""
    sizes = [c.noticeable for c in found if c.estimate]
    if not sizes:
        return []
    half, every = units.percent(float(np.median(sizes))), units.percent(max(sizes))
    return [f"A slowdown of {half} would have been noticed in half of the cells, one of {every} in every cell."]


def _table(title: str, some: Sequence[Change]) -> Table:
    rows: list[list[Cell]] = []
    for c in some:
        times: list[Cell] = [Status(c.status or "not measured") if x is None else Seconds(x) for x in c.seconds]
        judged = Ratio(c.estimate, verdict=c.verdict) if c.estimate else Status(c.status)
        rows.append([Name(name(c.entrant)), Name(c.problem), *times, judged])
    return Table(title, ["backend", "problem", "A", "B", "B / A"], rows)


def summary(found: Sequence[Change]) -> str:
    """Return `312 cells compared: 1 slower, 0 faster, 300 level, 11 unknown; 4 not compared (4 not in A).`"""
    compared, left = [c.verdict for c in found if c.estimate], Counter(c.status for c in found if not c.estimate)
    told = ", ".join(f"{compared.count(v)} {v}" for v in VERDICTS)
    why = ", ".join(f"{n} {status}" for status, n in left.most_common())
    return f"{units.plural(len(compared), 'cell')} compared: {told}{f'; {left.total()} not compared ({why})' if why else ''}."


def exit_code(b: Record, found: Sequence[Change], fail_on_regression: bool) -> int:
    """Return what B alone comes to; where that was asked for, 1 if a cell of both became slower, 3 if none was compared."""
    code = verdict.exit_code(b)
    if not fail_on_regression:
        return code
    regression = exit.REGRESSION if any(c.verdict == "slower" for c in found) else exit.GOOD
    return verdict.worst([code, regression, exit.GOOD if any(c.estimate for c in found) else exit.FAILED])
