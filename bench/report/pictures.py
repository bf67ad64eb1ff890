"""The findings drawn: a picture for each question, as PNG and for a page.  No picture is drawn of nothing."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from bench.records.schema import Entrant
from bench.records.store import write
from bench.report import curves, svg, tables, units
from bench.report.findings import Findings, overheads, twins
from bench.report.look import FAINT, INK, RC, Drawing, Sheet, key, label, labels, log_axis, panels, style
from bench.report.text import Picture
from bench.report.units import slug
from bench.workers.cpu_accounting import bind

PREFIX = "report-"


def draw(found: Sequence[Findings], results: Path | None) -> list[Picture]:
    """Every picture that has something to show; as files in `results`, from where those of an earlier report go."""
    # Here, not above: matplotlib takes most of a second to import.  And before the processes that all need it.
    import matplotlib.figure

    tasks: dict[str, _Task] = {}
    for f in found:
        suffix = f"-{slug(f.dtype)}-{slug(f.device)}" if len(found) > 1 else ""
        for what, draws in _drawings(f, first=f is found[0]):
            file = _unused(f"{PREFIX}{what}{suffix}", tasks)
            tasks[file] = _Task(f, what, file, draws, png=results is not None)
    with matplotlib.rc_context(rc=RC | svg.RC):
        drawn = [pair for pair in _side_by_side(list(tasks.values())) if pair]
    if results:
        files = {results / picture.file: png for picture, png in drawn}
        for path, png in files.items():
            write(path, png)
        for stale in set(results.glob(f"{PREFIX}*.png")) - files.keys():
            stale.unlink()
    return [picture for picture, _ in drawn]


def _unused(stem: str, taken: Container[str]) -> str:
    """Two names may be written alike: the second gets a number."""
    names = (f"{stem}{f'-{i}' if i else ''}.png" for i in count())
    return next(file for file in names if file not in taken)


def _drawings(f: Findings, first: bool) -> Iterator[tuple[str, Callable[[], Drawing | None]]]:
    """What goes into a file's name, and who draws it."""
    yield "overhead", partial(overhead, f)
    for workload, problems in f.workloads.items():
        yield f"time-{slug(workload)}", partial(times, f, workload, problems)
        yield f"losses-{slug(workload)}", partial(curves.losses, f, workload, problems)
    yield "sweep", partial(curves.sweep_of_sizes, f)
    yield "accuracies", partial(curves.accuracies, f)
    if first:
        yield "scatter", partial(curves.scatter, f.record.lab)


class _Task(NamedTuple):
    """A picture to be drawn."""

    f: Findings
    what: str
    file: str
    draws: Callable[[], Drawing | None]
    png: bool

    def done(self) -> tuple[Picture, bytes] | None:
        """For a page, and as PNG where that is wanted."""
        drawing = self.draws()
        if drawing is None:
            return None
        png = drawing.sheet.png() if self.png else b""  # first: a chart takes the figure's title away
        chart = svg.chart(drawing, self.f, self.what, self.file)
        return Picture(self.file, f"{drawing.caption}, {self.f.title}", chart), png


_inherited: Sequence[_Task] = ()
"""What a forked process has to draw: a record need not be sent to it."""


def _side_by_side(tasks: Sequence[_Task]) -> list[tuple[Picture, bytes] | None]:
    """On every core, for drawing is most of what a report takes."""
    processes = min(_cores(), len(tasks))
    if processes < 2:
        return [task.done() for task in tasks]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), _begin, (tasks,)) as pool:
        # Ctrl-C is for this process, and not before all is begun; the others, forked here, never hear of it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            drawn = pool.map(_drawn, range(len(tasks)))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return list(drawn)


def _cores() -> int:
    """That this process may use; 1 where the system's own libraries forbid to fork."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _begin(tasks: Sequence[_Task]) -> None:
    """When the process that waits for this one ends, however it does, so does this one."""
    global _inherited
    _inherited = tasks
    bind()


def _drawn(number: int) -> tuple[Picture, bytes] | None:
    return _inherited[number].done()


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
    return Drawing("Autodiff overhead of each library and mode", sheet)


def _lacking(f: Findings, problem: str, *entrants: Entrant) -> str:
    """Why there is no ratio, as far as an outcome says so."""
    return next((word for e in entrants if (word := f.outcome(e, problem).status) != "ok"), "")


Dot = tuple[int, Entrant, float, float | None, float | None]
"""Row, whose look, value, low, high."""


def _dots(axes: Any, dots: Sequence[Dot], size: float) -> None:
    """A marker at each value, a bar from low to high."""
    bars = [(row, low, high, style(e)["color"], key(e)) for row, e, _, low, high in dots if low is not None]
    if bars:
        rows, lows, highs, colours, keys = zip(*bars, strict=True)
        # One collection, not a line each: a picture of lines takes twice as long.
        # A list of colours: matplotlib takes a tuple of two strings for one colour and its opacity.
        axes.hlines(rows, lows, highs, colors=list(colours), linewidth=size, alpha=0.4, gid=" ".join(keys))
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
    return Drawing(f"Time per step, {workload}", sheet, workload)


def _times_panel(f: Findings, axes: Any, problem: str, rows: Sequence[Entrant]) -> None:
    """An empty row says why it is empty."""
    found = {i: spread for i, e in enumerate(rows) if (spread := f.per_step(e, problem)) is not None}
    log_axis(axes.xaxis, [x for spread in found.values() for x in spread], units.seconds, margin=1.6)
    _dots(axes, [(i, rows[i], *spread) for i, spread in found.items()], size=5)
    _words(axes, {i: f.outcome(e, problem).status for i, e in enumerate(rows) if i not in found})
