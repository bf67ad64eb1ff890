"""A report as Markdown: the whole of it, ten lines to paste into an issue, and the tables of README."""

import re
from collections.abc import Mapping, Sequence

from bench.records.schema import Record
from bench.report import answer, cost, run, units
from bench.report.cells import Cell, Name, Ratio, Text
from bench.report.document import Document, Items, Part, Picture, Section, Table, pictures, tables
from bench.report.findings import groups_of, name
from bench.report.terminal import LONGEST_WORD, prose
from bench.report.verdict import summary

LONGEST_CELL = 160


def markdown(title: str, sections: Sequence[Section], folder: str = "") -> str:
    """Return the report; the same record gives the same bytes.  Pictures lie in `folder`."""
    blocks = [f"# {escaped(title)}"]
    for section in sections:
        blocks += [f"## {escaped(section.title)}", *(_part(part, folder) for part in section.parts)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _part(part: Part, folder: str) -> str:
    match part:
        case str():
            return said(part)
        case Items(sentences):
            return "\n".join(f"- {said(text)}" for text in sentences)
        case Table():
            return "\n\n".join(filter(None, [f"**{escaped(part.title)}**", table(part), said(part.note)]))
        case Picture():
            return picture(part, folder)
        case Document(source):
            # Its headings stand below the section's own; its links are of the folder that it lies in.
            return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"^#", "##", source, flags=re.MULTILINE))


def escaped(text: str) -> str:
    """Return `text` for Markdown: no table, HTML, emphasis, code, formula or link comes of it."""
    text = re.sub(r"([\\`*|~$])", r"\\\1", prose(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"\](?=[(\[:])", r"\\]", text)


def said(text: str) -> str:
    """Return a sentence in which what stands between backquotes is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0 or not all(part.strip() for part in parts[1::2]):
        return escaped(text)
    return "".join(code(part) if i % 2 else escaped(part) for i, part in enumerate(parts))


def code(text: str) -> str:
    """Return a name or a command as code, which in a table must not end the cell."""
    return f"`{prose(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def table(table: Table, without: Sequence[str] = ()) -> str:
    """Return the table with all of its columns but those that are called as in `without`."""
    columns = [i for i, header in enumerate(table.headers) if header not in without]
    rows = [[escaped(table.headers[i]) for i in columns], ["---"] * len(columns)]
    rows += [[_cell(row[i]) for i in columns] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: Cell) -> str:
    if isinstance(cell, Name):
        longest = LONGEST_CELL if len(cell.main) > LONGEST_WORD and " " in cell.main else LONGEST_WORD
        return " ".join(filter(None, [code(units.clip(cell.main, longest)) if cell.main else "", escaped(cell.aside)]))
    return escaped(units.clip(cell.text, LONGEST_CELL))


def picture(picture: Picture, folder: str = "", width: int = 415) -> str:
    """Return the panels side by side, each in the reader's own theme; they wrap where there is no room."""
    tags = [
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{folder}{panel.name}-dark.svg">'
        f'<img src="{folder}{panel.name}-light.svg" width="{width}" alt="{attribute(panel.alt)}"></picture>'
        for panel in picture.panels
    ]
    return "\n".join(tags)


def attribute(text: str) -> str:
    """Return `text` for an attribute of HTML."""
    return prose(text).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def to_paste(record: Record) -> str:
    """Return some ten lines for an issue: machine, date, what was found, and how sure it is."""
    lines = [f"**{escaped(record.id)}**: {escaped(run.facts(record))}", ""]
    for g in groups_of(record)[:1]:
        lines += [said(sentence) for sentence in [*answer.lead(g), *cost.lead(g)]]
        if found := answer.ways(g, answer.field(g)):
            ratios = [Ratio(w.overall.estimate) for w in found]
            rows = [[Text(g.title), *ratios]]
            lines += [
                "",
                table(Table("", [f"time / {found[0].overall.b.backend}", *(name(w.entrant) for w in found)], rows)),
            ]
    return "\n".join([*lines, "", escaped(summary(record))])


def for_readme(record: Record, sections: Sequence[Section]) -> dict[str, str]:
    """Return what stands between the markers of README, by the name of the marker."""
    g = groups_of(record)[0]
    ways, costs = sections[:2]
    compact = [table(t, without=("all problems within", "mode", "line of code")) for t in tables([ways])]
    ends = [text for t in cost.smallest_and_largest(g) for text in (table(t), said(t.note))]
    return {
        "answer": "\n\n".join([*compact, *(_part(part, "results/") for part in ways.parts[:1] + ways.parts[2:])]),
        "cost": "\n\n".join(
            [" ".join(map(said, cost.lead(g))), *ends, *(picture(p, "results/") for p in pictures([costs]))]
        ),
        "record": f"Measured on {escaped(run.facts(record))}.",
    }


def into(readme: str, blocks: Mapping[str, str]) -> str:
    """Return README with each block between its markers, `<!-- name -->` and `<!-- /name -->`."""
    for name, block in blocks.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)"
        readme = re.sub(pattern, lambda found, block=block: f"{found[1]}{block}{found[2]}", readme, flags=re.DOTALL)
    return readme
