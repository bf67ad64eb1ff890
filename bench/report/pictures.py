"""The findings drawn: a picture for each question, as PNG and for a page.  No picture is drawn of nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.record import Entrant, Record
from bench.report import curves, svg, tables, units
from bench.report.findings import Findings, overheads, twins
from bench.report.look import FAINT, INK, RC, Drawing, Sheet, key, label, labels, log_axis, panels, style
from bench.report.text import Picture
from bench.report.units import slug
from bench.store import write

PREFIX = "report-"


def draw(record: Record, found: Sequence[Findings], results: Path | None) -> list[Picture]:
    """Every picture that has something to show; as files in `results`, from where those of an earlier report go."""
    # Here, not above: matplotlib takes most of a second to import.
    import matplotlib

    pictures: dict[str, Picture] = {}
    with matplotlib.rc_context(rc=RC | svg.RC):
        for f in found:
            suffix = f"-{slug(f.dtype)}-{slug(f.device)}" if len(found) > 1 else ""
            for drawing in _drawings(f, first=f is found[0]):
                file = _unused(f"{PREFIX}{drawing.what}{suffix}", pictures)
                if results:
                    write(results / file, drawing.sheet.png())
                pictures[file] = Picture(file, f"{drawing.caption}, {f.title}", svg.chart(drawing, f, file))
    if results:
        for stale in set(results.glob(f"{PREFIX}*.png")) - {results / file for file in pictures}:
            stale.unlink()
    return list(pictures.values())


def _unused(stem: str, taken: dict[str, Picture]) -> str:
    """Two names may be written alike: the second gets a number."""
    names = (f"{stem}{f'-{i}' if i else ''}.png" for i in range(len(taken) + 1))
    return next(file for file in names if file not in taken)


def _drawings(f: Findings, first: bool) -> Iterator[Drawing]:
    yield from filter(None, [overhead(f)])
    for workload, problems in f.workloads.items():
        yield from filter(None, [times(f, workload, problems), curves.losses(f, workload, problems)])
    yield from filter(None, [curves.sweep_of_sizes(f), curves.accuracies(f)])
    if first:
        yield from filter(None, [curves.scatter(f.record.lab)])


def overhead(f: Findings) -> Drawing | None:
    """A dot for each library and mode with its interval, on a log axis, and a line at 1."""
    found = {p: cs for p in f.problems if (cs := [c for c in overheads(f, p) if c.interval])}
    shown, others = panels(list(found))
    found = {p: found[p] for p in shown}
    if not found:
        return None
    ends = [end for cs in found.values() for c in cs for end in c.ratio if end is not None]
    drawn = {c.a.label for cs in found.values() for c in cs}
    rows = [original for original, _ in twins(f) if original.label in drawn]
    sheet = Sheet(len(found), 2.2, 0.25 * len(rows) + 0.2, left=1.3, bottom=0.65, rows_only=True)
    sheet.title(f"Autodiff overhead: time per step over that of the gradient derived by hand{others}")
    for axes, (problem, cs) in zip(sheet.axes, found.items(), strict=True):
        axes.axvline(1, color=INK, linewidth=0.9)
        _dots(axes, [(rows.index(c.a), c.a, *c.ratio) for c in cs], size=3.5)
        _words(axes, {rows.index(a): why for a, b in twins(f) if a in rows and (why := _lacking(f, problem, a, b))})
        log_axis(axes.xaxis, [*ends, 1.0], units.number, margin=1.1)
        axes.set_title(label(problem, 30), loc="left")
    _rows(sheet, rows)
    sheet.figure.supxlabel("ratio, with its 95 % interval (1: autodiff costs nothing)", fontsize=8, y=0.02)
    sheet.scaled = [axes.xaxis for axes in sheet.axes]
    return Drawing("overhead", "Autodiff overhead of each library and mode", sheet)


def _lacking(f: Findings, problem: str, *entrants: Entrant) -> str:
    """Why there is no ratio, as far as an outcome says so."""
    return next((word for e in entrants if (word := f.outcome(e, problem).word) != "ok"), "")


Dot = tuple[int, Entrant, float, float | None, float | None]
"""Row, whose look, value, low, high."""


def _dots(axes: Any, dots: Sequence[Dot], size: float) -> None:
    """A marker at each value, a bar from low to high."""
    bars = [(row, low, high, style(e)["color"], key(e)) for row, e, _, low, high in dots if low is not None]
    if bars:
        rows, lows, highs, colours, keys = zip(*bars, strict=True)
        # One collection, not a line each: a picture of lines takes twice as long.
        axes.hlines(rows, lows, highs, colors=colours, linewidth=size, alpha=0.4, gid=" ".join(keys))
    for row, entrant, value, _, _ in dots:
        axes.plot([value], [row], linestyle="none", **{**style(entrant), "markersize": size})


def _words(axes: Any, why: dict[int, str]) -> None:
    """By row, why it is empty."""
    for row, word in why.items():
        axes.text(0.03, row, label(word), transform=axes.get_yaxis_transform(), va="center", color=FAINT, fontsize=7)


def _rows(sheet: Sheet, rows: Sequence[Entrant]) -> None:
    """First on top.  The names stand at the left alone; the other panels have lines and no ticks, which cost time."""
    for i, axes in enumerate(sheet.axes):
        leftmost = i % sheet.columns == 0
        axes.set_yticks(range(len(rows)) if leftmost else [], labels(rows) if leftmost else [])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.hlines(
            range(len(rows)),
            0,
            1,
            transform=axes.get_yaxis_transform(),
            color=RC["grid.color"],
            linewidth=0.6,
            zorder=0.5,
        )


def times(f: Findings, workload: str, problems: Sequence[str]) -> Drawing | None:
    """Median and quartiles of the time per step of every backend, a panel for each problem."""
    shown, others = panels([p for p in problems if any(f.median(e, p) for e in f.racers)])
    rows = [e for e in f.racers if any(f.median(e, p) for p in shown)]
    if not rows:
        return None
    sheet = Sheet(len(shown), 2.0, 0.2 * len(rows) + 0.2, left=1.75, bottom=0.65, rows_only=True)
    sheet.title(f"Time per step: {label(workload, 40)} ({label(f.title)}){others}")
    for axes, problem in zip(sheet.axes, shown, strict=True):
        _times_panel(f, axes, problem, rows)
        axes.set_title(label(tables.size(problem), 28), loc="left")
    _rows(sheet, rows)
    sheet.figure.supxlabel("median time per step, with the quartiles of the samples", fontsize=8, y=0.02)
    sheet.scaled = [axes.xaxis for axes in sheet.axes]
    return Drawing(f"time-{slug(workload)}", f"Time per step, {workload}", sheet, workload)


def _times_panel(f: Findings, axes: Any, problem: str, rows: Sequence[Entrant]) -> None:
    """An empty row says why it is empty."""
    found = {i: spread for i, e in enumerate(rows) if (spread := f.per_step(e, problem)) is not None}
    log_axis(axes.xaxis, [x for spread in found.values() for x in spread], units.seconds, margin=1.6)
    _dots(axes, [(i, rows[i], *spread) for i, spread in found.items()], size=5)
    _words(axes, {i: f.outcome(e, problem).word for i, e in enumerate(rows) if i not in found})
