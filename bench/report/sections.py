"""THE list of sections of a report, for terminal, Markdown and page alike."""

from collections.abc import Callable, Iterable, Sequence

from bench.records.calibration import Calibration
from bench.records.schema import Record
from bench.report import answer, conditions, cost, lab, run, times, trust, verdict
from bench.report.document import Cell, Error, Items, Name, Picture, Section, Status, Table, Text
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

    def named(found: Iterable[tuple[Group, Section | None]]) -> list[Section]:
        """Name the group where a record has several."""
        many = len(first) > 1
        return [s._replace(title=f"{s.title} ({g.title})") if many else s for g, s in found if s]

    leads = {g: [" ".join(said) for said in (answer.lead(g), cost.lead(g)) if said] for g in first}
    answers = [
        (g, s)
        for g in first
        for s in (answer.section(g, leads[g], draw("answer", [g])), cost.section(g, draw("cost", [g])))
    ]
    sizes = [(g, s) for g in first for s in (times.first_calls(g), conditions.size(g, draw("size", [g])))]
    others = [conditions.threads(groups, draw("threads", groups)), *conditions.beside(first), empty_cells(record)]
    shown = [*named(answers), *(s for g in groups if (s := times.section(g))), *named(sizes), *(s for s in others if s)]
    labs = [s for g in first if (s := lab.section(g, draw("lab", [g])))]
    return [*shown, trust.section(record, groups, calibration, shown), *labs[:1], *run.method(), run.section(record)]


def empty_cells(record: Record) -> Section | None:
    why = verdict.reasons(record)
    return Section("Cells without numbers", [Items(why)], short=True) if why else None


def agreement(record: Record) -> list[Section]:
    """Return every check's error beside its tolerance, cell by cell, then why cells have no numbers."""
    groups, headers, found = groups_of(record), ["backend", "check", "error", "tolerance", "verdict"], []
    for g in groups:
        tables: dict[str, list[list[Cell]]] = {problem: [] for problem in g.problems}
        for e, problem in ((e, problem) for problem in g.problems for e in g.entrants):
            checks = cell.checks if (cell := g.cell(e, problem)) else []
            for check in checks:
                error = Status("not finite") if check.error is None else Error(check.error)
                told = [Text(check.name), error, Error(check.tolerance), Text("pass" if check.passed else "FAIL")]
                tables[problem].append([Name(name(e)), *told])
            tables[problem] += [] if checks else [[Name(name(e)), *[times.empty(g, e, problem)] * 4]]
        found.append(Section(f"Checks ({g.title})", [CHECKS, *(Table(p, headers, rows) for p, rows in tables.items())]))
    others = [*[s for g in groups if (s := lab.section(g))][:1], empty_cells(record)]
    return [*found, *(section for section in others if section)]
