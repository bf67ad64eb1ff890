"""Answer how to write a descent loop: the modes with autodiff, each beside NumPy."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, get_args

import backends
from bench.records.schema import Entrant
from bench.report import cost, times, units
from bench.report.document import Cell, Count, Items, Name, Part, Ratio, Seconds, Section, Status, Table
from bench.report.findings import Comparison, Group, called, name, prototype
from bench.statistics import Verdict

SMALL, LARGE = 1e-4, 2e-3
"""Seconds of a step in NumPy: below the one most of it is overhead, above the other most of it is arithmetic."""


class Way(NamedTuple):
    """One way of writing the loop; `overall` is over its `problems`, with an interval that holds with the others'."""

    entrant: Entrant
    overall: Comparison
    problems: Sequence[str]


def ways(g: Group, problems: Sequence[str]) -> list[Way]:
    """Return the ways that were timed on any of `problems`, the fastest first; those that miss a problem come last."""
    against = g.base
    timed = {e.label: [p for p in problems if g.samples(e, p)] for e in g.modes if e is not against}
    entrants = [e for e in g.modes if timed.get(e.label)]
    found = [Way(e, g.compare(e, against, timed[e.label], len(entrants)), timed[e.label]) for e in entrants if against]
    return sorted((w for w in found if w.overall.estimate), key=lambda w: (-len(w.problems), w.overall.value))


def rivals(g: Group, problems: Sequence[str]) -> list[Way]:
    """Return the fastest of the ways that were timed on all of `problems`, and those of which it is not surely faster."""
    complete = [w for w in ways(g, problems) if len(w.problems) == len(problems)]
    others = complete[1:]
    against = [g.compare(complete[0].entrant, w.entrant, problems, len(others)) for w in others]
    return [*complete[:1], *(w for w, c in zip(others, against, strict=True) if c.verdict != "faster")]


def section(g: Group, lead: Sequence[str], pictures: Sequence[Part] = ()) -> Section:
    """Return what leads the report, the table, the advice and the chart."""
    found, bullets = ways(g, g.field), advice(g)
    parts = [*lead, *([_table(g, found)] if found else []), *[Items(bullets)] * bool(bullets), *pictures]
    nothing = "No way with autodiff was timed beside another backend, so none is said to be faster."
    return Section("The answer: which way of writing the loop", parts or [nothing], short=True)


def lead(g: Group) -> list[str]:
    """Return which way is the fastest on average, the range of single problems, and on how many it is what."""
    problems, against = g.field, g.base
    found = rivals(g, problems)
    if not found or against is None:
        return []
    first, *others = found
    times = f"{units.number(first.overall.value)} times {called(against)}'s"
    average = f", on average over {len(problems)} problems" if len(problems) > 1 else ""
    what = (
        "fastest way to write the loop with autodiff" if len(ways(g, problems)) > 1 else "only way with autodiff timed"
    )
    opening = f"{called(first.entrant)} is the {what}{average}: {times} time."
    if others:
        alike = units.listed([units.code(name(w.entrant)) for w in others], most=2)
        opening = f"{called(first.entrant)} has the least time{average}: {times}; {alike} cannot be told from it."
    each = _each(g, first)
    if len(each) == 1:
        return [opening]
    counts = Counter(c.verdict for c in each)
    tally = ", ".join(f"{v} on {counts[v]}" for v in get_args(Verdict) if counts[v])
    tally = f"{each[0].verdict} on all" if len(counts) == 1 else tally
    mean = f"It is a geometric mean: single problems range from {_span(each)}, so look for one like yours."
    return [opening, mean, f"By problem it is {tally}."]


def _each(g: Group, w: Way) -> list[Comparison]:
    among = sum(len(other.problems) for other in ways(g, g.field))  # the intervals of all ways hold together
    return [g.compare(w.entrant, w.overall.b, p, among) for p in w.problems]


def _table(g: Group, found: Sequence[Way]) -> Table:
    time = f"time / {name(found[0].overall.b)}"
    headers = ["backend", time, "first call", "pays after", "all problems within", "mode", "line of code"]
    note = f"{time}: geometric mean over the problems, with 95 % intervals that hold together. `first call`: compiling"
    note += " included. `pays after`: the steps that make up for it. Both: medians over the problems."
    return Table(f"Ways of writing the loop ({g.title})", headers, [_row(g, w) for w in found], note, wide=3)


def _row(g: Group, w: Way) -> list[Cell]:
    e, mode = w.entrant, backends.MODES.get(w.entrant.backend)
    calls = [s for p in w.problems if (s := times.first_call(g, e, p)) is not None]
    pays = [s for p in w.problems if (s := times.pays_after(g, e, p)) is not None]
    steps: Cell = Count(times.lower_median(pays)) if pays else Status("ok")
    paid = Cell("no compiling") if e.mode == "eager" else steps
    first: Cell = Seconds(times.lower_median(calls)) if calls else Status("ok")
    each = _each(g, w)
    missing = f"({len(w.problems)} of {len(g.field)} problems)" if len(w.problems) < len(g.field) else ""
    sure = "" if all(c.estimate and c.estimate.error is not None for c in each) else "without intervals"
    span = Cell(_span(each), missing or sure)
    opening = [Name(name(e), prototype(e)), Ratio(w.overall.estimate, verdict=w.overall.verdict), first]
    return [*opening, paid, span, Cell(e.mode), Name(mode.code if mode else "your own")]


def _span(each: Sequence[Comparison]) -> str:
    """Return `0.19 to 1.38`, the ends between which all lie, by intervals that hold together."""
    found = [(x.low or x.value, x.high or x.value) for c in each if (x := c.estimate)]
    return f"{units.number(min(low for low, _ in found))} to {units.number(max(high for _, high in found))}"


def advice(g: Group) -> list[str]:
    """Return up to four pieces of advice; one that the record does not support is absent."""
    if g.reference is None:
        return []
    seconds = {p: g.time(g.reference, p) or 0.0 for p in g.field}
    small, large = [p for p, s in seconds.items() if s < SMALL], [p for p, s in seconds.items() if s > LARGE]
    between = [p for p in seconds if p not in (*small, *large)]
    sizes = [(small, f"Small steps (below {1e6 * SMALL:g} us in NumPy)"), (between, "Between")]
    sizes.append((large, f"Large steps (above {1e3 * LARGE:g} ms in NumPy)"))
    return [sentence for sentence in [*(_best(g, *size) for size in sizes), cost.by_hand(g)] if sentence]


def _best(g: Group, problems: Sequence[str], when: str) -> str:
    """Return what to use on these problems; '' where nothing was raced on all of them."""
    found = [w.overall for w in rivals(g, problems)] if problems else []
    if not found:
        return ""
    first, against = found[0], called(found[0].b)
    if len({g.compare(first.a, first.b, p, len(problems)).verdict for p in problems}) > 1:
        return f"{when}: it depends on the problem; see the pictures."
    if first.verdict == "slower":
        return f"{when}: write the gradient by hand in {against}; every way with autodiff is slower."
    mean = " on average" if len(problems) > 1 else ""
    alike = [c for c in found if c.verdict == first.verdict]
    each = [f"{called(c.a)} ({units.number(c.value)})" for c in alike]
    each[0] = f"{called(first.a)} ({units.number(first.value)} times {against}'s time{mean})"
    each = each if len(each) <= 3 else [*each[:2], f"{len(each) - 2} more"]
    choice = " or ".join(filter(None, [", ".join(each[:-1]), each[-1]]))
    if first.verdict == "faster":
        return f"{when}: use {choice}."
    return f"{when}: no way with autodiff is faster than {against}; {choice} comes nearest ({first.verdict})."
