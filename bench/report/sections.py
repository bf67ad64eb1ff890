"""THE list of sections of a report, for terminal, Markdown and page alike."""

from collections.abc import Callable, Iterator, Sequence

from bench.records.schema import Record
from bench.report import answer, conditions, cost, lab, run, summary, times, trust
from bench.report.document import Cell, Error, Items, Name, Picture, Section, Status, Table
from bench.report.findings import Group, families, groups_of, name

Draw = Callable[[str, Sequence[Group]], list[Picture]]  # `bench.report.pictures.draw`, which takes long to import
CHECKS = "Every check's error and tolerance: a small multiple of what rounding does to the reference, NumPy in float64."


def title(record: Record) -> str:
    return f"Autodiff backends compared: {record.id}"


def report(record: Record, trials: trust.Trials = None, draw: Draw = lambda what, groups: []) -> list[Section]:
    """Return every section: first the answers, then the evidence, then the appendix."""
    groups = groups_of(record)
    shown = [section for section in (*_found(groups, draw), empty_cells(record)) if section]
    shown.append(trust.section(record, groups, trials, shown))
    labs = [s for g in groups if (s := lab.section(g, draw("lab", [g])))]
    return [*shown, *labs[:1], *run.method(), run.section(record)]


def _found(groups: Sequence[Group], draw: Draw) -> Iterator[Section | None]:
    """Yield the answers and the evidence; a group that differs from another in its threads alone has no answer of its own."""
    first = [family[0] for family in families(groups)]

    def named(g: Group, section: Section | None) -> Section | None:
        return section._replace(title=f"{section.title} ({g.title})") if section and len(first) > 1 else section

    for g in first:
        lead = [" ".join(said) for said in (answer.lead(g), cost.lead(g)) if said]
        yield named(g, answer.section(g, lead, draw("answer", [g])))
        yield named(g, cost.section(g, draw("cost", [g])))
    for g in groups:
        yield times.section(g)
    for g in first:
        yield named(g, times.first_calls(g))
        yield named(g, conditions.size(g, draw("size", [g])))
    yield conditions.threads(groups, draw("threads", groups))
    yield from conditions.beside(first)


def empty_cells(record: Record) -> Section | None:
    why = summary.reasons(record)
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
                told = [Cell(check.name), error, Error(check.tolerance), Cell("pass" if check.passed else "FAIL")]
                tables[problem].append([Name(name(e)), *told])
            tables[problem] += [] if checks else [[Name(name(e)), *[Status.of(g.outcome(e, problem))] * 4]]
        found.append(Section(f"Checks ({g.title})", [CHECKS, *(Table(p, headers, rows) for p, rows in tables.items())]))
    others = [*[s for g in groups if (s := lab.section(g))][:1], empty_cells(record)]
    return [*found, *(section for section in others if section)]
