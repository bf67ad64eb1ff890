"""Tell how far the numbers can be trusted: the checks, the control, the calibration of the harness, and warnings."""

from collections.abc import Sequence
from math import inf

import numpy as np

from bench.operations import OPERATIONS
from bench.problem import epsilon
from bench.records.calibration import Calibration, Trial, code_checksum
from bench.records.schema import Check, Record
from bench.records.warnings import warnings as of_the_run
from bench.report import units
from bench.report.document import Cell, Items, Name, Ratio, Section, Table
from bench.report.findings import Group, name
from bench.statistics import CONFIDENCE, FEWEST_GENERATIONS, Estimate, middle_sample

# Rules of thumb, each well above what a quiet machine showed: a warning is to be rare enough to be read.
STEAL_SHARE, LOAD, CLOCK_CHANGE, IDLE_CPU_SHARE, ENOUGH_GENERATIONS = 0.01, 2.0, 1.1, 0.05, 8
FLOAT32_SHARE = epsilon("float32") / epsilon("tf32")
"""The share of its tolerance in tf32 that products in float32 use up: tolerances are in proportion to the rounding."""
Trials = Calibration | str | None  # a calibration, or the sentence that says why there is none
UNKNOWN = "The harness was not calibrated on this machine: `python -m bench.calibrate` does it."
LONGER = "Times are of the fastest sample; the middle one took {} longer (median over the cells)."
IDENTICAL = "Identical code in two processes, so the true ratio is 1. No `faster` or `slower` is given nearer to 1 than these reach."


def controls(g: Group) -> list[tuple[str, str, Estimate]]:
    """Return (problem, operation, ratio) of the same code against itself."""
    cells = [(p, o, g.control_ratio(p, o)) for p in g.problems for o in OPERATIONS if g.control in g.entrants]
    return [(p, o, estimate) for p, o, estimate in cells if estimate is not None]


def half_width(g: Group) -> float | None:
    """Return the median relative half-width of the intervals against the base; None without any."""
    against = g.base
    found = [g.ratio(e, against, p) for p in g.problems for e in g.racers if against and e is not against]
    widths = [e.half_width for e in found if e is not None and e.half_width is not None]
    return float(np.median(widths)) if widths else None


def generations(groups: Sequence[Group]) -> int:
    """Return the fewest that any timed cell has; 0 when none was timed."""
    counts = [len(g.samples(e, p, o)) for g in groups for p in g.problems for e in g.entrants for o in OPERATIONS]
    return min((n for n in counts if n), default=0)


def checked(g: Group) -> list[tuple[float, str, Check]]:
    """Return every check, where it was made, and the share of its tolerance that it uses up."""
    found = []
    for e, p, cell in ((e, p, g.cell(e, p)) for p in g.problems for e in g.entrants):
        for c in cell.checks if cell else []:
            share = inf if c.error is None or (c.error and not c.tolerance) else c.error / (c.tolerance or 1)
            found.append((share, f"{units.code(name(e))} on {units.code(p)}", c))
    return found


def caveats(record: Record, groups: Sequence[Group]) -> list[str]:
    """Return what is to be known before any number is read: that the run did not end, or was too short."""
    fewest, planned = generations(groups), units.plural(record.settings.generations, "generation")
    unfinished = f"The run is {record.status}, not complete: it has {fewest} of {planned}."
    found = [] if record.status == "complete" else [unfinished]
    if 0 < fewest < ENOUGH_GENERATIONS:
        width = "its intervals are wide" if fewest >= FEWEST_GENERATIONS else "there is no interval and no verdict"
        kind, lost = "quick run" if record.settings.quick else "run", fewest < len({r.generation for r in record.races})
        told = f"A {kind} of only {units.plural(fewest, 'generation')}"
        found.append(f"{f'Of some cells {fewest} of {planned} are left' if lost else told}: {width}.")
    return found


def warnings(record: Record, groups: Sequence[Group]) -> list[str]:
    """Return what the run itself warned of, then what its numbers show, each in a sentence."""
    states = record.host_states
    steal, load = (max((getattr(s, what) for s in states), default=0.0) for what in ("steal_share", "load"))
    clocks = [c for s in states for c in s.megahertz if c > 0] or [1.0]
    low, high = min(clocks), max(clocks)
    told = {
        f"The host took up to {units.percent(steal)} of the processor's time away (steal).": steal > STEAL_SHARE,
        f"The load rose to {units.number(load)}: something else was running.": load > max(LOAD, record.host.cores),
        f"The clock moved between {low:.0f} and {high:.0f} MHz.": high > CLOCK_CHANGE * low,
    }
    several = len(groups) > 1
    of_groups = [f"{f'{g.title}: ' if several else ''}{warning}" for g in groups for warning in _of_the_group(g)]
    return [*of_the_run(record), *(sentence for sentence, holds in told.items() if holds), *of_groups]


def _of_the_group(g: Group) -> list[str]:
    timed, limited = generations([g]) > 0, g.record.limits_of(g.resources, g.dtype)
    found = ["No matrix product was measured, so a time too good to be true would pass."] * (timed and not limited)
    found += ["No control raced, so nothing says how far identical code strays."] * (timed and not g.control)
    reached = {p: float(np.expm1(e.reach)) for p, o, e in controls(g) if OPERATIONS[o].takes_steps}
    far = {p: units.percent(reach) for p, reach in reached.items() if reach > g.record.settings.margin}
    found += [f"The interval of the control on {p} reaches {reach} from 1." for p, reach in far.items()]
    cpu = [e for e in g.entrants if e.device == "cpu" and e.outcome.status == "ok"]
    norm = "gradient at the start, by norm" if g.dtype == "tf32" else "none"
    norms = [(x, where) for x, where, c in checked(g) if c.name == norm]
    told = {
        "Not pinned to a core, so noisier": [e.label for e in cpu if not e.cores],
        "More threads were busy than were given": [e.label for e in cpu if max([0, *e.busy_threads]) > e.resources.threads],
        "Busy while others had their turn": [e.label for e in g.entrants if max([0.0, *e.idle_cpu_share]) > IDLE_CPU_SHARE],
        "As exact as float32, so not rounded to tf32": [w for x, w in norms if x < FLOAT32_SHARE],
    }  # fmt: skip
    return [*found, *(f"{what}: {units.listed(who)}." for what, who in told.items() if who)]


def section(record: Record, groups: Sequence[Group], trials: Trials, before: Sequence[Section]) -> Section:
    """Return the section on trust; it counts the single intervals in the sections `before`."""
    headers = ["problem", "operation", "control / original"]
    rows = {g.title: [[Name(p), Cell(o), Ratio(ratio)] for p, o, ratio in controls(g)] for g in groups}
    titled = {f"The control against its original ({title})": some for title, some in rows.items() if some}
    tables = [Table(title, headers, some, IDENTICAL, shown="folded") for title, some in titled.items()]
    shown = [*tables, *(part for section in before for part in section.parts if isinstance(part, Table))]
    estimates = {c.value for table in shown for row in table.rows for c in row if isinstance(c, Ratio)}
    single = sum(e.error is not None and e.confidence == CONFIDENCE for e in estimates)
    some = f"About {round((1 - CONFIDENCE) * single)} of them are expected to miss the true value."
    expected = f"This report shows {single} single 95 % intervals. {some}"
    warned = [f"Warning: {text}" for text in warnings(record, groups)] or ["No warning."]
    said = [*map(_of_the_checks, groups), *[expected] * bool(single)]
    return Section("Checks and trust", [*said, Items(calibrated(trials)), Items(warned), *tables])


def _of_the_checks(g: Group) -> str:
    """Return how near a check came to its tolerance, and how wide the intervals are."""
    found, width = checked(g), half_width(g)
    failed = [f"{where}, {c.name} ({c.what})" for _, where, c in found if not c.passed]
    said = f"{units.plural(len(failed), 'check')} failed: {units.listed(failed)}." if failed else "no check was tried."
    if found and not failed:
        worst, where, check = max(found, key=lambda each: each[0])
        nearest = f"The nearest came to {units.percent(worst)} of its tolerance: {where}, {check.name}."
        said = f"all {len(found)} checks passed. {nearest}"
    noise = f" The median half-width of the intervals is {units.percent(width)}." if width else ""
    turns = [middle_sample(of) - 1 for p in g.problems for e in g.racers if (of := g.samples(e, p))]
    noise += f" {LONGER.format(units.percent(float(np.median(turns))))}" if turns else ""
    return f"{g.title}: {said}{noise}"


def calibrated(calibration: Trials) -> list[str]:
    """Return how often the harness is wrong, in sentences; a text says why that is not known."""
    if not isinstance(calibration, Calibration) or not calibration.races:
        return [calibration if isinstance(calibration, str) else UNKNOWN]
    host, races = calibration.host, units.plural(calibration.races, "race")
    where = f"{host.cpu} ({units.plural(host.cores, 'core')}), {calibration.first[:10]}, commit {calibration.commit}"
    added = f"The harness adds about {units.seconds(calibration.clock_overhead_seconds)} to a call that is timed."
    opening = f"The harness was tried on identical and on slowed code, in {races} on {where}."
    older = [] if calibration.code == code_checksum() else ["It was of another version of the code that measures."]
    return [opening, *older, *map(_tried, calibration.trials), added]


def _tried(trial: Trial) -> str:
    rates = {"intervals that miss": trial.missed, "false verdicts": trial.false_verdicts}
    rates |= {"false `level`": trial.false_level} | {f"{p} % slower, noticed": r for p, r in trial.detected.items()}
    found = []
    for what, rate in rates.items():
        if rate.trials:
            low, high = map(units.percent, rate.interval())
            found.append(f"{what} {rate.times} of {rate.trials} [{low}, {high}]")
    found += [f"median half-width {units.percent(float(np.median(trial.half_widths)))}"] if trial.half_widths else []
    who = f"{units.code(trial.backend)} on {units.code(trial.problem)}, {units.seconds(trial.call_seconds)} a call"
    return f"{who}: {'; '.join(found) or 'nothing tried'}."


def promise(g: Group, calibration: Trials) -> list[str]:
    """Return how often this version of the harness is wrong; where that is not known, how precise the record itself is."""
    if isinstance(calibration, Calibration) and calibration.races and calibration.code == code_checksum():
        false = [trial.false_verdicts for trial in calibration.trials]
        noticed = [trial.detected["5"] for trial in calibration.trials if "5" in trial.detected]
        wrong, found = (f"{sum(r.times for r in some)} of {sum(r.trials for r in some)}" for some in (false, noticed))
        told = f"Identical code got a wrong verdict in {wrong} comparisons; 5 % more work was noticed in {found}"
        width = float(np.median([width for trial in calibration.trials for width in trial.half_widths]))
        return [f"{told}, with intervals of +-{units.percent(width)}."]
    strays = [float(np.expm1(e.reach)) for _, o, e in controls(g) if OPERATIONS[o].takes_steps and e.error is not None]
    told = f"Here the control strays at most {units.percent(max(strays, default=0))} from 1, to the end of its interval"
    return [f"{told}; the median interval is +-{units.percent(half_width(g) or 0)}."] if strays else []
