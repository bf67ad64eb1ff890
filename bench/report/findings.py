"""Who is how much faster than whom: everything one record says about one dtype on one device.

Plain data, no formatting, so that terminal, Markdown, pictures and pages say the same.  Nothing here
is NaN and nothing raises: what could not be computed is None, and `Findings.outcome` says why.
"""

from collections.abc import Callable, Iterable
from itertools import combinations
from math import inf
from typing import NamedTuple, TypeVar

import backends
from bench.backend import REFERENCE, Mode
from bench.records.schema import Cell, Check, Entrant, Operation, Outcome, ProblemFacts, Record, Samples
from bench.statistics import Interval, Spread, Verdict, ratio, spread, verdict

Item = TypeVar("Item")
Key = TypeVar("Key")


class Comparison(NamedTuple):
    """time(a) / time(b) of one operation on one problem, with the interval and the verdict on a."""

    problem: str
    a: Entrant
    b: Entrant
    interval: Interval | None
    verdict: Verdict

    @property
    def ratio(self) -> Interval:
        """The interval, of a comparison that has one."""
        assert self.interval is not None
        return self.interval


class Gated(NamedTuple):
    """A gate that one entrant was held to on one problem."""

    entrant: Entrant
    problem: str
    gate: Check

    @property
    def share(self) -> float:
        """Of the tolerance that the error uses up; more than any where no error is allowed, or none could be told."""
        if self.gate.error == 0:
            return 0.0
        return inf if self.gate.error is None or self.gate.tolerance <= 0 else self.gate.error / self.gate.tolerance


class Empty(NamedTuple):
    """A cell without numbers, and why."""

    entrant: Entrant
    problem: str
    outcome: Outcome


class Findings:
    """Compute what the record says of one dtype on one device, by one allocator: the record's first, or the one named.

    `reference`, `control` and `original` (what the control is a copy of) are None where they did not
    enter; they may sit on another device where this one has none.
    """

    def __init__(self, record: Record, dtype: str, device: str, allocator: str = "") -> None:
        self.record, self.dtype, self.device = record, dtype, device
        raced = list(dict.fromkeys(e.allocator for e in record.entrants))
        self.allocator = allocator or next(iter(raced), "")
        self._several = len(raced) > 1
        here = (dtype, device, self.allocator)
        self.entrants = [e for e in record.entrants if (e.dtype, e.device, e.allocator) == here]
        self._cells = {(c.entrant, c.problem): c for c in record.cells if c.dtype == dtype}
        self._facts = {p.name: p for p in record.problems if p.dtype == dtype}
        self.problems = list(dict.fromkeys([*self._facts, *(problem for _, problem in self._cells)]))
        self.reference = self._first(lambda e: e.backend == REFERENCE and not e.control)
        self.control = self._first(lambda e: e.control)
        copied = self.control
        self.original = copied and self._first(
            lambda e: not e.control and (e.backend, e.device) == (copied.backend, copied.device)
        )
        self._ratios: dict[tuple[str, str, str, str, str], Interval | None] = {}
        self._per_step: dict[tuple[str, str, Operation], Spread | None] = {}

    def _first(self, wanted: Callable[[Entrant], bool]) -> Entrant | None:
        """On this device if there is one, or else on any."""
        others = [
            e
            for e in self.record.entrants
            if (e.dtype, e.allocator) == (self.dtype, self.allocator) and e.device != self.device
        ]
        return next((e for e in [*self.entrants, *others] if wanted(e)), None)

    @property
    def title(self) -> str:
        return f"{self.dtype} on {self.device}{f', {self.allocator} allocator' if self._several else ''}"

    @property
    def workloads(self) -> dict[str, list[str]]:
        """The problems by workload, in the order of the record."""
        return grouped(self.problems, lambda problem: problem.partition("/")[0])

    @property
    def racers(self) -> list[Entrant]:
        """The entrants without the control."""
        return [e for e in self.entrants if not e.control]

    def named(self, backend: str) -> Entrant | None:
        return next((e for e in self.racers if e.backend == backend), None)

    def facts(self, problem: str) -> ProblemFacts | None:
        return self._facts.get(problem)

    def cell(self, entrant: Entrant, problem: str) -> Cell | None:
        return self._cells.get((entrant.label, problem))

    def outcome(self, entrant: Entrant, problem: str) -> Outcome:
        """Of the cell; of the entrant where there is no cell or it was never begun."""
        cell = self.cell(entrant, problem)
        if cell is not None and cell.outcome.status != "pending":
            return cell.outcome
        return entrant.outcome if entrant.outcome.status != "ok" else Outcome()

    def samples(self, entrant: Entrant, problem: str, operation: Operation = "train") -> list[Samples]:
        cell = self.cell(entrant, problem)
        return [s for s in cell.results if s.operation == operation] if cell else []

    def steps(self, problem: str, operation: Operation = "train") -> int:
        """Gradient steps in one timed call of `train`; 1 for a call of what makes no step."""
        if operation != "train":
            return 1
        facts = self.facts(problem)
        return max(1, facts.timed_steps) if facts else 1

    def per_step(self, entrant: Entrant, problem: str, operation: Operation = "train") -> Spread | None:
        """Seconds that a step of `train` takes, or a call of another operation; None without samples."""
        key = entrant.label, problem, operation
        if key not in self._per_step:
            samples, steps = self.samples(entrant, problem, operation), self.steps(problem, operation)
            self._per_step[key] = Spread(*(x / steps for x in spread(samples))) if samples else None
        return self._per_step[key]

    def median(self, entrant: Entrant, problem: str, operation: Operation = "train") -> float | None:
        """The middle of `per_step`."""
        found = self.per_step(entrant, problem, operation)
        return found.median if found else None

    def ratio(
        self, a: Entrant, b: Entrant, problem: str, of: Operation = "train", to: Operation | None = None
    ) -> Interval | None:
        """time(a) / time(b) of one operation, or of `of` to `to`; None when they share no generation.

        Where the control is a copy of the reference, it is its second process: against any other backend both count.
        """
        key = a.label, b.label, problem, of, to or of
        if key not in self._ratios:
            same_code = a.backend == b.backend and a.device == b.device
            samples = self.samples if same_code else self._of_every_process
            self._ratios[key] = ratio(samples(a, problem, of), samples(b, problem, to or of))
        return self._ratios[key]

    def _of_every_process(self, entrant: Entrant, problem: str, operation: Operation) -> list[Samples]:
        copies = [self.control] if self.control and entrant is self.reference is self.original else []
        return [s for e in (entrant, *copies) for s in self.samples(e, problem, operation)]

    def control_interval(self, problem: str, operation: Operation = "train") -> Interval | None:
        """The same code against itself: time(control) / time(original)."""
        return self.ratio(self.control, self.original, problem, operation) if self.control and self.original else None

    def compare(self, a: Entrant, b: Entrant, problem: str, operation: Operation = "train") -> Comparison:
        """time(a) / time(b); the verdict is never finer than the control on the same problem."""
        found = self.ratio(a, b, problem, operation)
        judged = verdict(found, self.control_interval(problem, operation))
        return Comparison(problem, a, b, found, judged)

    def empty_cells(self) -> list[Empty]:
        """Every cell that is not ok, with its outcome."""
        cells = [Empty(e, p, self.outcome(e, p)) for p in self.problems for e in self.entrants]
        return [cell for cell in cells if cell.outcome.status != "ok"]


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """By key, each in the order it came."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def all_findings(record: Record) -> list[Findings]:
    """Return one for each dtype, device and allocator that entered, in the order of the record."""
    return [Findings(record, *key) for key in dict.fromkeys((e.dtype, e.device, e.allocator) for e in record.entrants)]


def name(entrant: Entrant) -> str:
    """What tables call it; the device is in their title."""
    return entrant.label if entrant.control else entrant.backend


def fastest(f: Findings, problem: str, operation: Operation = "train") -> Entrant | None:
    """The least median time per step or call, the control aside."""
    timed = [(time, i) for i, e in enumerate(f.racers) if (time := f.median(e, problem, operation)) is not None]
    return f.racers[min(timed)[1]] if timed else None


def by_hand(entrant: Entrant) -> bool:
    """Whether it is the by-hand twin of a mode, or of an outside backend."""
    mode = backends.MODES.get(entrant.backend)
    return mode.is_twin if mode else entrant.backend.endswith("_by_hand")


def prototype(entrant: Entrant) -> str:
    """Return ` (a prototype API of PyTorch)` for a mode that is built on one, else ''."""
    mode = backends.MODES.get(entrant.backend)
    return f" (a prototype API of {backends.LIBRARIES[entrant.library].title})" if mode and mode.prototype else ""


def twins(f: Findings) -> list[tuple[Entrant, Entrant]]:
    """Return (with the library's autodiff, with the gradient by hand) for each that has both."""
    pairs = [(e, f.named(backends.twin_of(e.backend))) for e in f.racers]
    return [(e, twin) for e, twin in pairs if twin is not None]


def overheads(f: Findings, problem: str) -> list[Comparison]:
    """Autodiff overhead: time(X) / time(X by hand), which differ in nothing but the gradient."""
    return [f.compare(original, twin, problem) for original, twin in twins(f)]


def like_with_like(f: Findings, mode: Mode) -> list[tuple[Entrant, Entrant]]:
    """Return pairs of libraries in the same mode: (later in the record, earlier)."""
    first: dict[str, Entrant] = {}
    for e in f.racers:
        if e.mode == mode and not by_hand(e):
            first.setdefault(e.library, e)
    return [(b, a) for a, b in combinations(first.values(), 2)]


def gated(f: Findings, problems: Iterable[str]) -> list[Gated]:
    """Every gate of every entrant on these problems."""
    cells = [(e, p, cell) for p in problems for e in f.entrants if (cell := f.cell(e, p)) is not None]
    return [Gated(e, p, gate) for e, p, cell in cells for gate in cell.checks]


def nearest(found: Iterable[Gated]) -> Gated:
    """The one that came nearest to its tolerance; before all others one that failed."""
    return max(found, key=lambda g: (not g.gate.passed, g.share))
