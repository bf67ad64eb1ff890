"""Refuse what no honest entrant does, and samples that are no measurement."""

from collections.abc import Mapping

import numpy as np

import backends
from bench.operations import OPERATIONS
from bench.records.schema import Cell, Entrant, Record
from bench.resources import Resources
from bench.statistics import FEWEST_GENERATIONS, per_call, time_per_call
from bench.workers import messages

FASTER_THAN_MEASURED = 4
"""A call that reaches so many times the machine's measured matmul rate is refused.  A heuristic: algebra can save a
third of the flops, and clocks vary; a kept answer is 100 times faster.  Caches hold small data, so no bytes count."""

UNSTEADY = 5.0
"""Upper over lower quartile of all samples (docs/measured.md)."""

FEWEST_CORES_USED = 0.9
"""CPU time over wall time in its calls, below which an entrant did not have its core (docs/measured.md)."""

MOST_CORES_USED = 1.1  # the same for each of its threads, above which it used more than it was given

MOST_IDLE_CPU_SHARE = 0.2
"""CPU time over wall time while others had their turn (docs/measured.md)."""

UNUSED_DEVICE = (
    "asked to run on {device}, it took no device memory for a descent; compute on the device that the factory is given,"
    " and offer peak_device_bytes as bench/backend.py has it"
)


def too_fast(record: Record, cell: Cell) -> str:
    """Return why the cell's times are below what its arithmetic takes at best; '' when they are not."""
    resources = record.entrant(cell.entrant, cell.dtype).resources
    facts, limits = record.facts(cell.problem, cell.dtype), record.limits_of(resources, cell.dtype)
    for name, operation in OPERATIONS.items():
        samples = [s for s in cell.samples if s.operation == name]
        if not samples or not limits:
            continue
        reached = operation.least_flops(facts.flops, facts.timed_steps) / time_per_call(samples)
        times = reached / limits.matmul_flops_per_second
        if times > FASTER_THAN_MEASURED:
            best = "the best that matrix products reach on this machine; it cannot have computed its answers"
            return f"{name} would be {reached / 1e9:.4g} Gflop/s, {times:.2g} times {best}"
    return ""


def broken_rule(tally: messages.Tallied, resources: Resources) -> str:
    """Return which rule the process broke while it raced; '' when it kept them."""
    if tally.cores_used > MOST_CORES_USED * resources.threads:
        return f"used {tally.cores_used:.2f} cores during its turns, where {resources.threads} was allowed"
    if tally.strays:
        return "left its core: one of its threads may run on another"
    if tally.idle_cpu_share > MOST_IDLE_CPU_SHARE:
        share = f"{100 * tally.idle_cpu_share:.0f} % of the time in which others had their turn"
        return f"computed for {share}, so that theirs may be wrong, too; race without it"
    if tally.compilations:
        return f"compiled {tally.compilations} programs inside timed turns; a timed call must not compile"
    return ""


def steered(entrant: Entrant, mode: str, environment: Mapping[str, str]) -> str:
    """Return `; NAME=value may be the cause, unset it` with the variables that change the entrant's library; '' without any."""
    library = backends.LIBRARIES.get(entrant.library)
    prefixes = library.steered_by if library else ("",)
    named = ", ".join(f"{name}={value}" for name, value in environment.items() if name.startswith(prefixes))
    return f"; {named} may be the cause, unset it" if named and mode != "eager" else ""


def unsteady(cell: Cell) -> str:
    """Return why the cell's samples of `train` are no measurement; '' when they are one, or too few to tell."""
    samples = [s for s in cell.samples if s.operation == "train"]
    if len(samples) < FEWEST_GENERATIONS:
        return ""
    low, high = np.quantile(np.concatenate([per_call(s) for s in samples]), [0.25, 0.75])
    told = f"a quarter of its samples take less than {low:.3g} s a call and a quarter more than {high:.3g} s"
    return told if high > UNSTEADY * low else ""
