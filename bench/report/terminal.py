"""A report for a terminal of 80 columns.  Whatever a record says is made harmless here."""

import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence

import tabulate

from bench.console import exit
from bench.console.escape import escaped
from bench.report import units
from bench.report.cells import Number
from bench.report.document import Document, Items, Part, Paths, Picture, Section, Table

WIDTH = 80
FIRST_COLUMN, COLUMN = 34, 44  # with two spaces between them, any two columns fit 80
LONGEST_WORD = 60


def prose(text: str) -> str:
    """Return `text` on one line without control characters; a word that is longer than any name of ours is cut."""
    return re.sub(rf"\S{{{LONGEST_WORD + 1},}}", lambda word: units.clip(word[0], LONGEST_WORD), escaped(text))


def wrapped(text: str, bullet: str = "") -> str:
    """Return `text` in lines of at most 80 columns."""
    # A name that holds an option or a path is not broken at its hyphens, where it could be read as two.
    lines = textwrap.fill(
        _bound(prose(text)), WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet), break_on_hyphens=False
    )
    return lines.replace(NO_BREAK, " ")


NO_BREAK = "\u00a0"


def _bound(text: str) -> str:
    """Return `text` in which a number keeps to its unit and an interval together, however the line is broken."""
    text = re.sub(r"(?<=\d) (?=(?:%|[num]?s\b|times\b|[KMG]iB\b|[kMGT]?flop))", NO_BREAK, text)
    return re.sub(r"\[(?=[\d?])[^][]{1,30}\]", lambda interval: interval[0].replace(" ", NO_BREAK), text)


def terminal(title: str, sections: Sequence[Section], colour: bool = False) -> str:
    """Return the report; a table that is wider than 80 columns goes on below, with its first column again."""
    bold: Callable[[str], str] = (lambda text: f"\033[1m{text}\033[0m") if colour else str
    blocks = [bold(_line(title))]
    for section in sections:
        blocks.append(bold(f"== {units.clip(escaped(section.title), WIDTH - 6)} =="))
        blocks += [drawn for part in section.parts if (drawn := _part(part, bold))]
    return "\n\n".join(blocks) + "\n"


def _part(part: Part, bold: Callable[[str], str]) -> str:
    match part:
        case Items(sentences, _):
            return "\n".join(wrapped(text, "- ") for text in sentences)
        case Table():
            lines = [*([bold(_line(part.title))] if part.title else []), _table(part)]
            return "\n".join([*lines, *([wrapped(part.note)] if part.note else [])])
        case Picture():
            return wrapped(f"Picture on the page: {part.caption}")
        case Document():
            return f"{part.path} has it."
        case Paths():
            return "\n".join(f"- {escaped(path)}" for path in part.paths)
        case _:
            return wrapped(part)


def _line(text: str) -> str:
    return units.clip(escaped(text), WIDTH)


def _table(table: Table) -> str:
    """Return the rows, each cell on one line and none wider than its column may be."""
    columns = range(len(table.headers) - table.wide)
    headers = [units.clip(escaped(table.headers[i]), FIRST_COLUMN) for i in columns]
    limits = [FIRST_COLUMN if i == 0 else COLUMN for i in columns]
    rows = [[units.clip(escaped(row[i].text), limits[i]) for i in columns] for row in table.rows]
    right = [any(isinstance(row[i], Number) for row in table.rows) for i in columns]
    blocks = [
        _tabulated([[row[i] for i in some] for row in rows], [headers[i] for i in some], [right[i] for i in some])
        for some in _split(headers, rows)
    ]
    return re.sub(r" +$", "", "\n\n".join(blocks), flags=re.MULTILINE)


def _split(headers: list[str], rows: list[list[str]]) -> list[list[int]]:
    """Return the columns in groups that fit, each beginning with the first column."""
    widths = [max([len(header), *(len(row[i]) for row in rows)]) for i, header in enumerate(headers)]
    groups: list[list[int]] = [[0]]
    for i in range(1, len(headers)):
        if len(groups[-1]) > 1 and sum(widths[j] + 2 for j in [*groups[-1], i]) - 2 > WIDTH:
            groups.append([0])
        groups[-1].append(i)
    return groups


def _tabulated(rows: list[list[str]], headers: list[str], right: list[bool]) -> str:
    """Return the table without number parsing, which would turn 3.10 into 3.1, and without padded headers."""
    padding, tabulate.MIN_PADDING = tabulate.MIN_PADDING, 0
    alignment = ["right" if numbers else "left" for numbers in right] if rows else None
    try:
        return tabulate.tabulate(rows, headers, "simple", disable_numparse=True, colalign=alignment)
    finally:
        tabulate.MIN_PADDING = padding


def show(title: str, sections: Sequence[Section], summary: str, code: int) -> None:
    """Print the report, coloured for a person alone: on a terminal, and not where NO_COLOR is set (no-color.org)."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    shade = {exit.GOOD: 32, exit.FAILED: 33}.get(code, 31)
    line = wrapped(summary)
    with exit.printing():
        print(terminal(title, sections, colour))
        print(f"\033[{shade}m{line}\033[0m" if colour else line)
