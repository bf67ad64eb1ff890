"""One page, two renderings: a terminal of 80 columns, and Markdown.  Whatever a record says is made inert here."""

import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import tabulate

from bench.console import exit
from bench.console.escape import escaped as inert
from bench.report.units import NO_BREAK, bound, clip, numeric

WIDTH = 80
FIRST_COLUMN, COLUMN = 34, 44  # with two spaces between them, any two columns fit 80
IN_MARKDOWN = 160  # whole names, and of a hostile one no more than a reader can pass over


class Table(NamedTuple):
    """Cells are words as they are; how they are escaped is the rendering's business."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


class Key(NamedTuple):
    """A line of a legend."""

    swatch: str
    """SVG."""
    name: str
    mark: str
    """`look.key` of the entrant; '' for what is none."""


class Chart(NamedTuple):
    """A picture for a page: without title and legend, which the page writes."""

    what: str
    title: str
    place: Mapping[str, str]
    """dtype and device, and the workload where all panels are of one."""
    scales: Mapping[str, str]
    """SVG by scale: `log`, and `linear` where that makes sense."""
    legend: Sequence[Key]


class Picture(NamedTuple):
    file: str
    """Its name in the folder of the page."""
    caption: str
    chart: Chart


class Section(NamedTuple):
    """A heading with paragraphs, then a list, then tables, then pictures."""

    title: str
    paragraphs: Sequence[str] = ()
    items: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


def terminal(title: str, sections: Sequence[Section], colour: bool = False) -> str:
    """At most 80 columns; a table that is wider goes on below, with its first column again."""
    bold: Callable[[str], str] = (lambda text: f"\033[1m{text}\033[0m") if colour else str
    blocks = [bold(_line(title))]
    for section in sections:
        blocks.append(bold(f"{_line(section.title)}\n{'=' * min(len(section.title), WIDTH)}"))
        blocks += [wrapped(text) for text in section.paragraphs]
        if section.items:
            blocks.append("\n".join(wrapped(text, "- ") for text in section.items))
        for table in section.tables:
            blocks.append("\n".join([bold(_line(table.title)), *_drawn(table)]))
        if section.pictures:
            blocks.append("\n".join(wrapped(f"{p.file}: {p.caption}", "- ") for p in section.pictures))
    return "\n\n".join(blocks) + "\n"


def _line(text: str) -> str:
    return clip(inert(text), WIDTH)


def prose(text: str) -> str:
    """`text`, inert; a word that is longer than any name of ours is cut, as a cell would be."""
    return re.sub(r"\S{61,}", lambda word: clip(word[0], 60), inert(text))


def wrapped(text: str, bullet: str = "") -> str:
    """`text` in lines of at most 80 columns."""
    # A name that holds an option or a path is not broken at its hyphens, where it could be read as two.
    lines = textwrap.fill(
        bound(prose(text)), WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet), break_on_hyphens=False
    )
    return lines.replace(NO_BREAK, " ")


def _drawn(table: Table) -> list[str]:
    headers, rows = _clipped(table, FIRST_COLUMN, COLUMN)
    lines = [
        _tabulated([[row[i] for i in columns] for row in rows], [headers[i] for i in columns], "simple")
        for columns in _split(headers, rows)
    ]
    return [re.sub(r" +$", "", "\n\n".join(lines), flags=re.MULTILINE), *([wrapped(table.note)] if table.note else [])]


def _clipped(table: Table, first: int, other: int) -> tuple[list[str], list[list[str]]]:
    """Every cell on one line, none wider than that of its column may be."""
    widths = [first] + [other] * (len(table.headers) - 1)
    return (
        [clip(inert(header), min(width, first)) for header, width in zip(table.headers, widths, strict=True)],
        [[clip(inert(cell), width) for cell, width in zip(row, widths, strict=True)] for row in table.rows],
    )


def _split(headers: list[str], rows: list[list[str]]) -> list[list[int]]:
    """The columns in groups that fit, each beginning with the first column."""
    widths = [max([len(header), *(len(row[i]) for row in rows)]) for i, header in enumerate(headers)]
    groups: list[list[int]] = [[0]]
    for i in range(1, len(headers)):
        if len(groups[-1]) > 1 and sum(widths[j] + 2 for j in [*groups[-1], i]) - 2 > WIDTH:
            groups.append([0])
        groups[-1].append(i)
    return groups


def _alignment(cells: Sequence[str]) -> str:
    """Numbers end below each other; those with an interval begin there, as what follows differs in length."""
    return "right" if numeric(cells) and not any("[" in cell for cell in cells) else "left"


def _tabulated(rows: list[list[str]], headers: list[str], style: str) -> str:
    """Without number parsing, which would turn 3.10 into 3.1, and without the two columns' padding of headers."""
    # In Markdown that would be one more thing to read past: its numbers are aligned by who renders it.
    columns = list(zip(*rows, strict=True))[1:] if style == "simple" else []
    alignment = ["left", *map(_alignment, columns)] if columns else None
    padding, tabulate.MIN_PADDING = tabulate.MIN_PADDING, 0
    try:
        return tabulate.tabulate(rows, headers, style, disable_numparse=True, colalign=alignment)
    finally:
        tabulate.MIN_PADDING = padding


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The same page; the same record gives the same bytes."""
    blocks = [f"# {escaped(title)}"]
    for section in sections:
        blocks.append(f"## {escaped(section.title)}")
        blocks += [escaped(text) for text in section.paragraphs]
        if section.items:
            blocks.append("\n".join(f"- {escaped(text)}" for text in section.items))
        for table in section.tables:
            blocks += [f"**{escaped(table.title)}**", _piped(table), *([escaped(table.note)] if table.note else [])]
        blocks += [f"![{escaped(p.caption)}]({p.file})" for p in section.pictures]
    return "\n\n".join(blocks) + "\n"


def _piped(table: Table) -> str:
    headers, rows = _clipped(table, IN_MARKDOWN, IN_MARKDOWN)
    return _tabulated([list(map(escaped, row)) for row in rows], list(map(escaped, headers)), "github")


def escaped(text: str) -> str:
    """`text` for Markdown: no table border, no HTML, nothing bold or struck out, no code, no formula, no word that is a link."""
    text = re.sub(r"([\\`*|~$])", r"\\\1", prose(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"\](?=[(\[:])", r"\\]", text)


def show(title: str, sections: Sequence[Section], summary: str, code: int) -> None:
    """Coloured for a person alone: on a terminal, and not where NO_COLOR is set (no-color.org)."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    shade = {exit.GOOD: 32, exit.FAILED: 33}.get(code, 31)
    line = wrapped(summary)
    with exit.printing():
        print(terminal(title, sections, colour))
        print(f"\033[{shade}m{line}\033[0m" if colour else line)
