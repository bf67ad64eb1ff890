"""How pictures look: every backend keeps one colour and one marker everywhere.  Imports no matplotlib by itself."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

import backends
from bench.console.escape import escaped as inert
from bench.records.schema import Entrant
from bench.report.findings import by_hand, name
from bench.report.units import clip

# Okabe and Ito (2008), as the libraries' own: told apart with any colour vision.
OTHERS = ("#E69F00", "#56B4E9")
CONTROL = "#777777"
INK, FAINT = "#222222", "#999999"
MOST_PANELS = 12
CLASSES = (("#E69F00", "o"), ("#56B4E9", "s"), ("#222222", "^"))


def panels(problems: Sequence[str]) -> tuple[list[str], str]:
    """Those that a picture has room for, and what its title says of the others."""
    note = f", the first {MOST_PANELS} of {len(problems)} problems" if len(problems) > MOST_PANELS else ""
    return list(problems[:MOST_PANELS]), note


RC: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    # Said, not found out: looking for what a title could cover takes an eighth of the drawing.
    "axes.titley": 1.0,
    "axes.ymargin": 0.08,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "xtick.color": INK,
    "ytick.color": INK,
    # A name may hold a dollar sign, and half a formula is an error.
    "text.parse_math": False,
}


def key(entrant: Entrant) -> str:
    """What marks all that is drawn or written of this entrant: a checksum of its label, which may itself mean harm."""
    return f"entrant-{crc32(entrant.label.encode()):08x}"


def style(entrant: Entrant) -> dict[str, Any]:
    """Colour by library, marker by mode, hollow where the gradient is derived by hand."""
    mode, library = backends.MODES.get(entrant.backend), backends.LIBRARIES.get(entrant.library)
    known = library.colour if library else OTHERS[crc32(entrant.library.encode()) % len(OTHERS)]
    colour, hollow = CONTROL if entrant.control else known, by_hand(entrant)
    marker = "X" if entrant.control else mode.marker if mode else "h"
    face = "white" if hollow else colour
    return {"color": colour, "marker": marker, "markerfacecolor": face, "markersize": 5, "gid": key(entrant)}


def label(text: str, width: int = 24) -> str:
    return clip(inert(text), width)


def labels(entrants: Sequence[Entrant]) -> list[str]:
    return [label(name(e)) for e in entrants]


class Sheet:
    """A figure of panels with room at the left for the names of rows, and at the bottom for a legend."""

    def __init__(
        self,
        panels: int,
        width: float,
        height: float,
        left: float,
        bottom: float,
        columns: int = 4,
        rows_only: bool = False,
    ) -> None:
        """Inches; `width` and `height` of one panel; `rows_only`: panels but the leftmost have nothing written at their left."""
        from matplotlib.figure import Figure

        self.columns = columns = min(columns, panels)
        rows = -(-panels // columns)
        gap = 0.2 if rows_only else 0.62
        # Wide enough for a title above a single panel.
        width = max(width, (6.0 - left - (columns - 1) * gap) / columns)
        total = left + columns * width + (columns - 1) * gap + 0.2
        high = 0.75 + rows * height + (rows - 1) * 0.62 + bottom
        self.figure = Figure(figsize=(total, high), dpi=110)
        grid = {"left": left / total, "right": (left + columns * width + (columns - 1) * gap) / total}
        grid |= {"bottom": bottom / high, "top": 1 - 0.75 / high, "wspace": gap / width, "hspace": 0.62 / height}
        axes = self.figure.subplots(rows, columns, squeeze=False, gridspec_kw=grid).ravel()
        for spare in axes[panels:]:
            spare.remove()
        self.axes = axes[:panels]
        self._width, self._height, self.bottom = total, high, bottom
        self.scaled: list[Any] = []
        """The axes that have a linear scale beside their log scale."""
        self.headings: list[Any] = []
        """The title and the legend: a page writes its own."""
        self.keys: list[tuple[Any, str]] = []
        """What the legend explains: a line, and its name."""

    def title(self, text: str) -> None:
        place = 0.12 / self._width, 1 - 0.12 / self._height
        self.headings.append(self.figure.text(*place, text, va="top", fontsize=10, fontweight="bold", color=INK))

    def legend(self, handles: Sequence[Any], names: Sequence[str], columns: int = 5) -> None:
        """Below the panels, where it covers no data."""
        columns = min(columns, max(1, int(self._width / 1.7)))
        self.headings.append(
            self.figure.legend(
                handles, names, loc="lower center", ncols=columns, fontsize=7.5, numpoints=1, handlelength=1.6
            )
        )
        self.keys = list(zip(handles, names, strict=True))

    def png(self) -> bytes:
        buffer = io.BytesIO()
        # Without the version of matplotlib in it, so that the same record gives the same bytes.
        self.figure.savefig(buffer, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 3})
        return buffer.getvalue()


class Drawing(NamedTuple):
    caption: str
    sheet: Sheet
    workload: str = ""
    """Where all panels are of one."""


def legend_rows(names: int, columns: int = 5) -> float:
    """Inches that a legend of so many names takes, axis label included."""
    return 0.5 + 0.17 * -(-names // columns)


def log_axis(axis: Any, values: Sequence[float], written: Callable[[float], str], margin: float = 1.25) -> None:
    """Few ticks at 1, 2, 5 of a decade in their own unit; `axis` is an XAxis or a YAxis."""
    low, high = min(values) / margin, max(values) * margin
    gap, end = 0.1, 1.0
    if axis.axis_name == "x":
        # A label below an axis takes more of its length than one at its side, and reaches over its ends.
        letters = max(len(short(written(float(f"{value:.1g}")))) for value in values)
        gap, end = 0.043 * letters, (high / low) ** 0.06
    ticks = log_ticks(low * end, high / end, gap)
    set_scale, set_limits = (getattr(axis.axes, f"set_{axis.axis_name}{what}") for what in ("scale", "lim"))
    set_scale("log")
    set_limits(low, high)
    axis.set_ticks(ticks)
    axis.set_ticks([], minor=True)
    # Taken up again by `linear_axis`, which has no other way to know the unit.
    axis.set_major_formatter(lambda t, _: short(written(t)))


def linear_axis(axis: Any) -> None:
    """From 0 to where the log axis ended, in the same unit."""
    from matplotlib.ticker import MaxNLocator

    _, high = axis.get_view_interval()
    written = axis.get_major_formatter()
    set_scale, set_limits = (getattr(axis.axes, f"set_{axis.axis_name}{what}") for what in ("scale", "lim"))
    set_scale("linear")
    set_limits(0, high)
    axis.set_major_locator(MaxNLocator(6 if axis.axis_name == "y" else 4))
    axis.set_major_formatter(written)


def short(text: str) -> str:
    """`5 us` of `5.00 us`, `1.5` of `1.50`: a tick is exact, its zeros say nothing."""
    return re.sub(r"\.0+(?=\D|$)|(\.\d*?[1-9])0+(?=\D|$)", r"\1", text)


def log_ticks(low: float, high: float, gap: float) -> list[float]:
    """The densest of 1-2-5, 1-3, decades, every second decade ... that leaves `gap` of the axis between two; or its middle."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = [
        (m, 1) for m in ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 2, 4), (1, 3), (1,))
    ]
    for mantissas, every in [*steps, *(((1,), every) for every in (2, 3, 6, 12, 24, 48))]:
        powers = [float(f"1e{d}") for d in decades if d % every == 0]
        ticks = [m * power for power in powers for m in mantissas if low <= m * power <= high]
        if len(ticks) > 1 and min(np.diff(np.log(ticks))) >= gap * np.log(high / low):
            return ticks
    return [float(f"{np.sqrt(low * high):.1g}")]
