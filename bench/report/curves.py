"""The pictures with lines and clouds: losses, sizes, accuracies, and the scatter plots of the lab report."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.records.schema import Entrant, LabReport, Run
from bench.report import lab, sweep, tables, units
from bench.report.findings import Findings, by_hand, name
from bench.report.look import CLASSES, INK, Drawing, Sheet, label, labels, legend_rows, log_axis, panels, style

SPECIES = ("setosa", "versicolor", "virginica")


def losses(f: Findings, workload: str, problems: Sequence[str]) -> Drawing | None:
    """The loss before every step of all backends over each other: one curve, if they agree."""
    some, others = panels([p for p in problems if _losses_of(f, p)])
    shown = {p: _losses_of(f, p) for p in some}
    if not shown:
        return None
    entrants = [e for e in f.racers if any(e.label in ls for ls in shown.values())]
    sheet = Sheet(len(shown), 2.1, 1.7, left=0.7, bottom=legend_rows(len(entrants)) + 0.15)
    sheet.title(f"Loss before every step, all backends over each other: {label(workload, 40)}{others}")
    for axes, (problem, curves) in zip(sheet.axes, shown.items(), strict=True):
        _losses_panel(axes, entrants, curves)
        axes.set_title(label(tables.size(problem), 28), loc="left")
        axes.set_xlabel("step")
    sheet.axes[0].set_ylabel("loss")
    sheet.legend([_key(sheet, e) for e in entrants], labels(entrants))
    return Drawing(f"Loss against step, {workload}", sheet, workload)


def _losses_of(f: Findings, problem: str) -> dict[str, list[float]]:
    cells = [(e, f.cell(e, problem)) for e in f.racers if f.outcome(e, problem).status == "ok"]
    return {e.label: cell.losses for e, cell in cells if cell is not None and cell.losses}


def _losses_panel(axes: Any, entrants: Sequence[Entrant], curves: dict[str, list[float]]) -> None:
    """Each backend's markers sit on other steps, so that those below are seen between those above."""
    longest = max(map(len, curves.values()))
    stride = max(1, longest // 3)
    for i, e in enumerate(entrants):
        if e.label in curves:
            offset = int(i * stride / len(entrants))
            axes.plot(curves[e.label], linewidth=0.8, markevery=(offset, stride), **{**style(e), "markersize": 4.5})
    values = [x for curve in curves.values() for x in curve]
    if min(values) > 0:
        log_axis(axes.yaxis, values, units.number, margin=1.15)


def _key(sheet: Sheet, entrant: Entrant, **changes: Any) -> Any:
    """A line for the legend that is in no panel."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **{"linewidth": 0.8, **style(entrant), **changes})


def sweep_of_sizes(f: Findings) -> Drawing | None:
    """Time per step against flops per step, and the machine's limit below."""
    found = {w: ps for w, ps in sweep.sweeps(f).items() if any(sweep.points(f, e, ps) for e in f.racers)}
    if not found:
        return None
    # A by-hand twin would lie on its original's line: the overhead has a picture of its own.
    entrants = [e for e in f.racers if not by_hand(e)]
    entrants = [e for e in entrants if any(sweep.points(f, e, ps) for ps in found.values())]
    if not entrants:
        return None
    sheet = Sheet(len(found), 3.6, 2.9, left=0.75, bottom=legend_rows(len(entrants) + 2, columns=4) + 0.15, columns=2)
    sheet.title(f"Time against size ({label(f.title)})")
    for axes, (workload, problems) in zip(sheet.axes, found.items(), strict=True):
        _sweep_panel(f, axes, entrants, problems)
        axes.set_title(label(workload, 40), loc="left")
        axes.set_xlabel("flops per step")
    sheet.axes[0].set_ylabel("time per step")
    handles = [_key(sheet, e, linestyle="none") for e in entrants]
    limit = _key(sheet, entrants[0], marker="", color=INK, linestyle="--", gid=None)
    sheet.legend([*handles, limit], [*labels(entrants), "limit of the machine"], columns=4)
    sheet.scaled = [axis for axes in sheet.axes for axis in (axes.xaxis, axes.yaxis)]
    return Drawing("Time against size, with the limit of the machine", sheet)


def _sweep_panel(f: Findings, axes: Any, entrants: Sequence[Entrant], problems: Sequence[str]) -> None:
    measured = {e.label: sweep.points(f, e, problems) for e in entrants}
    points = [p for found in measured.values() for p in found]
    limit = sorted(
        (facts.flops, bound) for p in problems if (facts := f.facts(p)) and (bound := sweep.limit_seconds(f, p))
    )
    if limit:
        axes.plot(*zip(*limit, strict=True), color=INK, linestyle="--", linewidth=1)
    for e in entrants:
        axes.plot(
            [p.flops for p in measured[e.label]], [p.seconds for p in measured[e.label]], linewidth=0.8, **style(e)
        )
    log_axis(axes.xaxis, [p.flops for p in points], units.count, margin=1.5)
    log_axis(axes.yaxis, [*(p.seconds for p in points), *(bound for _, bound in limit)], units.seconds, margin=1.5)


def accuracies(f: Findings) -> Drawing | None:
    """The runs of the second exercise seed by seed, all backends side by side, and the published pairs."""
    found = lab.runs(f, lab.EXERCISE_2, "test_accuracy")
    entrants = [e for e in f.racers if name(e) in found]
    if not entrants:
        return None
    seeds = sorted({run.seed for runs in found.values() for run in runs})[:16]
    sheet = Sheet(2, 9.2, 1.7, left=0.6, bottom=legend_rows(len(entrants) + 1) + 0.15, columns=1)
    sheet.title(f"Accuracy on {lab.EXERCISE_2}, start by start, beside the eight published starts")
    for axes, quality, which in zip(sheet.axes, ("train_accuracy", "test_accuracy"), (0, 1), strict=True):
        _accuracies_panel(axes, entrants, found, seeds, quality, [pair[which] for pair in lab.ACCURACIES])
        axes.set_title("training" if which == 0 else "test", loc="left")
    sheet.axes[-1].set_xlabel("seed of our start")
    published = _key(sheet, entrants[0], marker="_", color=INK, linestyle="none", markersize=9, gid=None)
    keys = [_key(sheet, e, linestyle="none") for e in entrants]
    sheet.legend([published, *keys], ["lab report (order as published)", *labels(entrants)])
    return Drawing("Accuracies start by start, beside the lab report's", sheet)


def _accuracies_panel(
    axes: Any,
    entrants: Sequence[Entrant],
    found: dict[str, list[Run]],
    seeds: list[int],
    quality: str,
    published: list[float],
) -> None:
    axes.axhspan(min(published), max(published), color="#EEEEEE", zorder=0)
    axes.plot(range(len(published)), published, linestyle="none", marker="_", markersize=60, color=INK, zorder=1)
    for i, e in enumerate(entrants):
        runs = [r for r in found[name(e)] if r.seed in seeds and quality in r.quality]
        shift = 0.76 * ((i + 0.5) / len(entrants) - 0.5)
        look = {**style(e), "markersize": 4.5}
        axes.plot(
            [seeds.index(r.seed) + shift for r in runs], [r.quality[quality] for r in runs], linestyle="none", **look
        )
    most = max(len(seeds), len(published))
    axes.set_xticks(range(len(seeds)), [str(s) for s in seeds])
    axes.set_xlim(-0.6, most - 0.4)
    axes.yaxis.set_major_formatter("{x:.2f}")
    axes.yaxis.set_major_locator(_steps_of(0.02))


def _steps_of(step: float) -> Any:
    from matplotlib.ticker import MultipleLocator

    return MultipleLocator(step)


def scatter(report: LabReport | None) -> Drawing | None:
    """PCA scores and the learnt U side by side, coloured by the label."""
    found = [] if report is None else [_cloud(report.labels, rows) for rows in (report.pca_scores, report.learnt)]
    clouds = [cloud for cloud in found if cloud is not None]
    if report is None or len(clouds) < 2:
        return None
    sheet = Sheet(2, 3.3, 3.0, left=0.6, bottom=0.95, columns=2)
    angles = ", ".join(f"{angle:.3f}" for angle in report.principal_angles_degrees[:4])
    sheet.title(f"{lab.EXERCISE_1}: R\u00b2 = {report.r_squared:.6f}, principal angles {angles or '?'} degrees")
    whose = label(report.backend)
    for axes, cloud, title in zip(sheet.axes, clouds, ("PCA scores", f"learnt U ({whose})"), strict=True):
        for kind, (colour, marker) in enumerate(CLASSES):
            mine = cloud[cloud[:, 2] == kind]
            axes.plot(
                mine[:, 0],
                mine[:, 1],
                linestyle="none",
                marker=marker,
                markersize=4,
                color=colour,
                alpha=0.85,
                label=SPECIES[kind],
            )
        axes.set_title(title, loc="left")
        axes.set_aspect("equal", adjustable="datalim")
    axes_names = (("component 1", "component 2"), ("U, column 1", "U, column 2"))
    for axes, (x, y) in zip(sheet.axes, axes_names, strict=True):
        axes.set_xlabel(x)
        axes.set_ylabel(y, labelpad=1)
    handles, names = sheet.axes[0].get_legend_handles_labels()
    sheet.legend(handles, names)
    return Drawing("The lab report's scatter plots: PCA scores and the learnt U", sheet)


def _cloud(kinds: list[int], rows: list[list[float]]) -> np.ndarray | None:
    """[n, 3]: two coordinates and the class; None when that is not what the record holds."""
    if not rows or len(rows) != len(kinds) or any(len(row) < 2 for row in rows) or not set(kinds) <= {0, 1, 2}:
        return None
    return np.array([[row[0], row[1], kind] for row, kind in zip(rows, kinds, strict=True)])
