"""Numbers and names as short text."""

import re
from collections.abc import Iterable

from bench.statistics import Interval

ABSENT = "not measured"


def clip(text: str, width: int) -> str:
    """`text` in at most `width` characters: the middle goes, as the ends tell names apart."""
    if len(text) <= width:
        return text
    tail = (width - 3) // 2
    return text[: width - 3 - tail] + "..." + text[len(text) - tail :]


def slug(text: str) -> str:
    """`text` as a part of a file name that stays in its folder."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "unnamed"


def number(x: float) -> str:
    """About three digits: 0, 0.0123, 0.45, 2.31, 12.3, 123, 1.23e+06."""
    size = abs(x)
    if size == 0:
        return "0"
    if size >= 1e5 or 0 < size < 1e-3:
        return f"{x:.2e}"
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.0995 else 3 if size >= 0.00995 else 4
    return f"{x:.{decimals}f}"


Ends = tuple[float, float] | None
"""Of an interval; None where there is none."""


def _scaled(x: float, units: list[tuple[float, str]], ends: Ends = None) -> str:
    """In the largest unit that leaves 1 or more of it or of an end; `units` from the largest down."""
    most = max(map(abs, (x, *(ends or ()))))
    size, unit = next((u for u in units if most >= 0.9995 * u[0]), units[-1])
    bounds = f" [{number(ends[0] / size)}, {number(ends[1] / size)}]" if ends else ""
    return f"{number(x / size)}{unit}{bounds}"


def seconds(x: float, ends: Ends = None) -> str:
    """`8.12 us`, or `8.12 us [7.90, 8.30]`."""
    return _scaled(x, [(1, " s"), (1e-3, " ms"), (1e-6, " us"), (1e-9, " ns")], ends)


def bytes_(x: float) -> str:
    return _scaled(x, [(2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B")])


def count(x: float) -> str:
    """A whole number of steps or flops: 17, 1.2k, 350k, 2.1M."""
    return f"{x:.0f}" if x < 999.5 else _scaled(x, [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")])


_FACTORS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
_FACTORS |= {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Mflop/s": 1e6, "Gflop/s": 1e9, "Tflop/s": 1e12, "flop/s": 1.0}
_NUMBER = re.compile(
    rf"([-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?)(?: ?({'|'.join(_FACTORS)}|%|x))?(?=$|,? [(\[/~]| (?:to|of|flops)\b)"
)


def value(text: str) -> float | None:
    """The number that a cell begins with, in the base of its unit, to sort by: 5.81e-05 of `58.1 us`; None without one."""
    found = _NUMBER.match(text)
    return float(f"{float(found[1]) * _FACTORS.get(found[2] or '', 1.0):.12g}") if found else None


def numeric(cells: Iterable[str]) -> bool:
    """Whether these are numbers, with perhaps a word among them, to stand one below the other."""
    return any(value(cell) is not None for cell in cells)


NO_BREAK = "\u00a0"


def bound(text: str) -> str:
    """`text` in which a number keeps to its unit and an interval together, however the line is broken."""
    text = re.sub(r"(?<=\d) (?=(?:%|[num]?s\b|x\b|[KMG]iB\b|[kMGT]?flop))|(?<=\d x) (?=\[\d)", NO_BREAK, text)
    return re.sub(r"\[(?=[\d?])[^][]{1,30}\]", lambda interval: interval[0].replace(" ", NO_BREAK), text)


def rate(flops_per_second: float, ends: Ends = None) -> str:
    return _scaled(flops_per_second, [(1e12, " Tflop/s"), (1e9, " Gflop/s"), (1e6, " Mflop/s"), (1, " flop/s")], ends)


def percent(x: float) -> str:
    return f"{number(100 * x)} %"


def interval(i: Interval) -> str:
    """`2.31 [2.22, 2.40]`; the bounds are `?` where there were too few generations to tell."""
    low, high = ("?" if end is None else number(end) for end in (i.low, i.high))
    return f"{number(i.value)} [{low}, {high}]"


def times(i: Interval) -> str:
    """`2.31 x [2.22, 2.40]`, for a sentence."""
    value, bounds = interval(i).split(" ", 1)
    return f"{value} x {bounds}"


def plural(n: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listed(words: list[str], most: int = 4) -> str:
    """`a, b and c`; beyond `most`, `a, b, c, d and 3 more`."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
