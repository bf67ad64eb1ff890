"""Typed cells of tables: each has its text and its sort key, and nothing is read back from text."""

from dataclasses import dataclass
from typing import Any, ClassVar

from bench.report import units
from bench.statistics import NEVER, Verdict

SHADES = 8


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table: a value, and fainter what explains it."""

    value: Any
    aside: str = ""
    form: ClassVar["staticmethod[[Any], str]"] = staticmethod(str)
    """How the value is written."""

    @property
    def main(self) -> str:
        return type(self).form(self.value)

    @property
    def text(self) -> str:
        return " ".join(filter(None, [self.main, self.aside]))

    @property
    def key(self) -> float | None:
        """Return the number that the column is sorted by; None where there is none, which comes last."""
        return None


class Text(Cell):
    """Words."""


class Name(Cell):
    """The name of a backend or a problem, or a line of code."""


@dataclass(frozen=True)
class Status(Cell):
    """Why there is no number; tables have no room for the reason, but the page can show it."""

    reason: str = ""
    form = staticmethod(lambda status: "not measured" if status == "ok" else status)


class Number(Cell):
    """A number; its classes say how it is written."""

    form = staticmethod(units.number)

    @property
    def key(self) -> float | None:
        return self.value


class Seconds(Number):
    form = staticmethod(units.seconds)


class Bytes(Number):
    form = staticmethod(units.bytes_)


class Share(Number):
    form = staticmethod(units.percent)


class Count(Number):
    """A whole number; NEVER for steps after which nothing is won."""

    form = staticmethod(lambda x: "never" if x == NEVER else units.count(x))


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


class Range(Cell):
    """The two ends between which all of several ratios lie."""

    form = staticmethod(lambda ends: " to ".join(map(units.number, ends)))
