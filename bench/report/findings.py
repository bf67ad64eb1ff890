"""Compute what a record says of one group of entrants, as plain data: what could not be computed is None, and nothing raises."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

import backends
from bench.backend import REFERENCE
from bench.operations import OPERATIONS
from bench.records.schema import Cell, Entrant, Outcome, ProblemFacts, Record, Samples
from bench.report import units
from bench.resources import Resources
from bench.statistics import Estimate, Verdict, log_ratios, of_logs, time_per_call, verdict

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)
INSTRUMENTS = ("backends.examples.", "backends.slowed")  # they show something about the suite; nobody chooses one


class Comparison(NamedTuple):
    """time(a) / time(b), with the verdict on a; `problem` is '' for the geometric mean over several."""

    a: Entrant
    b: Entrant
    problem: str
    estimate: Estimate | None
    verdict: Verdict

    @property
    def value(self) -> float:
        """Return the ratio of a comparison that has one; 1 of any other, so that it leads no list."""
        return self.estimate.value if self.estimate else 1.0


class Group:
    """The part of a record with one dtype, resources and allocator; its reference and control may have other resources."""

    def __init__(self, record: Record, dtype: str, resources: Resources, allocator: str) -> None:
        self.record, self.dtype, self.resources, self.allocator = record, dtype, resources, allocator
        alike = [e for e in record.entrants if (e.dtype, e.allocator) == (dtype, allocator)]
        self.entrants = [e for e in alike if e.resources == resources]
        self.racers = [e for e in self.entrants if not e.control]
        self._cells = {(c.entrant, c.problem): c for c in record.cells if c.dtype == dtype}
        self._facts = {p.name: p for p in record.problems if p.dtype == dtype}
        self.problems = list(dict.fromkeys([*self._facts, *(problem for _, problem in self._cells)]))
        here_first = sorted(alike, key=lambda e: (e.resources != resources, e.resources))
        self.reference = next((e for e in here_first if e.backend == REFERENCE and not e.control), None)
        control = self.control = next((e for e in here_first if e.control), None)
        copied = control and (control.backend, control.resources)
        self.original = next((e for e in alike if not e.control and (e.backend, e.resources) == copied), None)
        self._ratios: dict[tuple[str, ...], Estimate | None] = {}

    @property
    def base(self) -> Entrant | None:
        """Return what times are held against: NumPy by hand, or else the first backend that was timed."""
        timed = (e for e in self.racers if any(self.samples(e, p) for p in self.problems))
        return self.reference or next(timed, None)

    @property
    def field(self) -> list[str]:
        """Return the problems on which the base was timed."""
        against = self.base
        return [p for p in self.problems if against and self.samples(against, p)]

    @property
    def title(self) -> str:
        """Return `float32, 1 thread`, and the allocator where several raced."""
        several = len({e.allocator for e in self.record.entrants}) > 1
        allocator = f", {self.allocator} allocator" if several else ""
        return f"{self.dtype}, {self.resources.label or '1 thread'}{allocator}"

    @property
    def workloads(self) -> dict[str, list[str]]:
        """Return the problems by workload, those with the least work first."""
        return grouped(sorted(self.problems, key=self.work), lambda problem: problem.partition("/")[0])

    @property
    def modes(self) -> list[Entrant]:
        """Return the ways of writing a loop that a person chooses between: those with autodiff, and outside backends."""
        return [e for e in self.racers if not by_hand(e) and not e.backend.startswith(INSTRUMENTS)]

    @property
    def twins(self) -> list[tuple[Entrant, Entrant]]:
        """Return (with autodiff, by hand) for each backend that raced both ways."""
        return [(e, twin) for e in self.racers if (twin := self.named(backends.twin_of(e.backend)))]

    def named(self, backend: str) -> Entrant | None:
        return next((e for e in self.racers if e.backend == backend), None)

    def facts(self, problem: str) -> ProblemFacts | None:
        return self._facts.get(problem)

    def work(self, problem: str) -> float:
        """Return the flops of a step; 1 where they are not known."""
        return facts.flops if (facts := self.facts(problem)) else 1.0

    def cell(self, entrant: Entrant, problem: str) -> Cell | None:
        return self._cells.get((entrant.label, problem))

    def outcome(self, entrant: Entrant, problem: str) -> Outcome:
        """Return that of the cell, or of the entrant where there is no cell or it was never begun."""
        cell = self.cell(entrant, problem)
        if cell is not None and cell.outcome.status != "pending":
            return cell.outcome
        return entrant.outcome if entrant.outcome.status != "ok" else Outcome()

    def samples(self, entrant: Entrant, problem: str, operation: str = "train") -> list[Samples]:
        cell = self.cell(entrant, problem)
        found = [s for s in cell.results if s.operation == operation] if cell else []
        return sorted(found, key=lambda s: s.generation)

    def steps(self, problem: str, operation: str = "train") -> int:
        """Return the gradient steps in one timed call; 1 for a call of what makes no step."""
        known, facts = OPERATIONS.get(operation), self.facts(problem)
        return max(1, facts.timed_steps) if facts and known and known.takes_steps else 1

    def time(self, entrant: Entrant, problem: str, operation: str = "train") -> float | None:
        """Return the seconds of a step of `train`, or of a call of another operation; None without samples."""
        found = self.samples(entrant, problem, operation)
        return time_per_call(found) / self.steps(problem, operation) if found else None

    def ratio(self, a: Entrant, b: Entrant, problems: str | Sequence[str], operation: str = "train") -> Estimate | None:
        """Return time(a) / time(b), of several problems the geometric mean; None when they share no generation."""
        several = (problems,) if isinstance(problems, str) else tuple(problems)
        key = a.label, b.label, operation, *several
        if key not in self._ratios:
            pairs = [self._sides(a, b, problem, operation) for problem in several]
            shared = [{s.generation for s in side} for pair in pairs for side in pair]
            common = set.intersection(*shared) if shared else set()
            logs = [log_ratios(*([s for s in side if s.generation in common] for side in pair)) for pair in pairs]
            self._ratios[key] = of_logs(np.mean(logs, axis=0)) if common else None
        return self._ratios[key]

    def _sides(self, a: Entrant, b: Entrant, problem: str, operation: str) -> list[list[Samples]]:
        """Return the samples of both; a control of the reference is its second process, and both count against others."""
        alike = (a.backend, a.resources) == (b.backend, b.resources)
        both = [(e, self.control) if e is self.reference is self.original and not alike else (e,) for e in (a, b)]
        return [[s for e in side if e for s in self.samples(e, problem, operation)] for side in both]

    def control_ratio(self, problems: str | Sequence[str], operation: str = "train") -> Estimate | None:
        """Return time(control) / time(original), the same code against itself."""
        return self.ratio(self.control, self.original, problems, operation) if self.control and self.original else None

    def compare(self, a: Entrant, b: Entrant, problems: str | Sequence[str], among: int = 1) -> Comparison:
        """Return time(a) / time(b) of a step; the interval holds together with those of `among` comparisons."""
        found = self.ratio(a, b, problems)
        found = found.among(among) if found and among > 1 else found
        problem = problems if isinstance(problems, str) else ""
        said = verdict(found, self.control_ratio(problems), self.record.settings.margin)
        return Comparison(a, b, problem, found, said)


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Return the items by key, each in the order it came."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def groups_of(record: Record) -> list[Group]:
    """Return a group for each dtype, resources and allocator that entered, in the order of the record."""
    return [Group(record, *key) for key in dict.fromkeys((e.dtype, e.resources, e.allocator) for e in record.entrants)]


def families(groups: Sequence[Group]) -> list[list[Group]]:
    """Return together what differs in its threads alone, the fewest threads first."""
    alike = grouped(groups, lambda g: (g.dtype, g.resources.device, g.resources.processes, g.allocator))
    return [sorted(same, key=lambda g: g.resources) for same in alike.values()]


def name(entrant: Entrant) -> str:
    """Return what tables call it; its resources are in their title."""
    return entrant.label if entrant.control else entrant.backend


def by_hand(entrant: Entrant) -> bool:
    """Return whether its gradient is written by hand: a by-hand twin, or NumPy, which has no autodiff."""
    mode = backends.MODES.get(entrant.backend)
    return mode.is_twin or entrant.library == REFERENCE if mode else entrant.backend.endswith("_by_hand")


def prototype(entrant: Entrant) -> str:
    """Return `prototype` where it is built on an API that its library calls so, else ''."""
    mode = backends.MODES.get(entrant.backend)
    return "prototype" if mode and mode.prototype else ""


def called(entrant: Entrant) -> str:
    """Return its name for a sentence, with what a person must know before choosing it."""
    return units.code(name(entrant)) + (" (a prototype API)" if prototype(entrant) else "")
