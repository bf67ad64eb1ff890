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
    """A count of events, and of the trials in which they could happen."""

    times: int = 0
    trials: int = 0

    def add(self, happened: bool) -> None:
        self.times, self.trials = self.times + happened, self.trials + 1

    def interval(self) -> tuple[float, float]:
        """Return the exact 95 % interval of the rate (Clopper and Pearson, Biometrika 26, 1934)."""
        from scipy.special import betaincinv  # scipy.stats has it whole, and takes a second to import

        times, trials = self.times, self.trials
        low = betaincinv(times, trials - times + 1, 0.025) if times else 0.0
        return float(low), float(betaincinv(times + 1, trials - times, 0.975)) if times < trials else 1.0


class Trial(Strict):
    """The results of all races of one backend on one problem."""

    backend: str
    problem: str
    races: int = 0
    call_seconds: float = 0.0  # of the identical code in the last race
    missed: Rate = msgspec.field(default_factory=Rate)  # intervals of identical code that leave out 1
    false_verdicts: Rate = msgspec.field(default_factory=Rate)  # identical code called faster or slower
    false_level: Rate = msgspec.field(default_factory=Rate)  # code slowed by the margin or more that was called level
    detected: dict[str, Rate] = {}  # by percent of more work: how often it was called slower
    half_widths: list[float] = []  # relative, of the intervals of identical code


class Calibration(Strict):
    """The error rates of the harness on one machine, at one version of the code that measures."""

    host: Host
    commit: str
    code: str  # the checksum of the code that measures: `code_checksum`
    versions: dict[str, str]
    generations: int
    rounds: int
    warm_up_seconds: float
    margin: float
    first: str  # UTC, when the first race began
    last: str
    clock_overhead_seconds: float  # what the harness adds to one call inside the timed region
    trials: list[Trial] = []

    @property
    def races(self) -> int:
        """Return the races of all backends; each is of every problem."""
        return sum({trial.backend: trial.races for trial in self.trials}.values())


def read(folder: Path) -> Calibration | None:
    """Return the calibration in `folder`; None where there is none, UsageError for a file that is not one."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Calibration)
    except (OSError, msgspec.MsgspecError) as error:
        remedy = "remove it, and `python -m bench.calibrate` makes another"
        raise UsageError(f"{path} is not a calibration of this version ({error}); {remedy}") from None


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
            # A docstring, whether of a function or of a constant, is a constant that stands alone.
            alone = [part for part in node.body if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)]
            node.body = [part for part in node.body if part not in alone] or [ast.Pass()]
    return ast.dump(tree)
