"""The page's parts in their order: the sections of the report again, with the charts and the grids between them."""

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import backends
from bench.backend import REFERENCE
from bench.plan.selection import DEFAULT_ALLOCATOR, may_run
from bench.records.calibration import Calibration
from bench.records.schema import Record
from bench.report import device, grids, lab, page, scaling, tables, units
from bench.report.findings import Findings, name
from bench.report.grids import Heat
from bench.report.look import key
from bench.report.text import Chart, Picture, Section, Table


class Block(NamedTuple):
    """What stands together: of one dtype on one device, or of the whole record."""

    section: Section
    heading: str = ""
    place: Mapping[str, str] = {}
    """dtype, device, workload, operation: what the reader may choose to see."""
    marks: Mapping[str, str] = {}
    """`look.key` by the names in its tables."""
    charts: Sequence[Chart] = ()
    heat: Heat | None = None
    folded: str = ""
    """What a reader opens it by; '' when it lies open."""


class Part(NamedTuple):
    id: str
    title: str
    blocks: Sequence[Block]


def of(f: Findings, section: Section, charts: Sequence[Chart] = (), heading: str = "", folded: str = "") -> Block:
    marks = {name(e): key(e) for e in f.entrants}
    return Block(section, heading, {"dtype": f.dtype, "device": f.device}, marks, charts, folded=folded)


def parts(
    record: Record, found: Sequence[Findings], calibration: Calibration | None, pictures: Sequence[Picture]
) -> list[Part]:
    """Those that this record can fill."""
    drawn = [picture.chart for picture in pictures]
    every = [
        Part("agreement", "Agreement", [b for f in found for b in _agreement(f, drawn)]),
        Part("time", "Time per step", [b for f in found for b in _time(f, drawn)]),
        Part("overhead", "What autodiff costs", [b for f in found for b in _overhead(f, drawn)]),
        Part("size", "Time against size", [b for f in found for b in _sizes(f, drawn)]),
        Part("allocator", "The allocator", [Block(s) for s in [tables.allocators(record)] if s]),
        Part("gradient", "Gradient / loss", [of(f, grids.gradient(f)) for f in found if f.problems]),
        Part("start", "First call and break-even", [of(f, grids.first_call(f)) for f in found if f.problems]),
        Part("memory", "Memory", [of(f, grids.memory(f)) for f in found if f.problems and f.device != "cpu"]),
        Part("lab", "The lab report, reproduced", _lab(found, drawn)),
        Part("trust", "How far to trust this", [Block(page.trusted(record, found, calibration))]),
        Part("method", "Method", [Block(_method(record))]),
        Part("environment", "Environment", _environment(record, found)),
        Part("repeat", "Repeat a cell", _commands(record, found)),
    ]
    return [part for part in every if part.blocks]


def comparison(sections: Sequence[Section]) -> Part:
    """Two records; every cell of them is a long list, and folded."""
    blocks = [Block(s, s.title, folded=s.title if len(s.tables) > 3 else "") for s in sections]
    return Part("comparison", "What changed", blocks)


def facts(record: Record) -> str:
    """Host and versions on one line."""
    machine = record.host
    gpu = [machine.gpu.name] if machine.gpu else []
    cpu = f"{machine.cpu}, {units.plural(machine.cores, 'core')}"
    libraries = [f"{library} {version}" for library, version in record.versions.items()]
    return " \u00b7 ".join([cpu, *gpu, machine.system, f"Python {machine.python}", *libraries, record.started[:10]])


def _of_kind(drawn: Sequence[Chart], f: Findings, *kinds: str) -> list[Chart]:
    mine = [c for c in drawn if (c.place["dtype"], c.place["device"]) == (f.dtype, f.device)]
    return [c for c in mine if c.what.partition("-")[0] in kinds]


def _charts(f: Findings, drawn: Sequence[Chart], kind: str) -> list[Block]:
    charts = _of_kind(drawn, f, kind)
    return [of(f, Section(""), charts)] if charts else []


def _agreement(f: Findings, drawn: Sequence[Chart]) -> list[Block]:
    whole = tables.agreeing(f)
    blocks = [of(f, whole._replace(tables=[grids.agreement(f)] if whole.tables else []))]
    if whole.tables:
        blocks.append(of(f, Section("", tables=whole.tables), folded="Check by gate, and backend by backend"))
    blocks += [of(f, s, heading=s.title) for s in tables.reasons(f)]
    return [*blocks, *_charts(f, drawn, "losses")]


def _time(f: Findings, drawn: Sequence[Chart]) -> list[Block]:
    text = (
        "The deeper the colour, the slower, by the log of the ratio to the fastest of the column. Below the time stands that"
        " ratio with its 95 % interval; `~` marks one that cannot be told from 1, or from the control's own spread."
    )
    whole = of(f, Section("", [text]))
    heats = [(h, {**whole.place, "operation": h.operation}) for h in grids.heats(f)]
    blocks = [whole, *(whole._replace(section=Section(""), heat=h, place=place) for h, place in heats)] if heats else []
    more = [s for s in (tables.like(f), device.section(f)) if s is not None]
    return [*blocks, *_charts(f, drawn, "time"), *(of(f, s, heading=s.title) for s in more)]


def _overhead(f: Findings, drawn: Sequence[Chart]) -> list[Block]:
    section = tables.overhead(f)
    return [of(f, section, _of_kind(drawn, f, "overhead"))] if section else []


def _sizes(f: Findings, drawn: Sequence[Chart]) -> list[Block]:
    found = [
        (s, c) for s, c in ((scaling.sizes(f), _of_kind(drawn, f, "sweep")), (scaling.limit(f), [])) if s is not None
    ]
    return [of(f, s, c, heading=s.title if not c else "") for s, c in found]


def _lab(found: Sequence[Findings], drawn: Sequence[Chart]) -> list[Block]:
    """Of the first that has it: it is about answers, not about speed."""
    for f in found:
        section, charts = lab.section(f), _of_kind(drawn, f, "scatter", "accuracies")
        if section is not None:
            return [of(f, section, sorted(charts, key=lambda c: c.what != "scatter"))]
    return []


def _method(record: Record) -> Section:
    settings = record.settings
    text = [
        "Every backend lives in a process of its own, on one thread pinned to one core, fixed before its library is imported."
        f" A generation starts all of them anew; this run had {units.plural(settings.generations, 'generation')}. On each"
        f" problem they take turns in {units.plural(settings.rounds, 'round')}, in shuffled order and back. A"
        f" turn begins with untimed calls, for {units.seconds(settings.warm_up_seconds)} at least, and then times one operation"
        " after another, each after an untimed call of its own."
        " Each timed call is from a start that no call has seen before, and the harness waits for its whole output.",
        "A ratio is the median of the paired log ratios of a generation, averaged over the generations; its 95 % interval is"
        " Student's t over them (Kalibera and Jones, ISMM 2013). `faster` and `slower` follow from the interval alone, and never"
        " more finely than the control allows: the reference raced against a second copy of itself. In a ratio of the"
        " reference to another backend both copies count, and what they say is averaged.",
        "Before any turn three gates are passed: gradient, trajectory and end state against the gradient derived by hand in"
        " float64. A tolerance is a small multiple of what rounding alone does to the reference, measured on the same problem."
        " Promises are tried, too: a call waits for its whole result, gives the same bits again, and leaves its arguments and"
        " its last result alone. Wrong is not slow: what disagrees is not timed.",
        "A backend's name says its library and its mode. An eager mode makes one call for each array operation. A compiled step"
        " has loss, gradient and update in one program, a compiled loop the whole descent. The same name with -by-hand differs"
        " in one thing: its gradient is written by hand, in the library's own operations. So the ratio of the two is what autodiff"
        f" costs. {_codes()}",
    ]
    return Section("", text)


def _codes() -> str:
    """Return a sentence with the line of code that each mode stands for."""
    said = [f"{m.name} {m.code}" for m in backends.MODES.values() if not m.is_twin]
    return f"The line of code that each stands for: {'; '.join(said)}."


def _environment(record: Record, found: Sequence[Findings]) -> list[Block]:
    blocks = [Block(page.the_run(record)), *(of(f, tables.entrants(f)) for f in found if f.entrants)]
    headers = [
        "problem",
        "shapes",
        "rate",
        "steps",
        "in a timed call",
        "flops a step",
        "bytes a step",
        "data (SHA-256)",
    ]
    rows = [
        [
            p.name,
            ", ".join(f"{what} {' x '.join(map(str, shape))}" for what, shape in p.shapes.items()),
            f"{p.learning_rate:g}",
            str(p.num_steps),
            str(p.timed_steps),
            units.count(p.flops),
            units.bytes_(p.bytes_moved),
            p.checksum[:12],
        ]
        for p in {p.name: p for p in record.problems}.values()
    ]
    return [*blocks, Block(Section("", tables=[Table("The problems", headers, rows)]))] if rows else blocks


def _commands(record: Record, found: Sequence[Findings]) -> list[Block]:
    """The reference enters beside each backend, or there would be no ratio."""
    text = (
        f"The run was `{record.command}` at commit {record.commit}. To repeat one cell, with the reference beside it:"
    )
    blocks = [
        of(f, Section("", tables=[_command_table(f)]), folded=f"Commands ({f.title})")
        for f in found
        if f.racers and f.problems
    ]
    return [Block(Section("", [text])), *blocks] if blocks else []


def _command_table(f: Findings) -> Table:
    rows = [[name(e), p, command(e.backend, p, f.dtype, f.device, f.allocator)] for e in f.racers for p in f.problems]
    return Table(f"The command that repeats each cell ({f.title})", ["backend", "problem", "command"], rows)


def command(backend: str, problem: str, dtype: str, device: str, allocator: str = DEFAULT_ALLOCATOR) -> str:
    """Return the command for a shell; whatever the names hold, it is one word each."""
    names = [f"--backend {shlex.quote(b)}" for b in dict.fromkeys((REFERENCE, backend))]
    places = [device] if may_run(REFERENCE, device) else ["cpu", device]
    choice = [f"--problem {shlex.quote(problem)}", f"--dtype {shlex.quote(dtype)}"]
    choice += [f"--device {shlex.quote(d)}" for d in places]
    choice += [f"--allocator {allocator}"] if allocator != DEFAULT_ALLOCATOR else []
    return " ".join(["pytest bench/ --benchmark-only", *names, *choice])
