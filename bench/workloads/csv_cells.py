"""A cell of a .csv file: whether it is a number, and if not, why, and what to type.

Messages count lines and columns as an editor does, from 1.
"""

import os
import re
import shlex
from math import isfinite
from typing import NamedTuple

from bench.errors import UsageError

MISSING = {"", "-", "?", ".", "na", "n/a", "#n/a", "nan", "<na>", "null", "none", "missing"}
"""What stands where there is no value, in small letters."""

SEPARATORS = {
    ";": ("semicolons", "s/;/,/g"),
    "\t": ("tabs", r"s/\t/,/g"),
    "|": ("bars", "s/[|]/,/g"),
    " ": ("spaces", r"s/^ +| *\r?$//g; s/ +/,/g"),
}
"""What may stand instead of commas: its name, and the command of `sed -E` that puts commas."""

_WITH_COMMAS = re.compile(r"[-+]?\d+(,\d+)+(\.\d*)?")


class Line(NamedTuple):
    """The number of a line in its file, and its cells without quotes."""

    number: int
    cells: list[str]


def is_number(cell: str) -> bool:
    try:
        return isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False


def is_name(cell: str) -> bool:
    return not (is_number(cell) or _is_missing(cell) or _WITH_COMMAS.fullmatch(cell.strip()))


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def separator(cell: str) -> str | None:
    """Return what separates numbers in the cell; a space only where all are numbers, as names have spaces, too."""
    for mark in SEPARATORS:
        numbers = [is_number(part) for part in cell.strip().split(mark) if part]
        if len(numbers) > 1 and (all(numbers) if mark == " " else any(numbers)):
            return mark
    return None


def short(cell: str) -> str:
    return repr(cell if len(cell) <= 24 else f"{cell[:20]}...")


def cut(column: int) -> str:
    return f"cut -d, -f{column} --complement"


def mended(command: str, path: str) -> str:
    """Return the line for a shell by which `command` writes a mended copy beside the file."""
    return f"`{command} {shlex.quote(path)} > {shlex.quote(f'{os.path.splitext(path)[0]}-mended.csv')}`"


def refusal(path: str, line: Line) -> UsageError:
    """Return why the first cell that is not a finite number is none, and what to do."""
    cells, where = line.cells, f"line {line.number} of {path}"
    column, cell = next((i, cell) for i, cell in enumerate(cells, 1) if not is_number(cell))
    if found := separator(cell):
        name, commas = SEPARATORS[found]
        if len(cells) > 1:
            name, commas = f"{name} and has decimal commas", f"s/,/./g; {commas}"
        mend = mended(f"sed -E '{commas}'", path)
        return UsageError(f"{where} separates by {name}; save it with commas and points, by {mend}")
    if not cell and column == len(cells) > 1:
        mend = mended(r"sed -E 's/,\r?$//'", path)
        return UsageError(f"{where} has no value after its last comma; fill it, or remove such commas by {mend}")
    if _is_missing(cell):
        return UsageError(f"{where} has no value in column {column} ({short(cell)}); fill it, or remove the line")
    if _WITH_COMMAS.fullmatch(cell.strip()):
        return UsageError(
            f"{where} has a comma inside the number {short(cell)} in column {column}; save numbers as in 1234.5"
        )
    if not any(map(is_number, cells)):
        return UsageError(f"{where} has no number ({short(cell)}); remove it by {mended(f'sed {line.number}d', path)}")
    return UsageError(
        f"{where} has {short(cell)} in column {column}, which is not a finite number; correct it, or remove the"
        f" column by {mended(cut(column), path)}"
    )
