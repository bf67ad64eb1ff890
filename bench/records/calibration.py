"""Calibration: how far the harness may be trusted, found by `python -m bench.calibrate`."""

from pathlib import Path

import msgspec

from bench.errors import UsageError
from bench.records.schema import Machine, Strict
from bench.records.store import write

FILE = "calibration.json"


class Rate(Strict):
    """How often, of how many."""

    times: int = 0
    tried: int = 0

    def add(self, happened: bool) -> None:
        self.times, self.tried = self.times + happened, self.tried + 1

    def interval(self) -> tuple[float, float]:
        """Of the rate, 95 %: Clopper and Pearson, Biometrika 26 (1934)."""
        # Here, not above: it takes a quarter of a second to import, and few reports need it.
        from scipy.special import betaincinv

        k, n = self.times, self.tried
        low = float(betaincinv(k, n - k + 1, 0.025)) if k else 0.0
        high = float(betaincinv(k + 1, n - k, 0.975)) if k < n else 1.0
        return low, high


class Trial(Strict):
    """What came of one problem's races."""

    problem: str
    call_seconds: float = 0.0
    """Of the identical code: the median of the last race."""
    false_verdicts: Rate = msgspec.field(default_factory=Rate)
    """Identical entrants called faster or slower; every pair is compared once."""
    outside: Rate = msgspec.field(default_factory=Rate)
    """Intervals of identical entrants that leave 1 out, before the control is asked: 5 % by right."""
    detected: dict[str, Rate] = {}
    """By percent of more work: entrants called slower than an identical one without it."""
    half_widths: list[float] = []
    """Relative, of the intervals of identical entrants."""


class Calibration(Strict):
    machine: Machine
    commit: str
    versions: dict[str, str]
    generations: int
    rounds: int
    warm_up_seconds: float
    first: str
    """UTC, when the first race was begun."""
    last: str
    clock_overhead_seconds: float
    """What the harness adds to one call inside the timed region."""
    races: int = 0
    trials: list[Trial] = []


def read(folder: Path) -> Calibration | None:
    """None where `folder` holds none; UsageError for a file that is not one."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Calibration)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"{path} is not a calibration of this suite ({error}); remove it, and `python -m bench.calibrate` makes one anew"
        ) from None


def save(calibration: Calibration, folder: Path) -> None:
    write(folder / FILE, msgspec.json.format(msgspec.json.encode(calibration)))
