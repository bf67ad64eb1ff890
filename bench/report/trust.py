"""How far the numbers can be trusted: the control, the calibration of the harness, and what should give pause."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.console.escape import escaped as inert
from bench.problem import epsilon
from bench.records.schema import OPERATIONS, Operation, Record
from bench.report import sweep, units
from bench.report.findings import Findings, fastest, gated, name
from bench.statistics import FEWEST_GENERATIONS, Interval

# Rules of thumb, each well above what a quiet machine showed: a warning is to be rare enough to be read.
CONTROL_LEEWAY = 0.03
STEAL_SHARE = 0.01
LOAD = 2.0
CLOCK_CHANGE = 0.10
IDLE_CPU_SHARE = 0.05
ENOUGH_GENERATIONS = 8

PLAIN = epsilon("float32") / epsilon("tf32")
"""Of its tolerance in tf32 the error that products in float32 leave: the tolerance is in proportion to the unit of rounding."""


class Control(NamedTuple):
    problem: str
    operation: Operation
    interval: Interval


def controls(f: Findings) -> list[Control]:
    """The ratios of the same code against itself."""
    found = [(p, o, f.control_interval(p, o)) for p in f.problems for o in OPERATIONS]
    return [Control(p, o, interval) for p, o, interval in found if interval is not None]


def control_floor(f: Findings) -> float | None:
    """The farthest from 1, relative, that the end of a control's `train` interval reached."""
    return max((_reach(c.interval) for c in controls(f) if c.operation == "train"), default=None)


def _reach(interval: Interval) -> float:
    """Relative: 0.03 for 1.03 and for 1 / 1.03."""
    return float(np.expm1(interval.reach))


def half_width(f: Findings) -> float | None:
    """Median relative half-width of the 95 % intervals against the reference, or else the fastest, over the cells."""
    intervals = []
    for problem in f.problems:
        base = f.reference or fastest(f, problem)
        if base is not None:
            intervals += [f.ratio(e, base, problem) for e in f.racers if e is not base]
    return _median([i.half_width for i in intervals if i is not None and i.half_width is not None])


def generations(f: Findings) -> int | None:
    """The fewest that any timed cell has; None when none was timed."""
    counts = [len(f.samples(e, p, o)) for p in f.problems for e in f.entrants for o in OPERATIONS]
    return min((n for n in counts if n), default=None)


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def caveats(record: Record, all_findings: Sequence[Findings]) -> list[str]:
    """What is to be known before any number is read: that the run did not end, or was too short for narrow intervals."""
    fewest = min((n for f in all_findings if (n := generations(f)) is not None), default=0)
    found = []
    if record.status != "complete":
        planned = units.plural(record.settings.generations, "generation")
        found.append(f"The run is {record.status}, not complete: it has {fewest} of {planned}.")
    if 0 < fewest < ENOUGH_GENERATIONS:
        width = "its intervals are wide" if fewest >= FEWEST_GENERATIONS else "there is no interval and no verdict"
        kind = "quick run" if record.settings.quick else "run"
        found.append(f"A {kind} of only {units.plural(fewest, 'generation')}: {width}.")
    return found


def warnings(record: Record, all_findings: Sequence[Findings]) -> list[str]:
    """What the run itself warned of, then what its numbers show, each in a sentence."""
    found = [*map(inert, record.told()), *caveats(record, all_findings), *_of_the_weather(record)]
    for f in all_findings:
        found += [f"{f.title}: {text}" for text in [*_of_the_race(f), *_of_the_entrants(f)]]
    return found


def _of_the_weather(record: Record) -> list[str]:
    found = []
    host_states = record.host_states
    steal = max((w.steal_share for w in host_states), default=0.0)
    if steal > STEAL_SHARE:
        found.append(f"The host took up to {units.percent(steal)} of the processor's time away (steal).")
    load = max((w.load for w in host_states), default=0.0)
    # As they get ready, the backends themselves keep every core busy.
    if load > max(LOAD, record.host.cores):
        found.append(f"The load rose to {units.number(load)}: something else was running.")
    clocks = [c for w in host_states for c in w.megahertz if c > 0]
    if clocks and max(clocks) > min(clocks) * (1 + CLOCK_CHANGE):
        found.append(f"The clock moved between {min(clocks):.0f} and {max(clocks):.0f} MHz.")
    return found


def _of_the_race(f: Findings) -> list[str]:
    found = []
    fewest = generations(f)
    limits = sweep.limits(f)
    if fewest is not None and (limits is None or limits.matmul_rate(f.dtype) is None):
        found.append(
            "no library's matrix product was measured, so nobody would see a time that is too good to be true;"
            " race numpy beside the others."
        )
    if fewest is not None and not controls(f):
        found.append("no control raced, so nothing says how far identical code strays from itself.")
    astray = [c for c in controls(f) if c.operation == "train" and _reach(c.interval) > CONTROL_LEEWAY]
    for c in astray:
        found.append(
            f"the control came to {units.times(c.interval)} on {c.problem}: its interval reaches {units.percent(_reach(c.interval))}"
            f" from 1, where {units.percent(CONTROL_LEEWAY)} is the usual."
        )
    return found


def _of_the_entrants(f: Findings) -> list[str]:
    found = []
    unpinned = [e.label for e in f.entrants if e.core is None and e.device == "cpu" and e.outcome.status == "ok"]
    if unpinned:
        found.append(f"not pinned to a core, so noisier: {units.listed(unpinned)}.")
    if f.dtype == "tf32" and (plain := _in_float32(f)):
        found.append(f"as exact as float32, so that their products were not rounded to tf32: {units.listed(plain)}.")
    crowded = [e.label for e in f.entrants if e.device == "cpu" and max(e.busy_threads, default=0) > max(1, e.threads)]
    if crowded:
        found.append(f"more threads were busy than the core is for, so that they shared it: {units.listed(crowded)}.")
    restless = [e.label for e in f.entrants if max(e.idle_cpu_share, default=0.0) > IDLE_CPU_SHARE]
    if restless:
        found.append(f"busy while others had their turn: {units.listed(restless)}.")
    return found


def _in_float32(f: Findings) -> list[str]:
    """Told by the gradient's error, not by the flag that was set."""
    first = [g for g in gated(f, f.problems) if g.gate.name == "gradient at the start, by norm"]
    return [f"{name(g.entrant)} on {g.problem}" for g in first if g.share < PLAIN]
