"""What a report is made of: sections of sentences, lists, tables and pictures, before any rendering."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from bench.report.cells import Cell, Ratio
from bench.statistics import CONFIDENCE

Shown = Literal["everywhere", "in full", "folded", "in short"]
"""`in full`: not in the short report of a terminal.  `folded`: the same, and behind a click on the page.  `in short`:
there alone."""


class Items(NamedTuple):
    """A list of sentences."""

    sentences: Sequence[str]
    shown: Shown = "everywhere"


class Table(NamedTuple):
    """Rows of typed cells below their headers; a terminal has no room for the last `wide` columns."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    wide: int = 0
    shown: Shown = "everywhere"


class Panel(NamedTuple):
    """One drawing of a picture: the first part of its file's name, what it says, and the SVG."""

    name: str
    alt: str
    svg: str


class Picture(NamedTuple):
    """One or more panels that stand side by side where there is room."""

    caption: str
    panels: Sequence[Panel]
    shown: Shown = "in full"


class Document(NamedTuple):
    """A text in Markdown that comes from this project, not from a record, and where it lies."""

    path: str
    source: str


class Paths(NamedTuple):
    """Files that were written; a terminal shows them whole."""

    paths: Sequence[str]


Part = str | Items | Table | Picture | Document | Paths


class Section(NamedTuple):
    """A heading and what stands below it; `folded` behind a click on the page, `short` in a terminal's short report, too."""

    title: str
    parts: Sequence[Part]
    folded: bool = False
    short: bool = False

    def visible(self, short: bool) -> "Section":
        """Return the section with those of its parts that a short or a full report shows."""
        hidden = ("in full", "folded") if short else ("in short",)
        return self._replace(parts=[p for p in self.parts if getattr(p, "shown", "everywhere") not in hidden])


def tables(sections: Sequence[Section]) -> list[Table]:
    return [part for section in sections for part in section.parts if isinstance(part, Table)]


def single_intervals(sections: Sequence[Section]) -> int:
    """Return how many 95 % intervals the tables show that hold one by one, and not together with others."""
    cells = [cell for table in tables(sections) for row in table.rows for cell in row]
    estimates = {cell.value for cell in cells if isinstance(cell, Ratio)}
    return sum(e.error is not None and e.confidence == CONFIDENCE for e in estimates)
