"""What cannot be, or cannot be a number: cells that are refused although every gate was passed."""

from collections.abc import Mapping

import numpy as np

import backends
from bench.records.schema import Cell, Entrant, Operation, Record
from bench.statistics import FEWEST_GENERATIONS, per_call, spread
from bench.workers import messages
from bench.workers.process import THREADS

FASTER_THAN_MEASURED = 4
"""Times the machine's best measured matmul rate that a call may reach before it is refused.

A heuristic: algebra without the residual needs two thirds of the flops that are counted, other algebra may need fewer,
and a clock may run faster than it did for the probe.  Bytes are not held against anyone, because
small data stay in the cache.  What remembers an answer is faster by a hundred times where a call has
work to do; on the smallest problems the floor lies below what calling a function takes.
"""

UNSTEADY = 5.0
"""Upper over lower quartile of all samples; the most that honest code showed on a noisy machine is 2.6."""

MOST_CORES_USED = 1.1 * THREADS
"""CPU time over wall time in its calls; honest code showed THREADS and what two clocks read apart."""

MOST_IDLE_CPU_SHARE = 0.2
"""CPU time over wall time while others had their turn; honest code showed 0.006 in the default race, and in the shortest
that there is 0.044, for the messages about a turn; one busy thread showed 0.45, of a core it shares."""

UNUSED_GPU = (
    "asked to run on cuda, it took no device memory for a descent; compute on the device that the factory is given,"
    " and offer peak_device_bytes as bench/backend.py has it"
)


def too_fast(record: Record, entrant: Entrant, cell: Cell) -> str:
    """Why the cell's times are below what its arithmetic takes at best; '' when they are not."""
    facts = record.facts(cell.problem, cell.dtype)
    found = [limits.matmul_rate(cell.dtype) for limits in record.limits if limits.device == entrant.device]
    limit = max(filter(None, found), default=None)
    # A loss takes at least a third of what a step does, in either workload.
    steps: dict[Operation, float] = {"train": facts.timed_steps, "value_and_grad": 1, "loss": 1 / 3}
    for operation, count in steps.items():
        samples = [s for s in cell.samples if s.operation == operation]
        if not samples or not limit:
            continue
        reached = facts.flops * count / spread(samples).median
        if reached > FASTER_THAN_MEASURED * limit:
            return (
                f"{operation} would be {reached / 1e9:.4g} Gflop/s, {reached / limit:.2g} times the best that"
                f" matrix products reach on this machine; it cannot have computed its answers"
            )
    return ""


def unruly(tally: messages.Tallied) -> str:
    """Which rule the process broke while it raced; '' when it kept them."""
    if tally.cores_used > MOST_CORES_USED:
        return f"used {tally.cores_used:.2f} cores during its turns, where {THREADS} was allowed"
    if tally.strays:
        return "left its core: a thread of its own, or of a process that it started, may run on another"
    if tally.idle_cpu_share > MOST_IDLE_CPU_SHARE:
        return (
            f"computed for {100 * tally.idle_cpu_share:.0f} % of the time in which others had their turn, so that theirs may be"
            " wrong, too; race without it"
        )
    if tally.compilations:
        return f"compiled {tally.compilations} programs inside timed turns; a timed call must not compile"
    return ""


def uncompiled(entrant: Entrant, steering: Mapping[str, str]) -> str:
    """Return the sentence for a compiled mode that compiled nothing, with the variables that may have switched it off."""
    return f"its compiler is switched off: it compiled no program{steered(entrant, steering) or '; switch it on'}"


def steered(entrant: Entrant, steering: Mapping[str, str]) -> str:
    """Return `; NAME=value may be the cause, unset it` with the variables that steer the entrant's library; '' without any."""
    library = backends.LIBRARIES.get(entrant.library)
    prefixes = library.steered_by if library else ("",)
    named = ", ".join(f"{name}={value}" for name, value in steering.items() if name.startswith(prefixes))
    return f"; {named} may be the cause, unset it" if named and entrant.mode != "eager" else ""


def unsteady(cell: Cell) -> str:
    """Why the cell's samples of `train` are no measurement; '' when they are one, or too few to tell."""
    samples = [s for s in cell.samples if s.operation == "train"]
    if len(samples) < FEWEST_GENERATIONS:
        return ""
    low, high = np.quantile(np.concatenate([per_call(s) for s in samples]), [0.25, 0.75])
    if high <= UNSTEADY * low:
        return ""
    return f"a quarter of its samples take less than {low:.3g} s a call and a quarter more than {high:.3g} s"
