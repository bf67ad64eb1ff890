"""One quantity of every backend on every problem, a table each."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from bench.records.schema import OPERATIONS, Entrant, Operation
from bench.report import units
from bench.report.findings import Comparison, Findings, Gated, fastest, gated, grouped, name, nearest
from bench.report.look import key
from bench.report.tables import first_calls, paid_after, word
from bench.report.tables import memory as device_memory
from bench.report.text import Section, Table

SHADES = 8
CALLS: dict[Operation, str] = {
    "train": "Time per step of train",
    "value_and_grad": "Time per call of value_and_grad",
    "loss": "Time per call of loss",
}


class Tile(NamedTuple):
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
    rows: list[tuple[str, str, list[Tile]]]
    """`look.key` and name of the entrant, and its cells."""
    widest: str
    """The ratio of the last shade."""


def heats(f: Findings) -> list[Heat]:
    """One for each operation that was timed."""
    return [_heat(f, o) for o in reversed(OPERATIONS) if any(f.samples(e, p, o) for e in f.racers for p in f.problems)]


def _heat(f: Findings, operation: Operation) -> Heat:
    columns = {p: _column(f, p, operation) for p in f.problems}
    ratios = [c.interval.value for column in columns.values() for _, c, _ in column.values() if c and c.interval]
    widest = max([2.0, *ratios])
    rows = [
        (
            key(e),
            name(e),
            [_timed(*c[e.label], widest) if e.label in c else _empty(f, e, p) for p, c in columns.items()],
        )
        for e in f.entrants
    ]
    title = f"{CALLS[operation]}, and its ratio to the fastest ({f.title})"
    return Heat(title, operation, f.problems, rows, units.number(widest))


def _column(f: Findings, problem: str, operation: Operation) -> dict[str, tuple[float, Comparison | None, bool]]:
    """By label: seconds, the comparison with the fastest, which has none with itself, and whether it is that."""
    best = fastest(f, problem, operation)
    return {
        e.label: (time, f.compare(e, best, problem, operation) if best and e is not best else None, e is best)
        for e in f.entrants
        if (time := f.median(e, problem, operation)) is not None
    }


def _timed(seconds: float, c: Comparison | None, best: bool, widest: float) -> Tile:
    if c is None or c.interval is None:
        return Tile(seconds, "fastest" if best else "")
    value, bounds = units.interval(c.interval).split(" ", 1)
    shade = round(SHADES * float(np.log(max(1.0, c.interval.value)) / np.log(widest)))
    return Tile(seconds, f"{value} x{' ~' if c.verdict == 'undecided' else ''}", bounds, shade)


def _empty(f: Findings, e: Entrant, problem: str) -> Tile:
    outcome = f.outcome(e, problem)
    if outcome.status != "ok":
        return Tile(None, status=outcome.status, reason=units.clip(outcome.reason, 120))
    reason = "a compiled loop has no step of its own" if e.mode == "compiled loop" else "no sample was taken"
    return Tile(None, status=units.ABSENT, reason=reason)


def _grid(f: Findings, title: str, cell: Callable[[Entrant, str], str]) -> Table:
    rows = [[name(e), *(cell(e, p) if f.samples(e, p) else word(f, e, p) for p in f.problems)] for e in f.entrants]
    return Table(title, ["backend", *f.problems], rows)


def agreement(f: Findings) -> Table:
    """Of every cell the gate that came nearest to its tolerance."""
    by_cell = grouped(gated(f, f.problems), lambda g: (g.entrant.label, g.problem))
    rows = [[name(e), *(_agreed(f, e, p, by_cell.get((e.label, p), [])) for p in f.problems)] for e in f.entrants]
    note = "Of the gates of a cell the one that came nearest: how much of its tolerance the error uses up."
    return Table(f"Agreement with the float64 reference ({f.title})", ["backend", *f.problems], rows, note)


def _agreed(f: Findings, e: Entrant, problem: str, found: list[Gated]) -> str:
    if not found:
        return word(f, e, problem)
    g = nearest(found)
    if not g.gate.passed:
        return f"FAILS ({g.gate.name})"
    said = f.outcome(e, problem).status
    return f"{100 * min(g.share, 1):.0f} % ({g.gate.name}){'' if said == 'ok' else f', but {said}'}"


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
        " That of the first problem also pays what a library does once a process."
        " After how many steps has that paid for itself, against the reference? In brackets the least and the most of the"
        " generations."
    )
    calls = _grid(f, f"First call of train, cold / warm caches ({f.title})", lambda e, p: first_calls(f, e, p))
    paid = _grid(
        f, f"Steps after which the cold first call has paid for itself ({f.title})", lambda e, p: paid_after(f, e, p)
    )
    return Section("First call and break-even", [text], tables=[calls, paid])


def memory(f: Findings) -> Section:
    text = (
        "A cell has the most bytes that the library had allocated on the device during one train. A library that cannot"
        " forget an earlier peak is asked in a process of its own for each problem."
    )
    return Section(
        "Memory", [text], tables=[_grid(f, f"Peak memory of one train ({f.title})", partial(device_memory, f))]
    )
