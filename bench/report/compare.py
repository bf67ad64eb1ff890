"""Two records, B against A: Welch's intervals, as generations of two runs are no pairs, that hold together."""

from collections import Counter
from collections.abc import Sequence
from math import log
from typing import NamedTuple

import numpy as np

from bench.console import escaped, exit
from bench.operations import OPERATIONS
from bench.records.schema import Entrant, Record
from bench.records.warnings import warnings as of_the_run
from bench.report import summary as of_one
from bench.report import trust, units
from bench.report.document import Cell, Items, Name, Part, Ratio, Seconds, Section, Status, Table
from bench.report.findings import Group, grouped, groups_of, name
from bench.statistics import Estimate, Verdict, log_times, noticed_from, of_two_runs, verdict

FEW, ENOUGH, TOO_WIDE = "too few generations", 5, log(2)
"""Generations below which, and half-width in logs above which, an interval says nothing."""
NOTE = (
    "B / A is time in B over time in A, with 95 % intervals that hold together. No `slower` or `faster` is finer than either run's control."
    " What shifts a whole run, as another hour may, is in no interval: to tell two versions apart, race both in one run."
    f" `train` is per step, other operations per call. Below {ENOUGH} generations nothing is compared."
)


class Change(NamedTuple):
    """time in B / time in A of one cell; without an estimate, `status` says why."""

    before: Group
    after: Group
    entrant: Entrant
    problem: str
    operation: str
    status: str = ""
    estimate: Estimate | None = None
    verdict: Verdict = "unknown"
    noticeable: float = 0.0  # the smallest slowdown, relative, that is called one where it is observed

    def logs(self, g: Group) -> list[float]:
        """Return the log seconds of each generation in one of the records: of a step, or of a call."""
        own, steps = g.named(self.entrant.backend), g.steps(self.problem, self.operation)
        samples = g.samples(own, self.problem, self.operation) if own else []
        return [time - float(np.log(steps)) for time in log_times(samples).values()]


def differences(a: Record, b: Record) -> list[str]:
    """Return what forbids a verdict: another machine, dtype or precision, a phrase each."""
    gpus = [r.host.gpu.name if r.host.gpu else "none" for r in (a, b)]
    dtypes = [", ".join(sorted({e.dtype for e in r.entrants})) for r in (a, b)]
    cpus, cores = [r.host.cpu for r in (a, b)], [str(r.host.cores) for r in (a, b)]
    told = {"processor": cpus, "number of cores": cores, "GPU": gpus, "dtype or precision": dtypes}
    return [f"{what} ({escaped(one)} and {escaped(other)})" for what, (one, other) in told.items() if one != other]


def changes(a: Record, b: Record, judged: bool = True) -> list[Change]:
    """Return every cell of either record, by dtype, resources and shared allocators; no verdicts unless `judged`."""
    both = [(x, x) for x in b.settings.allocators if x in a.settings.allocators]
    first = [r.entrants[0].allocator if r.entrants else "default" for r in (a, b)]
    found = []
    for place in dict.fromkeys((e.dtype, e.resources) for e in [*b.entrants, *a.entrants]):
        for x, y in both or [(first[0], first[1])]:
            before, after = Group(a, *place, x), Group(b, *place, y)
            entrants = {e.backend: e for e in [*after.racers, *before.racers]}
            problems = dict.fromkeys([*after.problems, *before.problems])
            cells = (Change(before, after, e, p, o) for e in entrants.values() for p in problems for o in OPERATIONS)
            # `train` alone stands for a cell that neither run timed; of the other operations nobody expects a number.
            found += [c for c in cells if OPERATIONS[c.operation].takes_steps or c.logs(before) or c.logs(after)]
    found = [c._replace(status=_status(c)) for c in found]
    comparable = sum(not c.status for c in found)
    return [c if c.status else _judged(c, comparable) if judged else c._replace(status="not judged") for c in found]


def _status(c: Change) -> str:
    """Return why there is no ratio; '' when there is one."""
    for g, which in ((c.before, "A"), (c.after, "B")):
        own = g.named(c.entrant.backend)
        if own is None or c.problem not in g.problems:
            return f"not in {which}"
        if not c.logs(g):
            return f"{Status(g.outcome(own, c.problem).status).text} in {which}"
    one, other = c.before.facts(c.problem), c.after.facts(c.problem)
    if one and other and OPERATIONS[c.operation].takes_steps and one.timed_steps != other.timed_steps:
        return "calls of other lengths"
    if one and other and one.checksum != other.checksum:
        return "other data" if one.num_steps == other.num_steps else "descents of other lengths"
    if c.before.record.settings.warm_up_seconds != c.after.record.settings.warm_up_seconds:
        return "other warm-up"
    a, b = c.before.record, c.after.record
    if a.settings.rounds != b.settings.rounds or any(r.samples for r in a.races) != any(r.samples for r in b.races):
        return "other number of turns"  # the fastest of more is faster
    return "" if c.before.allocator == c.after.allocator else "other allocator"


def _judged(c: Change, comparable: int) -> Change:
    """Compare one cell among all that are `comparable`."""
    single = of_two_runs(c.logs(c.after), c.logs(c.before))
    found = single.among(comparable) if single else None
    few = min(len(c.logs(g)) for g in (c.before, c.after)) < ENOUGH
    if few or found is None or found.half_width is None or found.half_width > TOO_WIDE:
        return c._replace(status=FEW)
    controls = [x for g in (c.before, c.after) if (x := g.control_ratio(c.problem, c.operation))]
    control, margin = max(controls, key=lambda x: x.reach, default=None), c.after.record.settings.margin
    noticeable = noticed_from(found, control, margin) - 1
    return c._replace(estimate=found, verdict=verdict(found, control, margin), noticeable=noticeable)


def sections(a: Record, b: Record, found: Sequence[Change]) -> list[Section]:
    """Return the verdict, what changed, then every cell."""
    unlike = "; ".join(differences(a, b))
    told = f"They differ in {unlike}, so there are no verdicts." if unlike else summary(found)
    careful = {which: [*trust.caveats(r, groups_of(r)), *of_the_run(r)] for which, r in (("A", a), ("B", b))}
    lines = [*noticeable(found), *(f"{which}: {sentence}" for which, some in careful.items() for sentence in some)]
    runs = Table("What differs between the runs", ["what", "A", "B"], _runs(a, b))
    decided = [c for c in found if c.verdict in ("slower", "faster")]
    decided.sort(key=lambda c: -c.estimate.log if c.estimate else 0)
    changed = {f"{o}, the slowest first": some for o, some in grouped(decided, lambda c: c.operation).items()}
    every = grouped(found, lambda c: f"{c.problem}, {c.operation} ({c.after.title})")
    parts: list[Part] = [f"A is {a.id}, B is {b.id}. {told}", *[Items(lines)] * bool(lines), *[runs] * bool(runs.rows)]
    shown = [Section("What changed", [_table(*table) for table in changed.items()], short=True)] * bool(changed)
    tables = [_table(*titled) for titled in every.items()]
    return [Section("Verdict", parts, short=True), *shown, Section("Every cell", [NOTE, *tables])]


def _runs(a: Record, b: Record) -> list[list[Cell]]:
    """Return what was upgraded, or asked for otherwise: a row for each thing that is not the same."""
    asked = ("generations", "rounds", "warm_up_seconds", "seed", "allocators")
    told = []
    for r in (a, b):
        settings = {what.replace("_", " "): str(getattr(r.settings, what)) for what in asked}
        ours = {"commit": r.commit, "Python": r.host.python, "system": r.host.system}
        told.append(r.versions | ours | settings | r.environment)
    differ = [key for key in dict.fromkeys([*told[1], *told[0]]) if told[0].get(key) != told[1].get(key)]
    return [[Cell(key), *(Cell(one.get(key, "none")) for one in told)] for key in differ]


def noticeable(found: Sequence[Change]) -> list[str]:
    """Return how small a slowdown could have been noticed, or what a comparison takes where nothing was compared."""
    sizes = [c.noticeable for c in found if c.estimate]
    half, every = units.percent(float(np.median(sizes or [0]))), units.percent(max(sizes, default=0))
    told = (
        f"An observed slowdown of {half} would have been called one in half of the cells, one of {every} in every cell."
    )
    few = [f"A comparison takes {ENOUGH} generations in both runs, more than `--quick` has."]
    return [told] if sizes else few * any(c.status == FEW for c in found)


def _table(title: str, some: Sequence[Change]) -> Table:
    rows: list[list[Cell]] = []
    for c in some:
        times = [Seconds(float(np.exp(np.mean(x)))) if (x := c.logs(g)) else Status("-") for g in (c.before, c.after)]
        judged = Ratio(c.estimate, verdict=c.verdict) if c.estimate else Status(c.status)
        rows.append([Name(name(c.entrant)), Name(c.problem), *times, judged])
    return Table(title, ["backend", "problem", "A", "B", "B / A"], rows)


def summary(found: Sequence[Change]) -> str:
    """Return `312 cells compared: 1 slower, 0 faster, 300 level, 11 unknown; 4 not compared (4 not in A).`"""
    compared, left = [c.verdict for c in found if c.estimate], Counter(c.status for c in found if not c.estimate)
    told = ", ".join(f"{compared.count(v)} {v}" for v in ("slower", "faster", "level", "unknown"))
    why = ", ".join(f"{n} {status}" for status, n in left.most_common())
    return f"{units.plural(len(compared), 'cell')} compared: {told}{f'; {left.total()} not compared ({why})' if why else ''}."


def exit_code(b: Record, found: Sequence[Change], fail_on_regression: bool) -> int:
    """Return what B alone comes to; where that was asked for, 1 if a cell of both became slower, 3 if none was compared."""
    codes = [of_one.exit_code(b)]
    if fail_on_regression:
        slower, none = any(c.verdict == "slower" for c in found), not any(c.estimate for c in found)
        codes += [*[exit.REGRESSION] * slower, *[exit.FAILED] * none]
    return of_one.worst(codes)
