"""Typed cells of tables: each has its text and its sort key, and nothing is read back from text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from bench.report import units
from bench.statistics import NEVER, Estimate, Verdict

SHADES = 8


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table: a value, and fainter what explains it."""

    value: Any
    note: str = ""

    @property
    def main(self) -> str:
        return str(self.value)

    @property
    def aside(self) -> str:
        return self.note

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


class Status(Cell):
    """Why there is no number; `note` is the reason, which a table has no room for."""

    @property
    def main(self) -> str:
        return "not measured" if self.value == "ok" else str(self.value)

    @property
    def aside(self) -> str:
        return ""


class Number(Cell):
    """A number; its classes say how it is written."""

    written: ClassVar[Callable[[float], str]] = staticmethod(units.number)

    @property
    def main(self) -> str:
        return type(self).written(self.value)

    @property
    def key(self) -> float | None:
        return None if self.value is None else float(self.value)


class Seconds(Number):
    written = staticmethod(units.seconds)


class Bytes(Number):
    written = staticmethod(units.bytes_)


class Share(Number):
    written = staticmethod(units.percent)


class Count(Number):
    written = staticmethod(units.count)


class Steps(Number):
    """Steps after which something has paid for itself; NEVER where it does not."""

    written = staticmethod(lambda x: "never" if x == NEVER else units.count(x))


class FirstCall(Number):
    """Seconds with cold caches, and in the note those with warm ones."""

    written = staticmethod(lambda x: "-" if x is None else units.seconds(x))


@dataclass(frozen=True)
class Heat(Seconds):
    """A time, coloured by its ratio to the fastest of its column: `shade` from 0 to SHADES."""

    shade: int = 0


@dataclass(frozen=True)
class Ratio(Cell):
    """The estimate of a ratio of two times and, where it was judged, its verdict."""

    verdict: Verdict | None = None

    @property
    def estimate(self) -> Estimate:
        return self.value

    @property
    def main(self) -> str:
        return units.number(self.value.value)

    @property
    def aside(self) -> str:
        return " ".join(filter(None, [units.ends(self.value), self.verdict]))

    @property
    def key(self) -> float:
        return self.value.value


class Range(Cell):
    """The two ends between which all of several ratios lie."""

    @property
    def main(self) -> str:
        return " to ".join(map(units.number, self.value))

    @property
    def key(self) -> float:
        return self.value[1]
