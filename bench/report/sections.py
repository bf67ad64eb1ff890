"""THE list of sections of a report, for terminal, Markdown and page alike."""

from collections.abc import Callable, Sequence

from bench.records.calibration import Calibration
from bench.records.schema import Check, Record
from bench.report import answer, conditions, cost, lab, run, times, trust, verdict
from bench.report.cells import Cell, Name, Number, Status, Text
from bench.report.document import Items, Picture, Section, Table
from bench.report.findings import Group, families, groups_of, name

Draw = Callable[[str, Sequence[Group]], list[Picture]]
"""(what, groups) -> pictures: `bench.report.pictures.draw`, which takes a second to import."""
CHECKS = (
    "Every check's error against the gradient by hand in float64, and its tolerance: a small multiple of what rounding alone"
    " does to the reference."
)


def title(record: Record) -> str:
    return f"Autodiff backends compared: {record.id}"


def report(
    record: Record, calibration: Calibration | str | None = None, draw: Draw = lambda what, groups: []
) -> list[Section]:
    """Return every section: first the answers, then the evidence, then the appendix."""
    groups = groups_of(record)
    first = [family[0] for family in families(groups)]
    many = len(first) > 1
    found: list[Section | None] = []
    for g in first:
        lead = [" ".join(said) for said in (answer.lead(g), cost.lead(g)) if said]
        found += [_of(g, answer.section(g, lead, draw("answer", [g])), many)]
        found += [_of(g, cost.section(g, draw("cost", [g])), many)]
    found += [times.section(g) for g in groups]
    for g in first:
        found += [_of(g, times.first_calls(g), many), _of(g, conditions.size(g, draw("size", [g])), many)]
    found += [conditions.threads(groups, draw("threads", groups)), *conditions.beside(first), empty_cells(record)]
    shown = [section for section in found if section]
    shown.append(trust.section(record, groups, calibration, shown))
    shown += [s for g in first if (s := lab.section(g, draw("lab", [g])))][:1]
    return [*shown, *run.method(), run.section(record)]


def _of(g: Group, section: Section | None, several: bool) -> Section | None:
    """Name the group where a record has several."""
    return section._replace(title=f"{section.title} ({g.title})") if section and several else section


def empty_cells(record: Record) -> Section | None:
    why = verdict.reasons(record)
    return Section("Cells without numbers", [Items(why)], short=True) if why else None


def agreement(record: Record) -> list[Section]:
    """Return every check's error beside its tolerance, cell by cell, then why cells have no numbers."""
    groups = groups_of(record)
    found = [
        Section(f"Checks ({g.title})", [CHECKS, *(_checks(g, p) for p in g.problems)]) for g in groups if g.problems
    ]
    others = [*[s for g in groups if (s := lab.section(g))][:1], empty_cells(record)]
    return [*found, *(section for section in others if section)]


def _checks(g: Group, problem: str) -> Table:
    rows: list[list[Cell]] = []
    for e in g.entrants:
        cell = g.cell(e, problem)
        for check in cell.checks if cell else []:
            judged = Text("pass" if check.passed else "FAIL")
            rows.append([Name(name(e)), Text(check.name), *_error(check), judged])
        if not cell or not cell.checks:
            rows.append([Name(name(e)), *[times.empty(g, e, problem)] * 4])
    return Table(problem, ["backend", "check", "error", "tolerance", "verdict"], rows)


class Error(Number):
    """An error or a tolerance: one digit tells enough."""

    form = staticmethod(lambda x: f"{x:.0e}" if x else "0")


def _error(check: Check) -> list[Cell]:
    return [Status("not finite") if check.error is None else Error(check.error), Error(check.tolerance)]
