"""A matrix of numbers in a .csv file: commas between numbers, points in them, at most one header line.

A file that could be read in two ways is refused.  Messages count lines and columns as an editor does, from 1.
"""

import csv
import os
import re
import shlex
from array import array
from collections.abc import Iterable, Iterator, Sized
from itertools import chain, islice
from math import isfinite
from typing import NamedTuple, TextIO

import numpy as np

from bench.errors import UsageError
from bench.problem import Array
from bench.workloads.datasets import check_fits

LONGEST = 32
"""Characters of a number, roughly at most; `np.savetxt` writes 27 with the comma."""

MISSING = {"", "-", "?", ".", "na", "n/a", "#n/a", "nan", "<na>", "null", "none", "missing"}
NUMBERING = {"index", "id", "row", "no", "nr", "#"}
"""Names, in small letters, of a column that may number the rows."""

SEPARATORS = {
    ";": ("semicolons", "s/;/,/g"),
    "\t": ("tabs", r"s/\t/,/g"),
    "|": ("bars", "s/[|]/,/g"),
    " ": ("spaces", r"s/^ +| *\r?$//g; s/ +/,/g"),
}
"""Their names, and the commands of `sed -E` that put commas instead."""

_WITH_COMMAS = re.compile(r"[-+]?\d+(,\d+)+(\.\d*)?")


class Line(NamedTuple):
    number: int
    cells: list[str]


def read(path: str) -> tuple[Array, str]:
    """Return the matrix and how it was read, as in `12 x 4, first line skipped`."""
    _check_size(path)
    # A header in another encoding does no harm; in a row, what cannot be decoded is no number.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = _lines(path, file)
        opening = list(islice(lines, 2))
        if not opening:
            raise UsageError(f"{path}: the file is empty; save the matrix to it again")
        header = opening.pop(0) if _is_header(path, *opening) else None
        if not opening:
            raise UsageError(f"{path} has a header and no row; save the matrix to it again")
        matrix = _rows(path, header, chain(opening, lines))
    said = "no header"
    if header is not None:
        said = "first line skipped" if header.number == 1 else f"line {header.number} skipped"
    return matrix, f"{matrix.shape[0]} x {matrix.shape[1]}, {said}"


def _check_size(path: str) -> None:
    """Raise UsageError for a file with too many numbers for the memory; one far too large is not even read."""
    check_fits(path, (os.path.getsize(path) // LONGEST,))
    with open(path, "rb") as file:
        blocks = iter(lambda: file.read(2**20), b"")
        check_fits(path, (sum(block.count(b",") + block.count(b"\n") for block in blocks),))


def _lines(path: str, file: TextIO) -> Iterator[Line]:
    """Yield every line that is not blank, cut into cells, with the number at which it begins."""
    reader = csv.reader((line if line.strip() else "\n" for line in file), skipinitialspace=True)
    number = 1
    try:
        for cells in reader:
            if cells:
                yield Line(number, cells)
            number = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"line {number} of {path} cannot be read ({error}); close its quotes and save it") from None


def _is_header(path: str, first: Line, second: Line | None = None) -> bool:
    """Return whether the first line has names alone; UsageError where it may as well be a row."""
    cells, where = first.cells, f"line {first.number} of {path}"
    without = mended(f"sed {first.number}d", path)
    counted = [str(column) for column in range(len(cells))]
    if cells == ["", *counted[:-1]] and len(cells) > 1:
        raise UsageError(f"{where} numbers columns, and column 1 rows; save it with index=False and header=False")
    if [cell.strip() for cell in cells] == counted:
        raise UsageError(f"{where} counts the columns; if it is a header, remove it by {without}, else write 0.0 for 0")
    numbers = [cell for cell in cells if _is_number(cell)]
    names = [cell for cell in cells if _is_name(cell)]
    if not names or any(map(_separator, cells)):
        return False
    if numbers:
        both = f"text ({_short(names[0])}) and a number ({_short(numbers[0])})"
        remedy = f"remove it by {without}"
        if second is None or not all(map(_is_number, second.cells)):
            column = cells.index(names[0]) + 1
            remedy += f", or, if it is a row, column {column} by {mended(_cut(column), path)}"
        raise UsageError(f"{where} has {both}, but a header must have no number; {remedy}")
    return True


def _rows(path: str, header: Line | None, lines: Iterable[Line]) -> Array:
    values, first = array("d"), None
    for line in lines:
        numbers = _numbers(path, line)
        if first is None:
            first = line
            _check_names(path, header, first)
        elif len(numbers) != len(first.cells):
            raise UsageError(
                f"line {line.number} of {path} has {_count(numbers, 'column')}, and line {first.number} has"
                f" {len(first.cells)}; give every line as many"
            )
        values.extend(numbers)
    assert first is not None  # `read` saw that there is one
    matrix = np.frombuffer(values).reshape(-1, len(first.cells))
    _check_index(path, header, first, matrix)
    return matrix


def _numbers(path: str, line: Line) -> list[float]:
    try:
        numbers = list(map(float, line.cells))
    except ValueError:
        raise _refusal(path, line) from None
    # Python reads 1_000 as a number, and no other program does.
    if not all(map(isfinite, numbers)) or "_" in "".join(line.cells):
        raise _refusal(path, line)
    return numbers


def _refusal(path: str, line: Line) -> UsageError:
    """Return why the first cell that is not a finite number is none, and what to do."""
    cells, where = line.cells, f"line {line.number} of {path}"
    column, cell = next((i, cell) for i, cell in enumerate(cells, 1) if not _is_number(cell))
    if separator := _separator(cell):
        name, commas = SEPARATORS[separator]
        if len(cells) > 1:
            name, commas = f"{name} and has decimal commas", f"s/,/./g; {commas}"
        mend = mended(f"sed -E '{commas}'", path)
        return UsageError(f"{where} separates by {name}; save it with commas and points, by {mend}")
    if not cell and column == len(cells) > 1:
        mend = mended(r"sed -E 's/,\r?$//'", path)
        return UsageError(f"{where} has no value after its last comma; fill it, or remove such commas by {mend}")
    if _is_missing(cell):
        return UsageError(f"{where} has no value in column {column} ({_short(cell)}); fill it, or remove the line")
    if _WITH_COMMAS.fullmatch(cell.strip()):
        return UsageError(
            f"{where} has a comma inside the number {_short(cell)} in column {column}; save numbers as in 1234.5"
        )
    if not any(map(_is_number, cells)):
        return UsageError(f"{where} has no number ({_short(cell)}); remove it by {mended(f'sed {line.number}d', path)}")
    return UsageError(
        f"{where} has {_short(cell)} in column {column}, which is not a finite number; correct it, or remove the"
        f" column by {mended(_cut(column), path)}"
    )


def _check_names(path: str, header: Line | None, first: Line) -> None:
    if header is None:
        return
    names, columns = len(header.cells), len(first.cells)
    if names == columns:
        if columns > 1 and header.cells[0].strip().lower() in ("", "unnamed: 0"):
            raise _index(path, "has no name", "give it a name")
        return
    said = f"line {header.number} of {path} has {_count(header.cells, 'name')} over {_count(first.cells, 'column')}"
    if columns == 2 * names and not any("." in cell for cell in first.cells):
        points = f", by {mended('sed s/,/./', path)}" if names == 1 else ""
        raise UsageError(f"{said}; if 0,8 means 0.8, save it with points{points}; else give each column a name")
    if columns == names + 1:
        raise UsageError(f"{said}; save it without the row names, or give each column a name")
    without = mended(f"sed {header.number}d", path)
    raise UsageError(f"{said}; give each column a name, or remove this line by {without}")


def _check_index(path: str, header: Line | None, first: Line, matrix: Array) -> None:
    """Raise UsageError where the first column counts the rows and has no name of its own.

    A heuristic: two rows may count by chance, and without a header an index is looked for from 0 alone.
    """
    if min(matrix.shape) < 2 or len(matrix) < 3 or first.cells[0].strip() not in ("0", "1"):
        return
    begin = matrix[0, 0]
    likely = header.cells[0].strip().lower() in NUMBERING if header else begin == 0
    if likely and np.array_equal(matrix[:, 0], begin + np.arange(len(matrix))):
        raise _index(path, "counts the rows", f"write {begin:.1f} in its first row if it is data")


def _index(path: str, what: str, otherwise: str) -> UsageError:
    return UsageError(
        f"column 1 of {path} {what}, as the index of a data frame; save it without the index, by"
        f" {mended(_cut(1), path)}, or {otherwise}"
    )


def _is_number(cell: str) -> bool:
    try:
        return isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False


def _is_name(cell: str) -> bool:
    return not (_is_number(cell) or _is_missing(cell) or _WITH_COMMAS.fullmatch(cell.strip()))


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def _separator(cell: str) -> str | None:
    """Return what separates numbers in the cell; a space only where all are numbers, as names have spaces, too."""
    for separator in SEPARATORS:
        found = [_is_number(part) for part in cell.strip().split(separator) if part]
        if len(found) > 1 and (all(found) if separator == " " else any(found)):
            return separator
    return None


def _count(cells: Sized, what: str) -> str:
    return f"1 {what}" if len(cells) == 1 else f"{len(cells)} {what}s"


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 24 else f"{cell[:20]}...")


def _cut(column: int) -> str:
    return f"cut -d, -f{column} --complement"


def mended(command: str, path: str) -> str:
    """Return the line for a shell by which `command` writes a mended copy beside the file."""
    return f"`{command} {shlex.quote(path)} > {shlex.quote(f'{os.path.splitext(path)[0]}-mended.csv')}`"
