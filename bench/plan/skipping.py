"""Skip a problem that a smaller one of its workload says is too much for an entrant."""

from collections.abc import Iterator

from bench.problem import Problem
from bench.records.schema import Cell, Entrant, Outcome, ProblemFacts, Record
from bench.statistics import spread


def enters(record: Record, entrant: Entrant, problem: Problem) -> Outcome:
    """Return the outcome with which the entrant's cell begins: pending or ok where the entrant may race.

    It may not where its library cannot run at all, where this cell has failed, or where a smaller problem of the workload
    was too much or says that this one would be.
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
    step = spread(samples).median / nearest.timed_steps * problem.flops / nearest.flops
    if step <= limit:
        return Outcome()
    reason = f"a step would take about {step:.2g} s, by that of {nearest.name}; the limit is {limit:g} s"
    return Outcome("skipped", reason)


def _smaller(record: Record, entrant: Entrant, problem: Problem) -> Iterator[tuple[ProblemFacts, Cell]]:
    """Yield the entrant's cells on problems of the same workload with fewer flops."""
    for facts in record.problems:
        if (facts.workload, facts.dtype) == (problem.workload, entrant.dtype) and facts.flops < problem.flops:
            yield facts, record.cell(entrant.label, facts.name, facts.dtype)
