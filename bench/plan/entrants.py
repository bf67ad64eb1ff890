"""Decide who races: every backend on all resources that it can use, and the control; and who may enter a problem."""

from collections.abc import Iterator
from itertools import product

import backends
from bench.backend import REFERENCE
from bench.plan.selection import Selection
from bench.problem import Problem
from bench.records.schema import Cell, Entrant, Outcome, ProblemFacts, Record
from bench.resources import Resources
from bench.statistics import time_per_call


def entrants(selection: Selection) -> list[Entrant]:
    """Return every backend with all resources that it can use and, if anything is timed, their controls."""
    everywhere = [(backend, resources) for resources in selection.resources for backend in selection.backends]
    # A backend that can run on no device that was asked for still gets its row, which says so.
    places = [(b, r) for b, r in everywhere if may_run(b, r.device) or len(selection.devices) == 1]
    controlled = dict.fromkeys(resources for _, resources in places) if selection.generations != 0 else {}
    found = []
    for dtype, allocator in product(selection.dtypes, selection.allocators):
        second = allocator if allocator != selection.allocators[0] else ""
        entering = [Entrant(_label(b, r, second), b, r, dtype, allocator) for b, r in places]
        found += [*entering, *(_control([e for e in entering if e.resources == r], second) for r in controlled)]
    return found


def may_run(backend: str, device: str) -> bool:
    """Return whether nothing is known that forbids `backend` on `device`."""
    return ":" in backend or device in backends.MODES[backend].devices


def _control(others: list[Entrant], second_allocator: str) -> Entrant:
    able = [e for e in others if may_run(e.backend, e.device)] or others
    twice = next((e for e in able if e.backend == REFERENCE), able[0])
    label = _label("control", twice.resources, second_allocator)
    return Entrant(label, twice.backend, twice.resources, twice.dtype, twice.allocator, control=True)


def _label(name: str, resources: Resources, second_allocator: str) -> str:
    """Return `jax-scan@cuda`, or `numpy@kept` where two allocators race; one CPU thread goes without saying."""
    return "@".join(filter(None, [name, resources.label, second_allocator]))


def enters(record: Record, entrant: Entrant, problem: Problem) -> Outcome:
    """Return the outcome with which the entrant's cell begins: pending or ok where the entrant may race.

    It may not if its library cannot run, this cell has failed, or a smaller problem says that this is too much.
    """
    outcome = record.cell(entrant.label, problem.name, problem.dtype).outcome
    if entrant.outcome.status not in ("pending", "ok"):
        return entrant.outcome
    return outcome if outcome.status != "pending" else _too_much(record, entrant, problem)


def _too_much(record: Record, entrant: Entrant, problem: Problem) -> Outcome:
    limit, smaller = record.settings.slowest_step_seconds, list(_smaller(record, entrant, problem))
    for facts, cell in smaller:
        if cell.outcome.status in ("timed out", "out of memory"):
            return Outcome("skipped", f"{cell.outcome.status} on {facts.name}, which is smaller")
    timed = [(f, s) for f, cell in smaller if (s := [x for x in cell.samples if x.operation == "train"])]
    if limit is None or not timed:
        return Outcome()
    nearest, samples = max(timed, key=lambda pair: pair[0].flops)
    step = time_per_call(samples) / nearest.timed_steps * problem.flops / nearest.flops
    told = f"a step would take about {step:.2g} s, by that of {nearest.name}; the limit is {limit:g} s"
    return Outcome("skipped", told) if step > limit else Outcome()


def _smaller(record: Record, entrant: Entrant, problem: Problem) -> Iterator[tuple[ProblemFacts, Cell]]:
    """Yield the entrant's cells on problems of the same workload with fewer flops."""
    for facts in record.problems:
        if (facts.workload, facts.dtype) == (problem.workload, entrant.dtype) and facts.flops < problem.flops:
            yield facts, record.cell(entrant.label, facts.name, facts.dtype)
