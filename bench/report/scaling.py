"""Time against size and against the machine's own limit, as tables."""

from collections.abc import Sequence
from operator import itemgetter

from bench.records.schema import Entrant, by_library
from bench.report import sweep, units
from bench.report.findings import Findings, name
from bench.report.tables import size, time, word
from bench.report.text import Section, Table
from bench.statistics import NEVER


def limit(f: Findings) -> Section | None:
    found = sweep.limits(f)
    if found is None or all(sweep.limit_seconds(f, p) is None for p in f.problems):
        return None
    matmul, copy = found.matmul_rate(f.dtype), found.copy_bytes_per_second
    rates = [f"{units.rate(matmul)} in a matrix product"] if matmul else []
    rates += [f"{units.bytes_(copy)}/s in a copy"] if copy else []
    text = (
        f"This machine measured itself at {' and '.join(rates)}. The share of that limit each backend reaches: the larger of"
        " flops over the one and bytes over the other, over the time per step. What is missing is dispatch, or arithmetic"
        " that is no matrix product; above 100 % is algebra that does less work, or data that stay in a cache."
    )
    tables = [
        Table(w, ["backend", *map(size, ps)], [_shares(f, e, ps) for e in f.racers]) for w, ps in f.workloads.items()
    ]
    said = filter(None, [_by_library(f), *(_largest(f, ps) for ps in f.workloads.values())])
    return Section("The limit of the machine", [text, *said], tables=tables)


def _by_library(f: Findings) -> str:
    """What each library's own product reaches: a backend cannot be faster than the products it calls."""
    found = sweep.limits(f)
    rates = by_library(found.matmul_flops_per_second, f.dtype) if found else {}
    said = ", ".join(f"{library} {units.rate(rate)}" for library, rate in rates.items())
    return f"By library: {said}." if said else ""


def _largest(f: Findings, problems: Sequence[str]) -> str:
    """Who comes nearest to the limit where there is most arithmetic, and what the farthest lacks."""
    sized = [(facts.flops, p) for p in problems if (facts := f.facts(p))]
    _, problem = max(sized, default=(0.0, ""))
    shares = [(share, e) for e in f.racers if (share := sweep.share_of_limit(f, e, problem))]
    found = sweep.limits(f)
    if found is None or not shares:
        return ""
    (most, nearest), (least, farthest) = max(shares, key=itemgetter(0)), min(shares, key=itemgetter(0))
    said = f"On {problem}, the largest, {name(nearest)} comes nearest, at {units.percent(most)}"
    rates = by_library(found.matmul_flops_per_second, f.dtype)
    dispatches = by_library(found.dispatch_seconds, f.dtype)
    own, dispatch = rates.get(farthest.library), dispatches.get(farthest.library)
    step = f.median(farthest, problem)
    if farthest is nearest or not own or not dispatch or not step:
        return f"{said}."
    return (
        f"{said}; {name(farthest)} is farthest, at {units.percent(least)}: its library's own product reaches"
        f" {units.percent(own / max(rates.values()))} of the best, and a call of it that"
        f" does next to nothing takes {units.percent(dispatch / step)} of its step."
    )


def _shares(f: Findings, e: Entrant, problems: Sequence[str]) -> list[str]:
    shares = [(p, sweep.share_of_limit(f, e, p)) for p in problems]
    return [name(e), *(word(f, e, p) if share is None else units.percent(share) for p, share in shares)]


def sizes(f: Findings) -> Section | None:
    tables = []
    for workload, problems in sweep.sweeps(f).items():
        theirs = sweep.points(f, f.reference, problems) if f.reference else []
        rows = [[name(e), *(time(f, e, p) for p in problems), _ahead(f, e, problems, theirs)] for e in f.racers]
        tables.append(Table(workload, ["backend", *map(size, problems), "overtakes at"], rows))
    text = (
        "Median time per step at each size that was measured. `overtakes at`: the flops of a step from which the backend stays"
        " ahead of the reference, read between two sizes."
    )
    return Section("Time against size", [text], tables=tables) if tables else None


def _ahead(f: Findings, e: Entrant, problems: Sequence[str], theirs: list[sweep.Point]) -> str:
    return "reference" if e is f.reference else overtaking(sweep.overtakes(sweep.points(f, e, problems), theirs))


def overtaking(flops: float | None) -> str:
    if flops is None:
        return units.ABSENT
    if flops == sweep.ALWAYS:
        return "every size"
    return "never" if flops == NEVER else f"{units.count(flops)} flops"
