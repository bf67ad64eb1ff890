"""Typed cells of tables: each has its text and its sort key, and nothing is read back from text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.report import units
from bench.statistics import NEVER, Verdict

SHADES = 8


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table: a value, and fainter what explains it."""

    value: Any
    aside: str = ""

    def written(self) -> str:
        """Return the value as text."""
        return str(self.value)

    @property
    def key(self) -> float | None:
        """Return the number that the column is sorted by; None where there is none, which comes last."""
        return None

    @property
    def text(self) -> str:
        return " ".join(filter(None, [self.written(), self.aside]))


class Text(Cell):
    """Words."""


class Name(Cell):
    """The name of a backend or a problem, or a line of code."""


@dataclass(frozen=True)
class Status(Cell):
    """Why there is no number; tables have no room for the reason, but the page can show it."""

    reason: str = ""

    def written(self) -> str:
        return "not measured" if self.value == "ok" else str(self.value)


class Number(Cell):
    """A number; its classes say how it is written."""

    form: Callable[[float], str] = staticmethod(units.number)

    def written(self) -> str:
        return type(self).form(self.value)

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
    form = staticmethod(units.count)


class Steps(Number):
    """Steps after which something has paid for itself; NEVER where it does not."""

    form = staticmethod(lambda x: "never" if x == NEVER else units.count(x))


@dataclass(frozen=True)
class Heat(Seconds):
    """A time, coloured by its ratio to the fastest of its column: `shade` from 0 to SHADES."""

    shade: int = 0


@dataclass(frozen=True)
class Ratio(Cell):
    """The estimate of a ratio of two times, its interval and, where it was judged, its verdict."""

    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        said = " ".join(filter(None, [units.ends(self.value), self.verdict]))
        object.__setattr__(self, "aside", said)  # frozen, and not made yet

    def written(self) -> str:
        return units.number(self.value.value)

    @property
    def key(self) -> float:
        return self.value.value


class Range(Cell):
    """The two ends between which all of several ratios lie."""

    def written(self) -> str:
        return " to ".join(map(units.number, self.value))

    @property
    def key(self) -> float:
        return self.value[1]
