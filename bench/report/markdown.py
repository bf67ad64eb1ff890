"""A report as Markdown: the whole of it, ten lines to paste into an issue, and the tables of README."""

import html
import re
from collections.abc import Mapping, Sequence

from bench.records.schema import Record
from bench.report import answer, cost, run, trust, units
from bench.report.document import Cell, Document, Items, Name, Part, Picture, Ratio, Section, Table
from bench.report.findings import groups_of, name
from bench.report.summary import summary
from bench.report.terminal import prose

LONGEST_CELL = 160


def markdown(title: str, sections: Sequence[Section]) -> str:
    """Return the report; the same record gives the same bytes."""
    blocks = [f"# {escaped(title)}"]
    for section in sections:
        blocks += [f"## {escaped(section.title)}", *map(_part, section.parts)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _part(part: Part) -> str:
    match part:
        case Items(sentences, _):
            return "\n".join(f"- {said(text)}" for text in sentences)
        case Table():
            return "\n\n".join(filter(None, [f"**{escaped(part.title)}**", table(part), said(part.note)]))
        case Picture():
            return picture(part)
        case Document():
            # Its headings stand below the section's own; its links are of the folder that it lies in.
            return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"^#", "##", part.source, flags=re.MULTILINE))
        case str():
            return said(part)
    return ""


def escaped(text: str) -> str:
    """Return `text` for Markdown: no table, HTML, emphasis, code, formula or link comes of it."""
    return re.sub(r"\](?=[(\[:])", r"\\]", html.escape(re.sub(r"([\\`*|~$])", r"\\\1", prose(text)), quote=False))


def said(text: str) -> str:
    """Return a sentence in which what stands between backquotes is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0 or not all(part.strip() for part in parts[1::2]):
        return escaped(text)
    return "".join(_code(part) if i % 2 else escaped(part) for i, part in enumerate(parts))


def _code(text: str) -> str:
    """Return a name or a command as code, which in a table must not end the cell."""
    return f"`{prose(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def table(table: Table, without: Sequence[str] = ()) -> str:
    """Return the table with all of its columns but those that are called as in `without`."""

    def written(cell: Cell) -> str:
        if isinstance(cell, Name) and cell.value:
            return f"{_code(units.clip(cell.main, LONGEST_CELL))} {escaped(cell.aside)}".strip()
        return escaped(units.clip(cell.text, LONGEST_CELL))

    columns = [i for i, header in enumerate(table.headers) if header not in without]
    rows = [[escaped(table.headers[i]) for i in columns], *([written(row[i]) for i in columns] for row in table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:]])


def picture(picture: Picture, folder: str = "") -> str:
    """Return the panels side by side, each in the reader's own theme; they wrap where there is no room."""
    return "\n".join(
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{folder}{panel.name}-dark.svg">'
        f'<img src="{folder}{panel.name}-light.svg" width="415" alt="{html.escape(prose(panel.alt))}"></picture>'
        for panel in picture.panels
    )


def to_paste(record: Record) -> str:
    """Return some ten lines for an issue: machine, date, what was found, and how sure it is."""
    lines = [f"**{escaped(record.id)}**: {escaped(run.facts(record))}", ""]
    for g in groups_of(record)[:1]:
        lines += map(said, [*answer.lead(g), *cost.lead(g)])
        if found := answer.ways(g, g.field):
            headers = [f"time / {name(found[0].overall.b)}", *(name(w.entrant) for w in found)]
            lines += ["", table(Table("", headers, [[Cell(g.title), *(Ratio(w.overall.estimate) for w in found)]]))]
    return "\n".join([*lines, "", escaped(summary(record))])


def for_readme(record: Record, sections: Sequence[Section], trials: trust.Trials) -> dict[str, str]:
    """Return what stands between the markers of README, by the name of the marker."""
    g, (ways, costs) = groups_of(record)[0], sections[:2]
    left_out = ("all problems within", "mode", "line of code")
    compact = [table(t, left_out) for t in ways.parts if isinstance(t, Table)]
    ends = cost.with_the_most(g, cost.smallest_and_largest(g))
    pictures = [[p for p in section.parts if isinstance(p, Picture)] for section in (ways, costs)]
    first = [p._replace(panels=p.panels[:1]) for p in pictures[1]]
    drawn = [[picture(p, "results/") for p in some] for some in (pictures[0], first)]
    advice = "\n".join(f"- {said(sentence)}" for sentence in answer.advice(g))
    return {
        "answer": "\n\n".join([" ".join(map(said, answer.lead(g))), *compact, advice, *drawn[0]]),
        "cost": "\n\n".join([" ".join(map(said, cost.lead(g))), table(ends), said(ends.note), *drawn[1]]),
        "record": f"Measured on {escaped(run.facts(record, g.entrants))}.",
        "trust": "\n".join(f"- {said(sentence)}" for sentence in trust.promise(g, trials)),
    }


def into(readme: str, blocks: Mapping[str, str]) -> str:
    """Return README with each block between its markers, `<!-- name -->` and `<!-- /name -->`."""
    for marker, block in blocks.items():
        before, begin, rest = readme.partition(f"<!-- {marker} -->\n")
        _, end, after = rest.partition(f"<!-- /{marker} -->")
        readme = f"{before}{begin}{block}\n{end}{after}" if end else readme
    return readme
