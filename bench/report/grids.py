"""One quantity of every backend on every problem, a table each; and who won."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bench.record import OPERATIONS, Entrant, Operation
from bench.report import start, units
from bench.report.findings import Findings, Gated, fastest, gated, name, nearest
from bench.report.look import key
from bench.report.tables import first_calls, paid_after, word
from bench.report.text import Section, Table
from bench.statistics import spread

SHADES = 8
CALLS = {
    "train": "time per step of train",
    "value_and_grad": "time per call of value_and_grad",
    "loss": "time per call of loss",
}


class Cell(NamedTuple):
    """Seconds, or a word and its reason; `shade` from 0, the fastest, to SHADES."""

    seconds: float | None
    ratio: str = ""
    bounds: str = ""
    shade: int = 0
    word: str = ""
    reason: str = ""


class Heat(NamedTuple):
    """Backend x problem, coloured by the log of the ratio to the fastest."""

    title: str
    operation: Operation
    problems: list[str]
    rows: list[tuple[str, str, list[Cell]]]
    """`look.key` and name of the entrant, and its cells."""
    widest: str
    """The ratio of the last shade."""


def headline(f: Findings) -> list[str]:
    """Who won, by how much and how surely, in two sentences; none where nothing was timed."""
    bests = {p: best for p in f.problems if (best := fastest(f, p)) is not None}
    if not bests:
        return []
    leading = {p: [best, *_level(f, p, best)] for p, best in bests.items()}
    counts = {e.label: sum(e in leaders for leaders in leading.values()) for e in f.racers}
    first = max(f.racers, key=lambda e: counts[e.label])
    clear = sum(len(leaders) == 1 for leaders in leading.values())
    among = units.plural(len(bests), "problem")
    sure = f"On {clear} of {among} the fastest is clear of the next; on {len(bests) - clear} it cannot be told from another."
    return [
        f"{name(first)} is the fastest, or level with it, on {counts[first.label]} of {among}{_margin(f, first)}.",
        sure,
    ]


def _margin(f: Findings, e: Entrant) -> str:
    """`, at 0.18 to 0.88 x the time of numpy`."""
    if f.reference is None or e is f.reference:
        return ""
    found = [i.value for p in f.problems if (i := f.ratio(e, f.reference, p)) is not None]
    ends = dict.fromkeys(units.number(x) for x in (min(found), max(found))) if found else {}
    return f", at {' to '.join(ends)} x the time of {name(f.reference)}" if ends else ""


def _level(f: Findings, problem: str, best: Entrant) -> list[Entrant]:
    """Those that cannot be told from the fastest."""
    others = [e for e in f.racers if e is not best and f.median(e, problem)]
    return [e for e in others if f.compare(e, best, problem).verdict == "undecided"]


def winners(f: Findings) -> Table | None:
    """For each problem the fastest, by how much, and how sure that is."""
    rows = [_winner(f, p, best) for p in f.problems if (best := fastest(f, p)) is not None]
    against = f"time / {name(f.reference)}'s" if f.reference else "time / the reference's"
    return (
        Table(f"The fastest on each problem ({f.title})", ["problem", "fastest", "a step", against, "how sure"], rows)
        if rows
        else None
    )


def _winner(f: Findings, problem: str, best: Entrant) -> list[str]:
    ratio = None if f.reference is None or best is f.reference else f.ratio(best, f.reference, problem)
    against = "the reference itself" if best is f.reference else units.interval(ratio) if ratio else units.ABSENT
    return [problem, name(best), units.seconds(f.median(best, problem) or 0.0), against, _sure(f, problem, best)]


def _sure(f: Findings, problem: str, best: Entrant) -> str:
    others = [e for e in f.racers if e is not best and f.median(e, problem)]
    if not others:
        return "nothing else was timed"
    if level := _level(f, problem, best):
        return f"level with {units.listed([name(e) for e in level], most=2)}"
    second = min(others, key=lambda e: f.median(e, problem) or 0.0)
    found = f.ratio(second, best, problem)
    return f"clear: {name(second)} takes {units.times(found)}" if found else units.ABSENT


def heats(f: Findings) -> list[Heat]:
    """One for each operation that was timed."""
    return [_heat(f, o) for o in reversed(OPERATIONS) if any(f.samples(e, p, o) for e in f.racers for p in f.problems)]


def _heat(f: Findings, operation: Operation) -> Heat:
    times = {(e.label, p): _seconds(f, e, p, operation) for e in f.entrants for p in f.problems}
    bests = {
        p: min((e for e in f.racers if times[e.label, p]), key=lambda e: times[e.label, p] or 0, default=None)
        for p in f.problems
    }
    ratios = {
        p: [t / best_time for e in f.racers if (t := times[e.label, p])]
        for p, best in bests.items()
        if best and (best_time := times[best.label, p])
    }
    widest = max(2.0, *(max(found) for found in ratios.values()))
    rows = [
        (key(e), name(e), [_cell(f, e, bests[p], p, operation, times, widest) for p in f.problems]) for e in f.entrants
    ]
    return Heat(
        f"{CALLS[operation].capitalize()}, and its ratio to the fastest ({f.title})",
        operation,
        f.problems,
        rows,
        units.number(widest),
    )


def _seconds(f: Findings, e: Entrant, problem: str, operation: Operation) -> float | None:
    if operation == "train":
        return f.median(e, problem)
    samples = f.samples(e, problem, operation)
    return spread(samples).median if samples else None


def _cell(
    f: Findings,
    e: Entrant,
    best: Entrant | None,
    problem: str,
    operation: Operation,
    times: dict[tuple[str, str], float | None],
    widest: float,
) -> Cell:
    seconds = times[e.label, problem]
    if seconds is None or best is None:
        return _empty(f, e, problem)
    if e is best:
        return Cell(seconds, "fastest")
    found = f.compare(e, best, problem, operation)
    if found.interval is None:
        return Cell(seconds)
    value, *bounds = units.interval(found.interval).split(" ", 1)
    shade = round(SHADES * float(np.log(max(1.0, found.interval.value)) / np.log(widest)))
    level = " ~" if found.verdict == "undecided" else ""
    return Cell(seconds, f"{value} x{level}", bounds[0], min(SHADES, shade))


def _empty(f: Findings, e: Entrant, problem: str) -> Cell:
    outcome = f.outcome(e, problem)
    if outcome.word != "ok":
        return Cell(None, word=outcome.word, reason=units.clip(outcome.reason, 120))
    reason = "one dispatch covers the whole descent" if e.dispatch == "descent" else "no sample was taken"
    return Cell(None, word=units.ABSENT, reason=reason)


def _grid(f: Findings, title: str, cell: Callable[[Entrant, str], str], note: str = "") -> Table:
    rows = [[name(e), *(cell(e, p) if f.samples(e, p) else word(f, e, p) for p in f.problems)] for e in f.entrants]
    return Table(title, ["backend", *f.problems], rows, note)


def agreement(f: Findings) -> Table:
    """Of every cell the gate that came nearest to its tolerance."""
    by_cell: dict[tuple[str, str], list[Gated]] = {}
    for g in gated(f, f.problems):
        by_cell.setdefault((g.entrant.label, g.problem), []).append(g)
    rows = [[name(e), *(_agreed(f, e, p, by_cell.get((e.label, p), [])) for p in f.problems)] for e in f.racers]
    note = "Of the gates of a cell the one that came nearest: how much of its tolerance the error uses up."
    return Table(f"Agreement with the float64 reference ({f.title})", ["backend", *f.problems], rows, note)


def _agreed(f: Findings, e: Entrant, problem: str, found: list[Gated]) -> str:
    if not found:
        return word(f, e, problem)
    g = nearest(found)
    if not g.gate.passed:
        return f"FAILS ({g.gate.name})"
    said = f.outcome(e, problem).word
    return f"{100 * g.share:.0f} % ({g.gate.name}){'' if said == 'ok' else f', but {said}'}"


def gradient(f: Findings) -> Section:
    def cell(e: Entrant, problem: str) -> str:
        found = f.ratio(e, e, problem, "value_and_grad", "loss")
        return units.interval(found) if found else units.ABSENT

    text = (
        "value_and_grad over loss: what the gradient costs beside the loss alone. Timed where a step is dispatched by"
        " itself; reverse mode promises a small constant, whatever the number of parameters."
    )
    return Section("Gradient / loss", [text], tables=[_grid(f, f"Time of value_and_grad over loss ({f.title})", cell)])


def first_call(f: Findings) -> Section:
    text = (
        "The first call imports nothing, but compiles: with cold caches, and with those that the library keeps on disk."
        " After how many steps has that paid for itself, against the reference? In brackets the least and the most of the"
        " generations."
    )
    calls = _grid(f, f"First call of train, cold / warm caches ({f.title})", lambda e, p: first_calls(f, e, p))
    paid = _grid(
        f, f"Steps after which the cold first call has paid for itself ({f.title})", lambda e, p: paid_after(f, e, p)
    )
    return Section("First call and break-even", [text], tables=[calls, paid])


def memory(f: Findings) -> Section:
    def cell(e: Entrant, problem: str) -> str:
        peak = start.peak_bytes(f, e, problem)
        return units.ABSENT if peak is None else units.bytes_(peak)

    text = (
        "The peak of one train beyond what was there before it: on a CPU of the resident memory of the process, which a"
        " library that keeps its pages does not raise again; on a GPU of what the library allocated."
    )
    return Section("Memory", [text], tables=[_grid(f, f"Peak memory of one train ({f.title})", cell)])
