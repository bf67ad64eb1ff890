"""Who won: the fastest on each problem, by how much, and how sure that is."""

from collections.abc import Iterable

from bench.records.schema import Entrant
from bench.report import units
from bench.report.findings import Findings, fastest, name, prototype
from bench.report.text import Table


def headline(f: Findings) -> list[str]:
    """Who won, by how much and how surely, in two sentences; none where nothing was timed."""
    bests = {p: best for p in f.problems if (best := fastest(f, p)) is not None}
    if not bests:
        return []
    leading = {p: [best, *_level(f, p, best)] for p, best in bests.items()}
    ahead = {e.label: [p for p in bests if e in leading[p]] for e in f.racers}
    first = max(f.racers, key=lambda e: (len(ahead[e.label]), sum(best is e for best in bests.values())))
    won_on = ahead[first.label]
    among = units.plural(len(bests), "problem")
    won = f"{name(first)}{prototype(first)} is the fastest, or level with it, on {len(won_on)} of {among}{_margin(f, first, won_on)}."
    contested = [leading[p] for p, best in bests.items() if _others(f, p, best)]
    clear, of = sum(len(leaders) == 1 for leaders in contested), units.plural(len(contested), "problem")
    sure = f"On {clear} of {of} the fastest is clear of the next; on {len(contested) - clear} it cannot be told from another."
    return [won, sure] if contested else [won]


def _margin(f: Findings, e: Entrant, problems: Iterable[str]) -> str:
    """`, at 0.18 to 0.88 x the time of numpy`."""
    if f.reference is None or e is f.reference:
        return ""
    found = [i.value for p in problems if (i := f.ratio(e, f.reference, p)) is not None]
    ends = dict.fromkeys(units.number(x) for x in (min(found), max(found))) if found else {}
    return f", at {' to '.join(ends)} x the time of {name(f.reference)}" if ends else ""


def _level(f: Findings, problem: str, best: Entrant) -> list[Entrant]:
    """Those that cannot be told from the fastest."""
    return [e for e in _others(f, problem, best) if f.compare(e, best, problem).verdict != "slower"]


def _others(f: Findings, problem: str, best: Entrant) -> list[Entrant]:
    return [e for e in f.racers if e is not best and f.median(e, problem)]


def winners(f: Findings) -> Table | None:
    """For each problem the fastest, by how much, and how sure that is."""
    rows = [_winner(f, p, best) for p in f.problems if (best := fastest(f, p)) is not None]
    against = f"time / {name(f.reference)}'s" if f.reference else "time / the reference's"
    headers = ["problem", "fastest", "a step", against, "how sure"]
    return Table(f"The fastest on each problem ({f.title})", headers, rows) if rows else None


def _winner(f: Findings, problem: str, best: Entrant) -> list[str]:
    ratio = None if f.reference is None or best is f.reference else f.ratio(best, f.reference, problem)
    against = "the reference itself" if best is f.reference else units.interval(ratio) if ratio else units.ABSENT
    return [
        problem,
        name(best) + prototype(best),
        units.seconds(f.median(best, problem) or 0.0),
        against,
        _sure(f, problem, best),
    ]


def _sure(f: Findings, problem: str, best: Entrant) -> str:
    others = _others(f, problem, best)
    if not others:
        return "nothing else was timed"
    if level := _level(f, problem, best):
        return f"level with {units.listed([name(e) for e in level], most=2)}"
    second = min(others, key=lambda e: f.median(e, problem) or 0.0)
    found = f.ratio(second, best, problem)
    return f"clear: {name(second)} takes {units.times(found)}" if found else units.ABSENT
