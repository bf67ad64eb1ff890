"""A calibration: how often the harness is wrong, as `python -m bench.calibrate` found it."""

import ast
import hashlib
from pathlib import Path

import msgspec

from bench.errors import UsageError
from bench.records.schema import Host, Strict
from bench.records.store import write

FILE = "calibration.json"
BENCH = Path(__file__).parents[1]


class Rate(Strict):
    """How often something happened, of how many trials."""

    times: int = 0
    trials: int = 0

    def add(self, happened: bool) -> None:
        self.times, self.trials = self.times + happened, self.trials + 1

    def interval(self) -> tuple[float, float]:
        """Return the exact 95 % interval of the rate (Clopper and Pearson, Biometrika 26, 1934)."""
        from scipy.stats import binomtest  # takes half a second to import, and few reports need it

        found = binomtest(self.times, self.trials).proportion_ci(0.95)
        return float(found.low), float(found.high)


class Trial(Strict):
    """What the races of one backend on one problem came to."""

    backend: str
    problem: str
    call_seconds: float = 0.0
    """The median of the identical code in the last race."""
    missed: Rate = msgspec.field(default_factory=Rate)
    """Intervals of identical code that leave out 1; 5 % are expected to."""
    false_verdicts: Rate = msgspec.field(default_factory=Rate)
    """Identical code called faster or slower."""
    false_level: Rate = msgspec.field(default_factory=Rate)
    """Code slowed by more than the margin that was called level."""
    detected: dict[str, Rate] = {}
    """By percent of more work: how often it was called slower than the same code without it."""
    half_widths: list[float] = []
    """Relative, of the intervals of identical code."""


class Calibration(Strict):
    """The error rates of the harness on one machine, at one version of the code that measures."""

    host: Host
    commit: str
    code: str
    """The checksum of the code that measures: `code_checksum`."""
    versions: dict[str, str]
    generations: int
    rounds: int
    warm_up_seconds: float
    margin: float
    first: str
    """UTC, when the first race began."""
    last: str
    clock_overhead_seconds: float
    """What the harness adds to one call inside the timed region."""
    races: int = 0
    trials: list[Trial] = []


def read(folder: Path) -> Calibration | None:
    """Return the calibration in `folder`; None where there is none, UsageError for a file that is not one."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Calibration)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"{path} is not a calibration of this version ({error}); remove it, and `python -m bench.calibrate` makes another"
        ) from None


def save(calibration: Calibration, folder: Path) -> None:
    write(folder / FILE, msgspec.json.format(msgspec.json.encode(calibration)))


MEASURING = ("clock.py", "statistics.py", "operations", "race", "workers", "devices", "session.py")
"""The files and folders of bench/ that decide what is measured, and what is said of it."""


def code_checksum() -> str:
    """Return the SHA-256 of the code that measures, without its comments and docstrings."""
    checksum = hashlib.sha256()
    for place in (BENCH / name for name in MEASURING):
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            checksum.update(_code(path.read_text()).encode())
    return checksum.hexdigest()


def _code(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return ast.dump(tree)


def _is_text(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)
