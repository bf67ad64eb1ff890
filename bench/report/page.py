"""The page of a record: what was run, the findings first, the tables, and how far to trust them."""

from collections.abc import Sequence

from bench.records.calibration import Calibration, Rate, Trial
from bench.records.schema import Entrant, Gpu, Record
from bench.report import device, lab, scaling, tables, trust, units, words
from bench.report.findings import Findings, grouped
from bench.report.text import Picture, Section, Table


def page(
    record: Record, found: Sequence[Findings], calibration: Calibration | None, pictures: Sequence[Picture]
) -> list[Section]:
    """The same sections for the terminal and for Markdown."""
    sections = [Section("Verdict", [words.summary(record, found)], _words(found))]
    for f in found:
        sections += _measured(f)
    sections += [section for section in [tables.allocators(record)] if section]
    sections += [section for f in found if (section := lab.section(f)) is not None][:1]
    sections.append(trusted(record, found, calibration))
    sections += (
        [Section("Pictures", ["All of this on one page, with its charts: report.html."], pictures=pictures)]
        if pictures
        else []
    )
    return [*sections, the_run(record)]


def title(record: Record) -> str:
    return f"Autodiff backends compared: {record.id}"


def _measured(f: Findings) -> list[Section]:
    """All there is to say of one dtype on one device."""
    found = [tables.overhead(f), tables.like(f), tables.across(f), tables.agreeing(f)]
    found += [device.section(f), scaling.limit(f), scaling.sizes(f), tables.entrants(f)]
    return [*(s._replace(title=f"{s.title} ({f.title})") for s in found if s is not None), *tables.reasons(f)]


def _words(found: Sequence[Findings]) -> list[str]:
    if not found:
        return ["No backend entered, so there is nothing to compare."]
    return [f"{f'{f.title}: ' if len(found) > 1 else ''}{sentence}" for f in found for sentence in words.findings(f)]


def trusted(record: Record, found: Sequence[Findings], calibration: Calibration | None) -> Section:
    noise = [text for f in found if (text := _noise(f))]
    # The reader of many intervals is to know how many of them chance alone gives.
    chance = "A 95 % interval misses the truth one time in twenty: of a hundred intervals of equal things some five leave 1 out. Verdicts are held to the control, too, and fewer of them are wrong."
    warned = trust.warnings(record, found)
    items = [f"Warning: {text}" for text in warned] or ["No warning."]
    controls = [table for f in found if (table := _controls(f)) is not None]
    return Section("How far to trust this", [*_calibrated(calibration), *noise, chance], items, controls)


def _calibrated(calibration: Calibration | None) -> list[str]:
    if calibration is None or not calibration.races:
        return [
            "The harness was not calibrated: there is no calibration.json beside the record; `python -m bench.calibrate --results DIR` makes one in DIR."
        ]
    return [
        f"The harness was tried on identical code, and on code slowed on purpose, in {units.plural(calibration.races, 'race')}"
        f" of {units.plural(calibration.generations, 'generation')} on {calibration.host.cpu}"
        f" ({units.plural(calibration.host.cores, 'core')}), {calibration.first[:10]}.",
        *(_tried(trial) for trial in calibration.trials),
        f"The harness adds about {units.seconds(calibration.clock_overhead_seconds)} to a call inside the timed region.",
    ]


def _tried(trial: Trial) -> str:
    widths = sorted(trial.half_widths)
    width = f"; median half-width {units.percent(widths[len(widths) // 2])}" if widths else ""
    detected = [f"{percent} % in {_rate(tally)}" for percent, tally in trial.detected.items()]
    return (
        f"{trial.problem}, {units.seconds(trial.call_seconds)} a call: a false verdict in {_rate(trial.false_verdicts)};"
        f" 1 left out of the interval in {_rate(trial.outside)}; more work detected: {', '.join(detected)}{width}."
    )


def _rate(rate: Rate) -> str:
    low, high = rate.interval()
    return f"{rate.times} of {rate.tried} [{units.percent(low)}, {units.percent(high)}]"


def _noise(f: Findings) -> str:
    """The median half-width of one dtype on one device."""
    width = trust.half_width(f)
    if width is None:
        return ""
    generations = units.plural(trust.generations(f) or 0, "generation")
    return f"{f.title}: median half-width of the intervals {units.percent(width)}, over {generations}."


def _controls(f: Findings) -> Table | None:
    found = trust.controls(f)
    if not found or f.control is None:
        return None
    rows = [[c.problem, c.operation, units.interval(c.interval)] for c in found]
    note = "Identical code in two processes: 1 is the truth. No verdict is given on a ratio nearer to 1 than these intervals reach."
    return Table(
        f"Control: {f.control.backend} against itself ({f.dtype} on {f.control.device})",
        ["problem", "operation", "ratio"],
        rows,
        note,
    )


def the_run(record: Record) -> Section:
    machine, settings = record.host, record.settings
    gpu = "" if machine.gpu is None else f", {machine.gpu.name} (driver {machine.gpu.driver})"
    rows = [
        ["record", f"{record.id}, {record.status}, schema {record.schema}"],
        ["started", record.started],
        ["command", record.command],
        ["commit", record.commit],
        ["machine", f"{machine.cpu}, {units.plural(machine.cores, 'core')}, {units.bytes_(machine.memory_bytes)}{gpu}"],
        ["system", f"{machine.system}, Python {machine.python}"],
        [
            "replication",
            f"{units.plural(settings.generations, 'generation')} of {units.plural(settings.rounds, 'round')}",
        ],
        ["warm-up", f"{units.seconds(settings.warm_up_seconds)} of calls at least"],
        ["cores", units.listed(_pinned(record.entrants)) or "none pinned"],
        *([["GPU between races", readings]] if (readings := _readings(machine.gpu)) else []),
    ]
    return Section("The run", tables=[Table("What was run, and where", ["", "value"], rows)])


def _readings(gpu: Gpu | None) -> str:
    """Least and most of each clock, of the power and of the temperature, as it idles after a race."""
    readings = [pair for reading in (gpu.readings if gpu else []) for pair in reading.items()]
    by_what = grouped(readings, lambda pair: pair[0])
    return ", ".join(f"{what} {tables.span([x for _, x in found])}" for what, found in by_what.items())


def _pinned(entrants: list[Entrant]) -> list[str]:
    return sorted({f"core {e.core}" for e in entrants if e.core is not None})
