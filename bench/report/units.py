"""Numbers and names as short text."""

from collections.abc import Sequence

from bench.statistics import Estimate


def clip(text: str, width: int) -> str:
    """Return `text` in at most `width` characters: the middle goes, as the ends tell names apart."""
    tail = (width - 3) // 2
    return text if len(text) <= width else text[: width - 3 - tail] + "..." + text[len(text) - tail :]


def number(x: float) -> str:
    """Return about three digits: 0, 0.012, 0.45, 2.31, 12.3, 123, 1.23e+06."""
    size = abs(x)
    if 0 < size < 1e-3 or size >= 1e5:
        return f"{x:.2e}"
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.0995 else 3 if size >= 0.00995 else 4
    return f"{x:.{decimals}f}" if size else "0"


def _scaled(x: float, *units: tuple[float, str]) -> str:
    """Return `x` in the largest unit that leaves 1 or more of it; `units` from the largest down."""
    size, unit = next((u for u in units if abs(x) >= 0.9995 * u[0]), units[-1])
    return f"{number(x / size)}{unit}"


def seconds(x: float) -> str:
    return _scaled(x, (1, " s"), (1e-3, " ms"), (1e-6, " us"), (1e-9, " ns"))


def bytes_(x: float) -> str:
    return _scaled(x, (2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B"))


def count(x: float) -> str:
    """Return a whole number of steps or flops: 17, 1.20k, 350k, 2.10M."""
    return f"{x:.0f}" if x < 999.5 else _scaled(x, (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def percent(x: float) -> str:
    return f"{number(100 * x)} %"


def ends(estimate: Estimate) -> str:
    """Return `[2.22, 2.40]`; the ends are `?` where there were too few generations to tell."""
    return f"[{', '.join('?' if x is None else number(x) for x in (estimate.low, estimate.high))}]"


def plural(n: int, noun: str) -> str:
    """Return `1 cell`, `2 cells`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listed(words: Sequence[str], most: int = 4) -> str:
    """Return `a, b and c`; beyond `most`, `a, b, c, d and 3 more`."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def code(name: str) -> str:
    """Return the name between backquotes, which every rendering shows as code."""
    return f"`{name.replace('`', chr(39))}`"
