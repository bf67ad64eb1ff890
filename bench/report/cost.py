"""Tell what autodiff costs: the same library and mode, once with its autodiff and once with the gradient by hand."""

from collections.abc import Sequence
from math import inf

from bench.report import units
from bench.report.document import Cell, Items, Name, Part, Ratio, Section, Status, Table
from bench.report.findings import Comparison, Group, called, name

NOTE = (
    "Autodiff cost: time with autodiff / by hand, same library and mode; below 1 autodiff is faster. For `autograd` by hand"
    " is `numpy`. In brackets the 95 % interval. `level`: the 90 % interval lies within {margin} of 1."
)


def costs(g: Group, problems: Sequence[str]) -> list[list[Comparison]]:
    """Return for each backend with a by-hand twin its cost on each of `problems`."""
    return [[g.compare(a, b, p) for p in problems] for a, b in g.twins]


def section(g: Group, pictures: Sequence[Part] = ()) -> Section | None:
    """Return the cost of every mode; None where none raced beside its by-hand twin."""
    problems = [p for some in g.workloads.values() for p in some]
    note = NOTE.format(margin=units.percent(g.record.settings.margin))
    grid = _table(g, problems, problems)._replace(note=note, shown="in full")
    told = Items([sentence for row in costs(g, problems) if (sentence := _sentence(g, row))], shown="in full")
    ends = smallest_and_largest(g)._replace(shown="in short")
    return Section("What autodiff costs", [grid, ends, *pictures, told], short=True) if g.twins else None


def smallest_and_largest(g: Group) -> Table:
    """Return the costs on the problems with the least and with the most work that a backend and its twin share."""
    timed = {c.problem for row in costs(g, g.problems) for c in row if c.estimate}
    problems = sorted(timed, key=lambda p: (g.work(p), p))[:: max(1, len(timed) - 1)]
    which = ["smallest step", "largest step"][: len(problems)]
    note = ", ".join(f"{what}: {units.code(p)}" for what, p in zip(which, problems, strict=True))
    return _table(g, problems, which)._replace(note=f"{note}." if note else "")


def with_the_most(g: Group, table: Table) -> Table:
    """Return the table with the largest cost of each row, and on which problem it is."""
    every, rows = together(g, costs(g, g.problems)), []
    for row, joint in zip(table.rows, every, strict=False):
        most = max(joint, key=lambda c: c.value, default=None)
        rows.append([*row, *([Ratio(most.estimate), Name(most.problem)] if most else [Status("-")] * 2)])
    note = f" `most`: picked from {sum(map(len, every))} costs, so with a wider interval."
    return table._replace(headers=[*table.headers, "most", "on"], rows=rows, note=table.note + note)


def together(g: Group, rows: Sequence[Sequence[Comparison]]) -> list[list[Comparison]]:
    """Return those that were timed, the least work first, with intervals that hold together for all of them."""
    timed = [sorted((c for c in row if c.estimate), key=lambda c: (g.work(c.problem), c.problem)) for row in rows]
    return [[g.compare(c.a, c.b, c.problem, among=sum(map(len, timed))) for c in row] for row in timed]


def falls(joint: Sequence[Sequence[Comparison]]) -> bool:
    """Return whether every backend's cost is surely larger on the smallest step than on each larger one."""
    spans = [[(e.low or 0.0, e.high or inf) for c in row if (e := c.estimate)] for row in joint]
    return bool(spans) and all(len(row) > 1 and row[0][0] > max(high for _, high in row[1:]) for row in spans)


def by_hand(g: Group) -> str:
    """Return in which backends the gradient by hand is faster on every problem, and where most; '' where in none."""
    always = [row for row in together(g, costs(g, g.problems)) if row and {c.verdict for c in row} == {"slower"}]
    who, most = units.listed([called(row[0].a) for row in always]), ", most on the smallest step" * falls(always)
    return f"The gradient by hand is faster than autodiff on every problem in {who}{most}." if always else ""


def _table(g: Group, problems: Sequence[str], headers: Sequence[str]) -> Table:
    def cell(c: Comparison) -> Cell:
        if c.estimate is not None:
            return Ratio(c.estimate, verdict=c.verdict)
        missing = next((e for e in (c.a, c.b) if not g.samples(e, c.problem)), c.a)
        return Status.of(g.outcome(missing, c.problem))

    rows = [[Name(name(row[0].a)), *map(cell, row)] for row in costs(g, problems) if row]
    return Table(f"Time with autodiff / by hand ({g.title})", ["backend", *headers], rows)


def lead(g: Group) -> list[str]:
    """Return where autodiff costs most, of all modes and of the compiled ones: two sentences at most."""
    every = together(g, costs(g, g.problems))
    compiled = [row for row in every if row and row[0].a.mode != "eager"]
    told = [_most(every, ""), _most(compiled, " in compiled modes")]
    return [sentence for sentence in told if sentence][: 2 if len(compiled) < len(every) else 1]


def _most(joint: Sequence[Sequence[Comparison]], where: str) -> str:
    """Return the largest cost that is surely one; of surely the largest the interval lies above all it was picked from."""
    many = units.plural(sum(map(len, joint)), "cell")
    slower = [c for row in joint for c in row if c.verdict == "slower"]
    if not slower:
        return f"No cost of autodiff is sure{where}: none of {many} is slower than by hand." if any(joint) else ""
    most = max(slower, key=lambda c: c.value)
    others = [c.estimate for row in joint for c in row if c is not most and c.estimate]
    sure = all((e.high or inf) < ((most.estimate and most.estimate.low) or 0.0) for e in others)
    opening = f"Autodiff costs most{where} in" if sure else f"The largest sure cost of autodiff{where} is in"
    return (
        f"{opening} {called(most.a)}: {units.number(most.value)} times the time by hand on {units.code(most.problem)}."
    )


def _sentence(g: Group, row: Sequence[Comparison]) -> str:
    """Return what autodiff costs one backend on the smallest and on the largest step; '' where it was not timed."""
    timed = sorted((c for c in row if c.estimate), key=lambda c: g.work(c.problem))
    who, many = called(row[0].a), units.plural(len(timed), "problem")
    joint = {g.compare(c.a, c.b, c.problem, among=len(timed)).verdict for c in timed}
    for verdict, meaning in (("level", "autodiff costs nothing"), ("faster", "autodiff is faster than by hand")):
        if joint == {verdict}:
            return f"{who}: {meaning}; {verdict} on {many}."
    said = [f"{units.number(c.value)} times as long ({c.verdict})" for c in (*timed[:1], *timed[-1:])]
    if len(timed) == 1:
        return f"{who}: autodiff takes {said[0]} on {units.code(timed[0].problem)}."
    return f"{who}: autodiff takes {said[0]} on the smallest step, {said[1]} on the largest." if timed else ""
