"""A report for a terminal of 80 columns.  Whatever a record says is made harmless here."""

import os
import re
import sys
import textwrap
from collections.abc import Sequence

from bench.console import escaped, exit
from bench.report import units
from bench.report.document import Document, Items, Number, Part, Paths, Picture, Section, Table

WIDTH = 80
FIRST_COLUMN, COLUMN = 34, 44  # with two spaces between them, any two columns fit 80
NO_BREAK = "\u00a0"
TIED = re.compile(r"(?<=\d) (?=(?:%|[num]?s\b|times\b|[KMG]iB\b|[kMGT]?flop))|(?<=\[)[^][]{1,30}(?=\])")
"""What no line is broken in: before a unit, and in an interval."""


def prose(text: str) -> str:
    """Return `text` on one line without control characters; a word that is longer than any name of ours is cut."""
    return re.sub(r"\S{61,}", lambda word: units.clip(word[0], 60), escaped(text))


def wrapped(text: str, bullet: str = "") -> str:
    """Return `text` in lines of at most 80 columns."""
    tied = TIED.sub(lambda found: found[0].replace(" ", NO_BREAK), prose(text))
    indent = " " * len(bullet)
    # A name that holds an option or a path is not broken at its hyphens, where it could be read as two.
    lines = textwrap.fill(tied, WIDTH, initial_indent=bullet, subsequent_indent=indent, break_on_hyphens=False)
    return lines.replace(NO_BREAK, " ")


def terminal(title: str, sections: Sequence[Section], colour: bool = False) -> str:
    """Return the report; a table that is wider than 80 columns goes on below, with its first column again."""

    def bold(text: str) -> str:
        return f"\033[1m{text}\033[0m" if colour else text

    blocks = [bold(units.clip(escaped(title), WIDTH))]
    for section in sections:
        blocks.append(bold(f"== {units.clip(escaped(section.title), WIDTH - 6)} =="))
        blocks += filter(None, map(_part, section.parts))
    return "\n\n".join(blocks) + "\n"


def _part(part: Part) -> str:
    match part:
        case Items():
            return "\n".join(wrapped(text, "- ") for text in part.sentences)
        case Table():
            note = wrapped(part.note) if part.note else ""
            return "\n".join(filter(None, [units.clip(escaped(part.title), WIDTH), _table(part), note]))
        case Picture():
            return wrapped(f"Picture on the page: {part.caption}")
        case Document():
            return f"{part.path} has it."
        case Paths():
            return "\n".join(f"- {escaped(path)}" for path in part.paths)
    return wrapped(part)


def _table(table: Table) -> str:
    """Return the rows, each cell on one line and none wider than its column may be."""
    columns = range(len(table.headers) - table.wide)
    limits = [FIRST_COLUMN, *[COLUMN] * len(columns)]
    headers = [units.clip(escaped(table.headers[i]), FIRST_COLUMN) for i in columns]
    rows = [[units.clip(escaped(row[i].text), limits[i]) for i in columns] for row in table.rows]
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in columns]
    groups: list[list[int]] = [[0]]
    for i in columns[1:]:
        if len(groups[-1]) > 1 and sum(widths[j] + 2 for j in [*groups[-1], i]) - 2 > WIDTH:
            groups.append([0])
        groups[-1].append(i)
    sides = [">" if any(isinstance(row[i], Number) for row in table.rows) else "<" for i in columns]
    lines = [headers, ["-" * width for width in widths], *rows]
    drawn = [
        "\n".join("  ".join(f"{x[i]:{sides[i]}{widths[i]}}" for i in some).rstrip() for x in lines) for some in groups
    ]
    return "\n\n".join(drawn)


def show(title: str, sections: Sequence[Section], summary: str, code: int) -> None:
    """Print the report, coloured for a person alone: on a terminal, and not where NO_COLOR is set (no-color.org)."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    shade, line = {exit.GOOD: 32, exit.FAILED: 33}.get(code, 31), wrapped(summary)
    with exit.printing():
        print(terminal(title, sections, colour))
        print(f"\033[{shade}m{line}\033[0m" if colour else line)
