"""The findings drawn.  Every library keeps its colour and every mode its marker; a picture says where it comes from."""

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any
from zlib import crc32

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, NullLocator

import backends
from bench.console import escaped
from bench.records.schema import Entrant
from bench.report import answer, cost, run, units
from bench.report.document import Panel, Picture
from bench.report.findings import Group, by_hand, families, name

# Okabe and Ito (2008), as the libraries' own: told apart with any colour vision.
OTHERS = ("#E69F00", "#56B4E9")
CLASSES = {"setosa": ("#E69F00", "o"), "versicolor": ("#56B4E9", "s"), "virginica": ("#009E73", "^")}
INK, LINE, GRID, PAPER = "#222222", "#999999", "#e5e5e5", "#ffffff"
DARK = {INK: "#e6edf3", LINE: "#8b949e", GRID: "#30363d", PAPER: "#0d1117"}
DASHES = {"eager": "-", "compiled step": "--", "compiled loop": ":"}
WIDTH = 415 / 96  # inches: two panels stand side by side in README
MOST_PANELS = 8
SMALLEST, GROWTH = 3.5, 5.0  # points of the marker for the least work, and what that for the most has more
ASIDE = 1.12  # how far a line stands beside the next one, as a factor of work: some are nearer than a marker is high


def draw(what: str, groups: Sequence[Group]) -> list[Picture]:
    """Return the pictures of one section; none where there is nothing to draw."""
    work = groups[0].workloads.items() if groups else ()
    several = [family for family in families(groups) if len(family) > 1]
    ends = [(f, p) for f in several for some in f[0].workloads.values() for p in dict.fromkeys([some[0], some[-1]])]
    drawn: dict[str, tuple[str, Iterator[Panel | None]]] = {
        "answer": ("A dot a problem: the larger, the more work in a step.", (_answer(groups[0], *w) for w in work)),
        "cost": ("With 95 % intervals; dots are moved sideways, to hide none.", (_cost(groups[0], *w) for w in work)),
        "size": ("A dot a problem; no step can be below the dashed grey line.", (_size(groups[0], *w) for w in work)),
        "threads": ("The smallest and the largest step of each model.", (_threads(*x) for x in ends[:MOST_PANELS])),
        "lab": ("The scatter plots of the lab report.", (_lab(g) for g in groups)),
    }
    sheet = resources.files("bench.report") / "report.mplstyle"
    with resources.as_file(sheet) as path, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's font has it
        with matplotlib.rc_context(matplotlib.rc_params_from_file(path, use_default_template=False)):
            panels = [panel for panel in drawn[what][1] if panel]
    return [Picture(drawn[what][0], panels)] if panels else []


def dark(svg: str) -> str:
    """Return the drawing for a dark page."""
    return re.sub("|".join(DARK), lambda colour: DARK[colour[0]], svg)


def style(entrant: Entrant) -> dict[str, Any]:
    """Return colour by library, marker and dashes by mode, hollow where the gradient is by hand."""
    mode, library = backends.MODES.get(entrant.backend), backends.LIBRARIES.get(entrant.library)
    colour = library.colour if library else OTHERS[crc32(entrant.library.encode()) % len(OTHERS)]
    look = {"color": colour, "marker": mode.marker if mode else "h", "linestyle": DASHES.get(entrant.mode, "-")}
    return look | {"markerfacecolor": PAPER if by_hand(entrant) else colour}


def label(text: str, width: int = 24) -> str:
    return units.clip(escaped(text), width)


def _canvas(height: float, panels: int = 1) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def _panel(figure: Figure, what: str, g: Group, where: str, title: str) -> Panel:
    """Return the drawing, the same bytes for the same record: the finding above it, and below it where it comes from."""
    origin = textwrap.fill(escaped(run.facts(g.record, g.record.entrants if what == "threads" else g.entrants)), 92)
    figure.supxlabel(origin, x=0.01, ha="left", fontsize=5.5, color=INK)
    figure.suptitle(textwrap.fill(label(title, 150), 62), x=0.01, ha="left")
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = re.sub(r"^.*?(?=<svg )|<!--.*?-->\s*", "", buffer.getvalue(), flags=re.DOTALL)
    named = ["report", what, where, "" if g.entrants[0] is g.record.entrants[0] else g.title]
    file = re.sub(r"[^a-z0-9]+", "-", " ".join(units.clip(part, 40) for part in named).lower()).strip("-")
    return Panel(file, title, svg)


def _answer(g: Group, workload: str, problems: list[str]) -> Panel | None:
    problems = [p for p in problems if p in g.field]
    rows, found, against = answer.ways(g, g.field), answer.rivals(g, problems), g.base
    if not found or against is None:
        return None
    figure, (axes,) = _canvas(1.25 + 0.2 * len(rows))
    works = np.log([g.work(p) for p in g.field])
    sizes = {p: SMALLEST + GROWTH * (np.log(g.work(p)) - works.min()) / (np.ptp(works) or 1) for p in problems}
    ratios = [{p: x.value for p in g.field if (x := g.ratio(w.entrant, against, p))} for w in rows]
    for i, (w, timed) in enumerate(zip(rows, ratios, strict=True)):
        for problem in (p for p in problems if p in timed):
            look = {"linestyle": "none", "markersize": sizes[problem], "alpha": 0.7, "markeredgewidth": 0}
            axes.plot(timed[problem], -i, **style(w.entrant) | look)
    axes.axvline(1, color=INK, linewidth=1, zorder=1)
    axes.set_yticks([-i for i in range(len(rows))], [label(name(w.entrant)) for w in rows])
    axes.set_ylim(0.4 - len(rows), 0.6)
    _ratio_axis(axes.xaxis, [x for some in ratios for x in some.values()])  # of every workload: panels can be compared
    axes.set_xlabel(f"time / {label(name(against))}, log axis (left of 1 is faster)")
    for text, size in {"small step": SMALLEST, "large step": SMALLEST + GROWTH}.items():
        axes.plot([], [], linestyle="none", marker="o", markersize=size, color=LINE, label=text)
    axes.legend(fontsize=6, loc="best", frameon=False)
    first = found[0].overall
    said = "is the fastest" if len(found) == 1 else "has the least time"
    mean = " on average" if len(problems) > 1 else ""
    title = f"{workload}: {name(first.a)} {said}{mean}, {units.number(first.value)} times {name(against)}"
    return _panel(figure, "answer", g, workload, title)


def _cost(g: Group, workload: str, problems: list[str]) -> Panel | None:
    rows = [timed for row in cost.costs(g, problems) if (timed := [c for c in row if c.estimate])]
    if not rows:
        return None
    figure, (axes,) = _canvas(2.9)
    spans: list[float] = []
    for i, row in enumerate(rows):
        low, high = ([getattr(c.estimate, end) or c.value for c in row] for end in ("low", "high"))
        bars = np.abs([np.subtract(ends, [c.value for c in row]) for ends in (low, high)])
        works = [g.work(c.problem) * ASIDE ** (i - (len(rows) - 1) / 2) for c in row]
        axes.errorbar(works, [c.value for c in row], bars, elinewidth=0.8, **style(row[0].a) | {"markersize": 3.5})
        spans += [*low, *high]
    axes.axhline(1, color=INK, linewidth=1)
    _ratio_axis(axes.yaxis, spans)
    _finish(axes, [g.work(p) for p in problems], {row[0].a.label: (row[0].a, row[-1].value) for row in rows})
    axes.set_ylabel("time with autodiff / by hand")
    falls = cost.falls(cost.together(g, [row for row in rows if row[0].a.mode == "eager"]))
    less = "autodiff costs eager modes less on larger steps than on the smallest"
    finding = less if falls else "autodiff cost by work of a step"
    return _panel(figure, "cost", g, workload, f"{workload}: {finding}")


def _size(g: Group, workload: str, problems: list[str]) -> Panel | None:
    against, works = g.base, [g.work(p) for p in problems]
    entrants = [e for e in g.racers if e in g.modes or e is against]
    lines = {e.label: (e, {g.work(p): t for p in problems if (t := g.time(e, p))}) for e in entrants}
    lines = {who: line for who, line in lines.items() if line[1]}
    if len(problems) < 2 or not lines:
        return None
    figure, axes = _lines(lines, works)
    if limits := g.record.limits_of(g.resources, g.dtype):
        axes.plot(works, [w / limits.matmul_flops_per_second for w in works], color=LINE, linestyle="--")
    named = [name(found[0].entrant) for p in (problems[0], problems[-1]) if (found := answer.rivals(g, [p]))]
    finding = f"least time on the smallest step: {named[0]}, on the largest: {named[-1]}" if named else "time by size"
    return _panel(figure, "size", g, workload, f"{workload}: {finding}")


def _threads(family: Sequence[Group], problem: str) -> Panel | None:
    first, lines = family[0], {}
    for e in first.racers:
        timed = [(g.resources.threads, g.time(o, problem)) for g in family if (o := g.named(e.backend))]
        found = {float(count): t for count, t in timed if t}
        if len(found) > 1 and (e in first.modes or e is first.reference):
            lines[e.label] = (e, found)
    if not lines:
        return None
    figure, axes = _lines(lines, [])
    axes.set_xticks([g.resources.threads for g in family])
    return _panel(figure, "threads", first, problem, f"{problem}: time of a step by threads")


def _lab(g: Group) -> Panel | None:
    report = g.record.lab
    clouds = {"PCA scores": report.pca_scores, "learnt U": report.learnt} if report else {}
    rows = [row for cloud in clouds.values() for row in cloud]
    if not report or len(rows) != 2 * len(report.labels) or min(map(len, rows), default=0) < 2:
        return None
    figure, both = _canvas(2.4, panels=2)
    for axes, (what, cloud) in zip(both, clouds.items(), strict=True):
        for kind, (species, (colour, marker)) in enumerate(CLASSES.items()):
            x, y = ([row[i] for row, of in zip(cloud, report.labels, strict=False) if of == kind] for i in (0, 1))
            axes.plot(x, y, linestyle="none", marker=marker, markersize=3, color=colour, label=species)
        axes.set_title(what, loc="left")
    both[0].legend(fontsize=6, frameon=False)
    return _panel(figure, "lab", g, "scatter", "The learnt factor is the PCA scores, turned and scaled")


def _lines(lines: Mapping[str, tuple[Entrant, Mapping[float, float]]], works: Sequence[float]) -> tuple[Figure, Any]:
    """Return a panel with the seconds of a step, a line an entrant, against work or, without `works`, against threads."""
    figure, (axes,) = _canvas(2.9)
    for e, found in lines.values():
        axes.plot(list(found), list(found.values()), **style(e))
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    locator = LogLocator(subs=(1.0, 2.0, 5.0) if high < 50 * low else (1.0,))
    axes.yaxis.set(major_locator=locator, major_formatter=EngFormatter("s"), minor_locator=NullLocator())
    axes.set_ylabel("time of a step")
    _finish(axes, works, {who: (e, list(found.values())[-1]) for who, (e, found) in lines.items()})
    return figure, axes


def _finish(axes: Any, works: Sequence[float], tips: Mapping[str, tuple[Entrant, float]]) -> None:
    """Put the work of a step, or threads, below, and the name of each line at the right, in the order of their ends."""
    axes.set_xlabel("flops of a step" if works else "threads")
    if works:
        axes.set(xscale="log", xlim=(min(works) / 1.6, max(works) * 1.6))
        form = EngFormatter(sep="")
        axes.xaxis.set(major_locator=LogLocator(numticks=6), major_formatter=form, minor_locator=NullLocator())
    room, placed = 0.075, -1.0
    bottom, top = (axes.transScale.transform((1, y))[1] for y in axes.get_ylim())
    for i, (e, y) in enumerate(sorted(tips.values(), key=lambda tip: tip[1])):
        end = (axes.transScale.transform((1, y))[1] - bottom) / (top - bottom)
        placed = max(placed + room, min(end - room * (len(tips) - 1) / 2, 1 - room * (len(tips) - 1 - i)))
        axes.plot([1.03], [placed], **{**style(e), "linestyle": "none"}, clip_on=False, transform=axes.transAxes)
        axes.text(1.06, placed, label(name(e)), va="center", transform=axes.transAxes, fontsize=7)


def _ratio_axis(axis: Any, values: Sequence[float]) -> None:
    """Put a log axis around 1 on all values, with few ticks at numbers that a person reads."""
    low, high = min([0.9, *values]) / 1.1, max([1.1, *values]) * 1.1
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})
    wide = [m * 10.0**d for d in range(-4, 6) for m in (1, 2, 5)]
    ticks = wide if high > 2.2 else [0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2]
    locator = FixedLocator([t for t in ticks if low <= t <= high])
    axis.set(major_locator=locator, major_formatter="{x:g}", minor_locator=NullLocator())
