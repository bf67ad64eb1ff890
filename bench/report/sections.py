"""THE list of sections of a report, for terminal, Markdown and page alike."""

from collections.abc import Callable, Iterator, Sequence

from bench.records.schema import Record
from bench.report import answer, conditions, cost, lab, run, summary, times, trust
from bench.report.document import Items, Picture, Section
from bench.report.findings import Group, families, groups_of

Draw = Callable[[str, Sequence[Group]], list[Picture]]  # `bench.report.pictures.draw`, which takes long to import


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
