"""Two records, B against A: which cells became faster or slower.

Generations of two runs are not pairs, so the interval is Welch's, over the median log seconds of each
generation.  A suite compares some hundred cells at once, and at 95 % each a few would always come out
slower by chance; so the intervals are simultaneous (Bonferroni): together they hold 95 % of the time.
"""

from typing import NamedTuple

import numpy as np

from bench.console import exit
from bench.console.escape import escaped as inert
from bench.errors import UsageError
from bench.records.schema import OPERATIONS, Entrant, Operation, Record
from bench.report import trust, units, words
from bench.report.findings import Findings, all_findings, grouped, name
from bench.report.text import Section, Table
from bench.statistics import CONFIDENCE, Interval, Verdict, per_call, verdict, welch


class Change(NamedTuple):
    """time in B / time in A of one cell; without an interval, `word` says why."""

    entrant: Entrant
    problem: str
    operation: Operation
    seconds_a: float | None
    seconds_b: float | None
    interval: Interval | None
    verdict: Verdict
    word: str

    @property
    def ratio(self) -> Interval:
        """The interval, of a change that has one."""
        assert self.interval is not None
        return self.interval


def differences(a: Record, b: Record) -> list[str]:
    """What forbids a verdict: another machine, another dtype or precision; one phrase each."""

    def gpu(record: Record) -> str:
        return record.host.gpu.name if record.host.gpu else "none"

    def dtypes(record: Record) -> str:
        return ", ".join(sorted({e.dtype for e in record.entrants}))

    pairs = [
        ("processor", a.host.cpu, b.host.cpu),
        ("number of cores", a.host.cores, b.host.cores),
        ("GPU", gpu(a), gpu(b)),
        ("dtype or precision", dtypes(a), dtypes(b)),
    ]
    return [f"{what} ({inert(str(x))} and {inert(str(y))})" for what, x, y in pairs if x != y]


def changes(a: Record, b: Record, judged: bool = True) -> list[Change]:
    """Every cell that either record has, in the order of B; without verdicts unless `judged`."""
    both = [str(name) for name in b.settings.allocators if name in a.settings.allocators]
    shared = both or [""]  # the first of each, and every cell then says that it was another
    places = dict.fromkeys((e.dtype, e.device, name) for name in shared for e in [*b.entrants, *a.entrants])
    cells = [cell for place in places for cell in _cells(Findings(a, *place), Findings(b, *place))]
    comparable = sum(not _reason(*cell) for cell in cells)
    return [_change(*cell, confidence=1 - (1 - CONFIDENCE) / max(1, comparable), judged=judged) for cell in cells]


Pair = tuple[Findings, Findings, Entrant, str, Operation]


def _cells(before: Findings, after: Findings) -> list[Pair]:
    """Return the cells of both; an entrant is the same when its backend is.  The control is no cell of its own."""
    entrants = {e.backend: e for e in after.racers}
    for e in before.racers:
        entrants.setdefault(e.backend, e)
    problems = dict.fromkeys([*after.problems, *before.problems])
    cells = [(before, after, e, p, o) for e in entrants.values() for p in problems for o in OPERATIONS]
    # `train` alone stands for a cell that neither run timed; of the other operations nobody expects a number.
    return [cell for cell in cells if cell[-1] == "train" or any(_logs(f, *cell[2:]) for f in cell[:2])]


def _same(f: Findings, entrant: Entrant) -> Entrant | None:
    return f.named(entrant.backend)


def _reason(before: Findings, after: Findings, entrant: Entrant, problem: str, operation: Operation) -> str:
    """Why there is no ratio; '' when there is one."""
    for f, which in ((before, "A"), (after, "B")):
        own = _same(f, entrant)
        if own is None or (f.cell(own, problem) is None and problem not in f.problems):
            return f"not in {which}"
        if not f.samples(own, problem, operation):
            word = f.outcome(own, problem).status
            return f"{units.ABSENT if word == 'ok' else word} in {which}"
    one, other = before.facts(problem), after.facts(problem)
    if one and other and operation == "train" and one.timed_steps != other.timed_steps:
        return "calls of other lengths"
    if one and other and one.checksum != other.checksum:
        return "other data" if one.num_steps == other.num_steps else "descents of other lengths"
    if before.record.settings.warm_up_seconds != after.record.settings.warm_up_seconds:
        return "other warm-up"
    ours, theirs = _same(before, entrant), _same(after, entrant)
    if ours and theirs and ours.allocator != theirs.allocator:
        return "other allocator"
    return "other threads" if ours and theirs and ours.threads != theirs.threads else ""


def _change(
    before: Findings,
    after: Findings,
    entrant: Entrant,
    problem: str,
    operation: Operation,
    confidence: float,
    judged: bool,
) -> Change:
    reason = _reason(before, after, entrant, problem, operation)
    logs = [_logs(f, entrant, problem, operation) for f in (before, after)]
    time_a, time_b = (float(np.exp(np.mean(x))) if x else None for x in logs)
    if reason or not judged:
        return Change(entrant, problem, operation, time_a, time_b, None, "undecided", reason or "not judged")
    found = welch(logs[1], logs[0], confidence)
    controls = [f.control_interval(problem, operation) for f in (before, after)]
    control = max(filter(None, controls), key=lambda interval: interval.reach, default=None)
    return Change(entrant, problem, operation, time_a, time_b, found, verdict(found, control), "")


def _logs(f: Findings, entrant: Entrant, problem: str, operation: Operation) -> list[float]:
    """Median log seconds of each generation: of a step of `train`, or of a call."""
    own = _same(f, entrant)
    steps = f.steps(problem, operation)
    return [float(np.median(np.log(per_call(s) / steps))) for s in f.samples(own, problem, operation)] if own else []


def page(a: Record, b: Record, found: list[Change], judged: bool) -> list[Section]:
    """The verdict, what changed, then every cell."""
    text = f"A is {a.id}, B is {b.id}. {summary(found)}"
    if not judged:
        text = f"A is {a.id}, B is {b.id}. They differ in {'; '.join(differences(a, b))}, so they stand side by side without verdicts."
    runs = [Table("What differs between the runs", ["", "A", "B"], rows)] if (rows := _runs(a, b)) else []
    told = [(which, [*trust.caveats(r, all_findings(r)), *map(inert, r.told())]) for which, r in (("A", a), ("B", b))]
    caveats = [f"{which}: {said}" for which, sentences in told for said in sentences]
    sections = [Section("Verdict", [text, *caveats, *_drift(found)], tables=runs)]
    if changed := _changed(found):
        sections.append(Section("What changed", tables=changed))
    return [*sections, Section("Every cell", [_NOTE] if judged else [], tables=_all(found))]


def _runs(a: Record, b: Record) -> list[list[str]]:
    """What was upgraded, or asked for otherwise: a row for each that is not the same."""

    def told(record: Record) -> dict[str, str]:
        settings = record.settings
        asked = {
            "generations": settings.generations,
            "rounds": settings.rounds,
            "seconds of warm-up": settings.warm_up_seconds,
            "seed": settings.seed,
            "allocator": ", ".join(settings.allocators),
        }
        ours = {"commit": record.commit, "Python": record.host.python, "system": record.host.system}
        return {key: str(value) for key, value in (record.versions | ours | asked | record.environment).items()}

    then, now = told(a), told(b)
    keys = dict.fromkeys([*now, *then])
    return [[key, then.get(key, "none"), now.get(key, "none")] for key in keys if then.get(key) != now.get(key)]


def _changed(found: list[Change]) -> list[Table]:
    """Of each operation the cells with a verdict, the slowest first."""
    tables = []
    for operation in OPERATIONS:
        decided = [c for c in found if c.operation == operation and c.verdict != "undecided"]
        rows = [[name(c.entrant), c.problem, *_judged(c)] for c in sorted(decided, key=lambda c: -c.ratio.value)]
        tables += (
            [Table(f"{operation}, the slowest first", ["backend", "problem", "B / A", "verdict"], rows)] if rows else []
        )
    return tables


_NOTE = (
    "Ratios are time in B over time in A, with simultaneous 95 % intervals (Welch's t, Bonferroni over the cells); no"
    " verdict is finer than what either run's control shows. `train` is per step, the other operations per call. A time is"
    " the geometric mean of its generations' medians; the report of one run gives the median of all its samples."
)


def _drift(found: list[Change]) -> list[str]:
    """What all cells have in common is the machine's doing more likely than every backend's."""
    ratios = [c.interval.value for c in found if c.interval]
    if not ratios:
        return []
    low, middle, high = (units.number(float(x)) for x in np.quantile(ratios, [0.25, 0.5, 0.75]))
    cells = units.plural(len(ratios), "cell")
    return [
        f"Over {cells} B / A has the median {middle}, the quartiles {low} and {high}: what all share, the machine may have done."
    ]


def _all(found: list[Change]) -> list[Table]:
    titled = grouped(found, lambda c: f"{c.problem}, {c.operation} ({c.entrant.dtype} on {c.entrant.device})")
    return [_table(title, cells) for title, cells in titled.items()]


def _table(title: str, cells: list[Change]) -> Table:
    times = [[c.status if x is None else units.seconds(x) for x in (c.seconds_a, c.seconds_b)] for c in cells]
    rows = [[name(c.entrant), *both, *_judged(c)] for c, both in zip(cells, times, strict=True)]
    return Table(title, ["backend", "A", "B", "B / A", "verdict"], rows)


def _judged(c: Change) -> list[str]:
    return [c.status if c.interval is None else units.interval(c.interval), c.status or c.verdict]


def summary(found: list[Change]) -> str:
    """`312 cells compared: 1 slower, 0 faster, 311 undecided; 4 not comparable.`"""
    compared = [c.verdict for c in found if not c.status]
    told = ", ".join(f"{compared.count(v)} {v}" for v in ("slower", "faster", "undecided"))
    left = len(found) - len(compared)
    return f"{units.plural(len(compared), 'cell')} compared: {told}{f'; {left} not comparable' if left else ''}."


def exit_code(b: Record, found: list[Change], fail_on_regression: bool) -> int:
    """What `b` alone comes to; where that was asked for, 1 if a cell became slower, 3 if one of A's is not compared, or of
    too few generations for an interval."""
    code = words.exit_code(all_findings(b))
    if not fail_on_regression:
        return code
    slower = any(c.verdict == "slower" for c in found)
    unjudged = [c for c in found if c.interval is None or c.interval.low is None]
    lost = len(unjudged) == len(found) or any(c.seconds_a is not None for c in unjudged)
    return words.worst([code, exit.REGRESSION if slower else exit.GOOD, exit.FAILED if lost else exit.GOOD])


def refuse_unlike(a: Record, b: Record) -> None:
    """UsageError when the two records cannot be judged against each other."""
    if unlike := differences(a, b):
        raise UsageError(
            f"the records differ in {'; '.join(unlike)}; run both on one machine, or see them side by side with --force"
        )
