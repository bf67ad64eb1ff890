"""The same code on larger problems, on more threads, on another device, by another allocator."""

from collections.abc import Sequence

from bench.records.schema import Entrant
from bench.report import answer, units
from bench.report.cells import Cell, Count, Name, Ratio, Seconds, Share, Status, Text
from bench.report.document import Part, Section, Table
from bench.report.findings import Group, families, name
from bench.report.times import limit
from bench.statistics import ratio, verdict


def size(g: Group, pictures: Sequence[Part]) -> Section | None:
    """Return which way is the fastest on the smallest and on the largest problem of each workload."""
    timed = [[p for p in some if p in answer.field(g)] for some in g.workloads.values()]
    found = {p: answer.rivals(g, [p]) for some in timed for p in dict.fromkeys([*some[:1], *some[-1:]])}
    rows: list[list[Cell]] = []
    for p, ways in found.items():
        for first in (way.overall for way in ways[:1]):
            alike = Text(units.listed([name(w.entrant) for w in ways[1:]]) or "-")
            ratio_ = Ratio(first.estimate, verdict=first.verdict)
            rows.append([Name(p), Count(g.work(p)), Name(name(first.a)), ratio_, alike])
    against = answer.base(g)
    headers = [
        "problem",
        "flops a step",
        "fastest",
        f"time / {name(against) if against else ''}",
        "cannot be told from it",
    ]
    table = Table(f"The fastest by size ({g.title})", headers, rows, "Intervals hold together for all ways of one row.")
    text = "The smallest and the largest step of each model. The pictures have every size, and the machine's limit."
    return Section("Size", [text, table, *pictures]) if rows else None


def threads(groups: Sequence[Group], pictures: Sequence[Part]) -> Section | None:
    """Return what more threads gain; None for a record of one thread count."""
    several = [family for family in families(groups) if len(family) > 1]
    if not several:
        return None
    text = "The same backend on more threads, each on a core of its own, in turns with all others."
    if (cores := groups[0].record.host.cores) <= 2:
        text += f" This machine has {units.plural(cores, 'core')}, which all else shares: its rows of 2 threads are indicative."
    return Section("Threads", [text, *(_by_threads(f, p) for f in several for p in f[0].problems), *pictures])


def _by_threads(family: Sequence[Group], problem: str) -> Table:
    first = family[0]
    rows = [
        _threads_row(first, g, e, problem)
        for backend in dict.fromkeys(e.backend for g in family for e in g.racers)
        for g in family
        if (e := g.named(backend))
    ]
    note = (
        f"`speed-up`: the time on {units.plural(first.resources.threads, 'thread')} over this time. `efficiency`: speed-up"
        " over the factor of threads. `of the limit`: share of the rate at which as many threads multiply matrices here."
    )
    headers = ["backend", "threads", "a step", "speed-up", "efficiency", "of the limit"]
    return Table(f"{problem} by threads ({first.dtype}, {first.resources.device})", headers, rows, note)


def _threads_row(first: Group, g: Group, e: Entrant, problem: str) -> list[Cell]:
    median, count, one = g.median(e, problem), g.resources.threads, first.named(e.backend)
    opening: list[Cell] = [Name(name(e)), Count(count)]
    if median is None:
        return [*opening, *[Status(g.outcome(e, problem).status)] * 4]
    gain = ratio(first.samples(one, problem), g.samples(e, problem)) if one and g is not first else None
    if gain is None:
        return [*opening, Seconds(median), Status("-"), Status("-"), limit(g, problem, median)]
    efficiency = Share(gain.value * first.resources.threads / count)
    return [*opening, Seconds(median), Ratio(gain), efficiency, limit(g, problem, median)]


def beside(groups: Sequence[Group]) -> list[Section]:
    """Return each device beside the CPU, and each allocator beside the other, as far as both raced."""
    found = []
    for a in groups:
        for b in groups:
            if a.allocator == b.allocator and a.dtype == b.dtype and a.resources.device != "cpu" == b.resources.device:
                found.append(_pairs(f"{a.resources.label} against the CPU", a, b))
            elif (a.allocator, b.allocator) == ("default", "kept") and (a.dtype, a.resources) == (b.dtype, b.resources):
                found.append(_pairs("The allocator by default against memory that is kept", a, b))
    return found


def _pairs(title: str, g: Group, other: Group) -> Section:
    """Return the time of every backend in one group over its time in the other."""
    both = [(e, o) for e in g.racers if (o := other.named(e.backend))]
    rows = [[Name(name(e)), *(_judged(g, e, other, o, p) for p in g.problems)] for e, o in both]
    return Section(title, [Table(f"Time with {g.title} / time with {other.title}", ["backend", *g.problems], rows)])


def _judged(g: Group, e: Entrant, other: Group, o: Entrant, problem: str) -> Cell:
    found = ratio(g.samples(e, problem), other.samples(o, problem))
    if found is not None:
        return Ratio(found, verdict=verdict(found, g.control_ratio(problem)))
    return Status(
        (g if not g.samples(e, problem) else other).outcome(e if not g.samples(e, problem) else o, problem).status
    )
