"""A matrix of numbers in a .csv file: commas between numbers, points in them, at most one header line.

A file that could be read in two ways is refused.
"""

import csv
import os
from array import array
from collections.abc import Iterable, Iterator, Sized
from itertools import chain, islice
from math import isfinite
from typing import TextIO

import numpy as np

from bench.errors import UsageError
from bench.problem import Array
from bench.workloads.csv_cells import Line, cut, is_name, is_number, mended, refusal, separator, short
from bench.workloads.datasets import check_fits

LONGEST = 32
"""Characters of a number, roughly at most; `np.savetxt` writes 27 with the comma."""

NUMBERING = {"index", "id", "row", "no", "nr", "#"}
"""Names, in small letters, of a column that may number the rows."""


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
        raise UsageError(
            f"{where} numbers columns, and column 1 rows; save it by `to_csv(path, index=False, header=False)`"
        )
    if [cell.strip() for cell in cells] == counted:
        raise UsageError(f"{where} counts the columns; if it is a header, remove it by {without}, else write 0.0 for 0")
    numbers = [cell for cell in cells if is_number(cell)]
    names = [cell for cell in cells if is_name(cell)]
    if not names or any(map(separator, cells)):
        return False
    if numbers:
        both = f"text ({short(names[0])}) and a number ({short(numbers[0])})"
        remedy = f"remove it by {without}"
        if second is None or not all(map(is_number, second.cells)):
            column = cells.index(names[0]) + 1
            remedy += f", or, if it is a row, column {column} by {mended(cut(column), path)}"
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
        raise refusal(path, line) from None
    # Python reads 1_000 as a number, and no other program does.
    if not all(map(isfinite, numbers)) or "_" in "".join(line.cells):
        raise refusal(path, line)
    return numbers


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
        f" {mended(cut(1), path)}, or {otherwise}"
    )


def _count(cells: Sized, what: str) -> str:
    return f"1 {what}" if len(cells) == 1 else f"{len(cells)} {what}s"
