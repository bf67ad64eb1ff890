"""Define what a report is made of, before any rendering: sections of sentences, lists, pictures, and tables of typed cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from bench.records.schema import Outcome
from bench.report import units
from bench.statistics import NEVER, Verdict

SHADES = 8


@dataclass(frozen=True)
class Cell:
    """One place of a table: a value, which `form` writes and nothing reads back, and what explains it."""

    value: Any
    aside: str = ""
    form: ClassVar["staticmethod[[Any], str]"] = staticmethod(str)
    numeric: ClassVar[bool] = False

    @property
    def main(self) -> str:
        return type(self).form(self.value)

    @property
    def text(self) -> str:
        return " ".join(filter(None, [self.main, self.aside]))

    @property
    def key(self) -> float | None:
        """Return the number that the column is sorted by; None where there is none, which comes last."""
        return self.value if self.numeric else None


class Name(Cell):
    """The name of a backend or a problem, or a line of code."""


@dataclass(frozen=True)
class Status(Cell):
    """Why there is no number; tables have no room for the reason, but the page can show it."""

    reason: str = ""
    form = staticmethod(lambda status: "not measured" if status == "ok" else status)

    @classmethod
    def of(cls, outcome: Outcome) -> "Status":
        return cls(outcome.status, reason=outcome.reason)


class Number(Cell):
    """A number; its classes say how it is written."""

    numeric = True
    form = staticmethod(units.number)


class Seconds(Number):
    form = staticmethod(units.seconds)


class Bytes(Number):
    form = staticmethod(units.bytes_)


class Share(Number):
    form = staticmethod(units.percent)


class Count(Number):
    """A whole number; NEVER for steps after which nothing is won."""

    form = staticmethod(lambda x: "never" if x == NEVER else units.count(x))


class Error(Number):
    """An error or a tolerance: one digit tells enough."""

    form = staticmethod(lambda x: f"{x:.0e}" if x else "0")


@dataclass(frozen=True)
class Heat(Seconds):
    """A time, coloured by its ratio to the fastest of its column: `shade` from 0 to SHADES."""

    shade: int = 0


@dataclass(frozen=True)
class Ratio(Cell):
    """The estimate of a ratio of two times, its interval and, where it was judged, its verdict."""

    verdict: Verdict | None = None
    form = staticmethod(lambda estimate: units.number(estimate.value))

    def __post_init__(self) -> None:
        said = " ".join(filter(None, [units.ends(self.value), self.verdict]))
        object.__setattr__(self, "aside", said)  # frozen, and not made yet

    @property
    def key(self) -> float:
        return self.value.value


Shown = Literal["everywhere", "in full", "folded", "in short"]
"""`in full`: not in a terminal's short report, `in short`: there alone; `folded`: in full, behind a click on the page."""


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
