"""The same code on larger problems, on more threads, on another device, by another allocator."""

from collections.abc import Sequence
from math import log

from bench.records.schema import Entrant
from bench.report import answer, units
from bench.report.document import Cell, Count, Name, Part, Ratio, Seconds, Section, Status, Table
from bench.report.findings import Group, families, name
from bench.report.times import limit
from bench.statistics import ratio, verdict

SIZE = "The smallest and the largest step of each model. The pictures have every size, and the machine's limit."
THREADS = "The same backend on more threads, each on a core of its own, in turns with all others."


def size(g: Group, pictures: Sequence[Part]) -> Section | None:
    """Return which way is the fastest on the smallest and on the largest problem of each workload."""
    timed = [[p for p in some if p in g.field] for some in g.workloads.values()]
    rows: list[list[Cell]] = []
    for problem in (p for some in timed for p in dict.fromkeys([*some[:1], *some[-1:]])):
        if found := answer.rivals(g, [problem]):
            best, alike = found[0].overall, units.listed([name(w.entrant) for w in found[1:]])
            against = Ratio(best.estimate, verdict=best.verdict)
            rows.append([Name(problem), Count(g.work(problem)), Name(name(best.a)), against, Cell(alike or "-")])
    base = g.base
    headers = ["problem", "flops a step", "fastest", f"time / {name(base) if base else '-'}", "cannot be told from it"]
    table = Table(f"The fastest by size ({g.title})", headers, rows, "Intervals hold together for all ways of one row.")
    return Section("Size", [SIZE, table, *pictures]) if rows else None


def threads(groups: Sequence[Group], pictures: Sequence[Part]) -> Section | None:
    """Return what more threads gain; None for a record of one thread count."""
    tables = [_by_threads(f, p) for f in families(groups) if len(f) > 1 for p in f[0].problems]
    cores = groups[0].record.host.cores if groups else 0
    few = f" This machine has {units.plural(cores, 'core')}, which all else shares: rows of 2 threads are indicative."
    return Section("Threads", [THREADS + (few if cores <= 2 else ""), *tables, *pictures]) if tables else None


def _by_threads(family: Sequence[Group], problem: str) -> Table:
    first = family[0]
    entered = dict.fromkeys(e.backend for g in family for e in g.racers)
    rows = [_threads_row(first, g, e, problem) for b in entered for g in family if (e := g.named(b))]
    note = f"`speed-up`: the time on {units.plural(first.resources.threads, 'thread')} over this time. `efficiency`: speed-up"
    note += " over the factor of threads. `of the limit`: share of the rate at which as many threads multiply matrices here."
    headers = ["backend", "threads", "a step", "speed-up", "efficiency", "of the limit"]
    return Table(f"{problem} by threads ({first.dtype}, {first.resources.device})", headers, rows, note)


def _threads_row(first: Group, g: Group, e: Entrant, problem: str) -> list[Cell]:
    time, count, one = g.time(e, problem), g.resources.threads, first.named(e.backend)
    if time is None:
        return [Name(name(e)), Count(count), *[Status.of(g.outcome(e, problem))] * 4]
    gain = ratio(first.samples(one, problem), g.samples(e, problem)) if one and g is not first else None
    efficiency = Ratio(gain._replace(log=gain.log + log(first.resources.threads / count))) if gain else Status("-")
    gained = Ratio(gain) if gain else Status("-")
    return [Name(name(e)), Count(count), Seconds(time), gained, efficiency, limit(g, problem, time)]


def beside(groups: Sequence[Group]) -> list[Section]:
    """Return each device beside the CPU, and each allocator beside the other, as far as both raced."""
    found = []
    for a, b in ((a, b) for a in groups for b in groups if a.dtype == b.dtype):
        if a.allocator == b.allocator and a.resources.device != "cpu" == b.resources.device:
            found.append(_pairs(f"{a.resources.label} against the CPU", a, b))
        elif (a.allocator, b.allocator) == ("default", "kept") and a.resources == b.resources:
            found.append(_pairs("The allocator by default against memory that is kept", a, b))
    return found


def _pairs(title: str, g: Group, other: Group) -> Section:
    """Return the time of every backend in one group over its time in the other."""

    def cell(e: Entrant, o: Entrant, p: str) -> Cell:
        found = ratio(g.samples(e, p), other.samples(o, p))
        if found is None:
            return Status.of(other.outcome(o, p)) if g.samples(e, p) else Status.of(g.outcome(e, p))
        return Ratio(found, verdict=verdict(found, g.control_ratio(p), g.record.settings.margin))

    both = [(e, o) for e in g.racers if (o := other.named(e.backend))]
    rows = [[Name(name(e)), *(cell(e, o, p) for p in g.problems)] for e, o in both]
    return Section(title, [Table(f"Time with {g.title} / time with {other.title}", ["backend", *g.problems], rows)])
