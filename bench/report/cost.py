"""What does autodiff cost?  The same library and mode, once with its autodiff and once with the gradient by hand."""

from collections.abc import Sequence

from bench.report import units
from bench.report.cells import Cell, Name, Ratio, Status
from bench.report.document import Items, Part, Section, Table
from bench.report.findings import Comparison, Group, called, name
from bench.statistics import MARGIN

MEANING = (
    "Autodiff cost is the time with autodiff over the time by hand, in the same library and mode. Below 1 the library's own"
    " backward pass is the faster one. `numpy` is the by-hand twin of `autograd`."
)


def costs(g: Group, problems: Sequence[str]) -> list[list[Comparison]]:
    """Return for each backend with a by-hand twin its cost on each of `problems`."""
    return [[g.compare(a, b, p) for p in problems] for a, b in g.twins]


def by_work(g: Group) -> list[str]:
    """Return the problems by workload, and in it by the work of a step."""
    return [p for some in g.workloads.values() for p in some]


def ends(g: Group) -> list[str]:
    """Return the problems with the least and with the most work a step on which a backend and its twin were timed."""
    timed = {c.problem for row in costs(g, g.problems) for c in row if c.estimate}
    some = sorted(timed, key=lambda p: (g.work(p), p))
    return list(dict.fromkeys([*some[:1], *some[-1:]]))


def section(g: Group, pictures: Sequence[Part] = ()) -> Section | None:
    """Return the cost of every mode; None where none raced beside its by-hand twin."""
    if not g.twins:
        return None
    note = (
        f"{MEANING} In brackets the 95 % interval of each ratio. `level`: no difference beyond {units.percent(MARGIN)}."
    )
    problems = by_work(g)
    grid = Table(
        f"Time with autodiff / by hand ({g.title})", ["backend", *problems], _rows(g, problems), note, shown="in full"
    )
    told: Part = Items([sentence for row in costs(g, problems) if (sentence := _sentence(g, row))], shown="in full")
    return Section("What autodiff costs", [grid, *smallest_and_largest(g), *pictures, told], short=True)


def smallest_and_largest(g: Group) -> list[Table]:
    """Return the costs on the problems with the least and with the most work, as a table of its own."""
    problems, which = ends(g), ["smallest step", "largest step"]
    told = ", ".join(f"{what}: {units.code(p)}" for what, p in zip(which, problems, strict=False))
    headers = ["backend", *which[: len(problems)]]
    title = f"Time with autodiff / by hand ({g.title})"
    return [Table(title, headers, _rows(g, problems), f"{told}.", shown="in short")] if problems else []


def _rows(g: Group, problems: Sequence[str]) -> list[list[Cell]]:
    return [[Name(name(row[0].a)), *(_cell(g, c) for c in row)] for row in costs(g, problems) if row]


def _cell(g: Group, c: Comparison) -> Cell:
    if c.estimate is not None:
        return Ratio(c.estimate, verdict=c.verdict)
    empty = next((e for e in (c.a, c.b) if not g.samples(e, c.problem)), c.a)
    return Status(g.outcome(empty, c.problem).status)


def lead(g: Group) -> list[str]:
    """Return where autodiff costs most, of all modes and of the compiled ones: two sentences at most."""
    everything = [c for row in costs(g, g.problems) for c in row if c.estimate]
    compiled = [c for c in everything if c.a.mode != "eager"]
    told = [_most(g, everything, "Autodiff costs most in"), _most(g, compiled, "In compiled modes it costs most in")]
    return [sentence for sentence in told if sentence]


def _most(g: Group, some: Sequence[Comparison], opening: str) -> str:
    """Return the largest cost with its lower end, by intervals that hold together for all that it was picked from."""
    joint = [g.compare(c.a, c.b, c.problem, among=len(some)) for c in some]
    slower = [c for c in joint if c.verdict == "slower"]
    if not joint:
        return ""
    if not slower:
        return f"{opening} no backend: none of {units.plural(len(joint), 'cell')} is slower than by hand."
    most = max(slower, key=lambda c: c.value)
    low = most.estimate.low if most.estimate else None
    times, least = f"{units.number(most.value)} times the time by hand", units.number(low or most.value)
    return f"{opening} {called(most.a)}: {times} on {units.code(most.problem)}, at least {least}."


def _sentence(g: Group, row: Sequence[Comparison]) -> str:
    """Return what autodiff costs one backend on the smallest and on the largest step; '' where it was not timed."""
    timed = sorted((c for c in row if c.estimate), key=lambda c: g.work(c.problem))
    if not timed:
        return ""
    who = called(timed[0].a)
    joint = {g.compare(c.a, c.b, c.problem, among=len(timed)).verdict for c in timed}
    for verdict, meaning in (("level", "autodiff costs nothing"), ("faster", "autodiff is faster than by hand")):
        if joint == {verdict}:
            return f"{who}: {meaning}; {verdict} on {units.plural(len(timed), 'problem')}."
    small, large = (f"{units.number(c.value)} times as long ({c.verdict})" for c in (timed[0], timed[-1]))
    if len(timed) == 1:
        return f"{who}: autodiff takes {small} on {units.code(timed[0].problem)}."
    return f"{who}: autodiff takes {small} on the smallest step, {large} on the largest."
