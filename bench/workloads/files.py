"""A person's own files: a matrix in a .npy or .csv file, features `x` and labels `y` in an .npz file.

What cannot be used, or could be read in two ways, is refused in one sentence with the remedy.
"""

import contextlib
import csv
import os
import re
import reprlib
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from math import isfinite, nan
from typing import IO, Any

import numpy as np

from bench.errors import UsageError
from bench.problem import Array
from bench.workloads.datasets import check_fits

MATRIX = "save the matrix by `np.save('matrix.npy', A)`, or as numbers with commas between them in a .csv file"
EXAMPLES = "save features and labels by `np.savez('data.npz', x=features, y=labels)`"
NUMBERED = "number the classes: `y = np.unique({}, return_inverse=True)[1]`"

MISSING = {"", "-", "?", ".", "na", "n/a", "#n/a", "<na>", "nan", "inf", "-inf", "null", "none"}
"""What stands, in small letters, where there is no finite number."""

INDEX = {"", "unnamed: 0", "index"}  # how pandas names, in small letters, the column that numbers the rows

_SEVERAL = re.compile(r"[-+.\d][-+.\deE]*([;|,\s]+[-+.\d][-+.\deE]*)+")
"""More than one number in a cell, as by other separators than commas."""

_NAMED = re.compile(r"(.+\.\w+):([rh])(\d{1,18})", re.DOTALL | re.ASCII)

_said: dict[str, str] = {}  # by path, what the last reading said


def named(size: str, letter: str) -> tuple[str, int] | None:
    """Return the path and the number in a size like `data.csv:r3`; None for a size of another form."""
    match = _NAMED.fullmatch(size)
    return (match[1], int(match[3])) if match and match[2] == letter else None


def unfinished_size(size: str, letter: str, what: str) -> str:
    """Return the end of a sentence about a size that is a file without its number; '' for any other size."""
    return f"add the {what}, as in {size}:{letter}3" if os.path.isfile(size) else ""


def path_in(name: str) -> str:
    """Return the path in the name of a problem with a person's data, as in `mlp/data.npz:h3`; '' in any other."""
    return name.partition("/")[2].rpartition(":")[0]


def described(name: str) -> str:
    """Return what was read for a problem that was posed, as in `12 x 4, first line skipped`; '' for built-in data."""
    return _said.get(path_in(name), "")


def matrix(path: str) -> Array:
    """Return a matrix [m, n], finite and in float64, from a .npy or .csv file."""
    kind = _kind(path, (".npy", ".csv"), MATRIX)
    with _whole(path):
        if kind == ".csv":
            A, header = _table(path)
            said = ", first line skipped" if header else ", no header"
        else:
            with open(path, "rb") as file:
                _check_matrix(path, *_header(file))
            A, said = _finite(path, np.load(path)), ""
    _said[path] = f"{A.shape[0]} x {A.shape[1]}{said}"
    return A


def labelled(path: str) -> tuple[Array, Array]:
    """Return features `x` [n, d], finite and in float64, and labels `y` [n], each of 0 to k-1, from an .npz file."""
    _kind(path, (".npz",), EXAMPLES)
    with _whole(path), np.load(path) as arrays:
        if not {"x", "y"} <= set(arrays.files):
            raise UsageError(f"{path} has no arrays called x and y; {EXAMPLES}")
        with arrays.zip.open("x.npy") as of_x, arrays.zip.open("y.npy") as of_y:
            (features, dtype), labels = _header(of_x), _header(of_y)
        _check_matrix(f"x in {path}", features, dtype)
        _check_labels(f"y in {path}", features, *labels)
        x, y = _finite(f"x in {path}", arrays["x"]), arrays["y"]
        unread = ", x and y alone read" if len(arrays.files) > 2 else ""
    classes = np.unique(y)
    if not np.array_equal(classes, np.arange(len(classes))):
        wrong = f"y in {path} has labels {classes[0]} to {classes[-1]}, and must have 0, 1, ... without a gap"
        raise UsageError(f"{wrong}; {NUMBERED.format('y')}")
    _said[path] = f"{x.shape[0]} x {x.shape[1]}, {len(classes)} classes{unread}"
    return x, y.astype(np.int64)


@contextlib.contextmanager
def _whole(path: str) -> Iterator[None]:
    """Turn whatever Python and NumPy raise for a file that cannot be read into one sentence."""
    try:
        yield
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error):
        raise UsageError(f"{path} is damaged, or may not be read; save it again, or give another file") from None


def _kind(path: str, wanted: tuple[str, ...], to_save: str) -> str:
    """Return which of the wanted endings the file has; UsageError where its first bytes contradict it."""
    kinds = " or ".join(wanted)
    if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
        raise UsageError(f"there is no file {path}; give the path of a {kinds} file")
    with _whole(path), open(path, "rb") as file:
        head = file.read(1024)
    ending = os.path.splitext(path)[1].lower()
    if head.startswith(b"version https://git-lfs"):
        raise UsageError(f"{path} is a pointer of Git LFS and not the data; run `git lfs pull`")
    if ending == ".csv" and head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"{path} is in UTF-16; save it as UTF-8")
    content = {b"\x93NUM": ".npy", b"PK\x03\x04": ".npz"}.get(head[:4], "" if b"\0" in head else ".csv")
    if content == ".npz" and ".npy" in wanted and ending in (".npy", ".npz"):
        with _whole(path), np.load(path) as arrays:
            name = next(iter(arrays.files), "A")
        raise UsageError(
            f"{path} holds several arrays; save one by `np.save('matrix.npy', np.load({path!r})[{name!r}])`"
        )
    if content != ending or ending not in wanted:
        raise UsageError(f"{path} is not a {kinds} file; {to_save}")
    return ending


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and the dtype of an array that NumPy saved, and read no more of it."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = read[np.lib.format.read_magic(file)](file)
    return shape, dtype


def _check_matrix(where: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise UsageError unless this is a matrix of real numbers for which the machine has room."""
    if dtype.kind not in "fiu":
        raise UsageError(f"{where} has dtype {dtype}; save real numbers, as by `A.astype(float)`")
    if len(shape) != 2 or 0 in shape:
        raise UsageError(f"{where} has shape {shape}, and must have rows and columns; save `A.reshape(len(A), -1)`")
    check_fits(where, shape)


def _finite(where: str, numbers: Array) -> Array:
    """Return the matrix in float64; UsageError for one with NaN or infinite values."""
    with np.errstate(over="ignore"):  # some dtypes hold larger numbers
        numbers = np.asarray(numbers, np.float64)
    good = np.isfinite(numbers)
    if not good.all():
        i, j = np.unravel_index(good.argmin(), numbers.shape)
        raise UsageError(f"{where} has {numbers[i, j]} at [{i}, {j}], counted from 0; fill it or remove its row")
    return numbers


def _check_labels(where: str, features: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise UsageError unless there is one integer for each row of the features."""
    if len(shape) == 2 and shape[0] == features[0] and shape[1] > 1:
        raise UsageError(f"{where} has {shape[1]} columns; if they are one-hot labels, save `y.argmax(axis=1)`")
    if shape != features[:1]:
        raise UsageError(f"{where} has shape {shape} and x {features}; save one label for each row, as `y.ravel()`")
    if dtype.kind not in "iu":
        labels = "y.astype(str)" if dtype.kind == "O" else "y"  # objects may not be sorted
        raise UsageError(f"{where} has dtype {dtype} and not integers; {NUMBERED.format(labels)}")


def _table(path: str) -> tuple[Array, bool]:
    """Return the matrix in a text, and whether a header stands above it.  Lines are counted from 1, blank ones too."""
    with open(path, "rb") as file:
        start = file.read(2**20)
    check_fits(path, (os.path.getsize(path) * (start.count(b",") + start.count(b"\n")) // max(1, len(start)),))
    values, first, width, header = array("d"), 0, 0, [""]
    csv.field_size_limit(2**31 - 1)  # a line without commas is one cell
    with open(path, encoding="utf-8-sig", errors="replace") as file:  # names may be in another encoding
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            cells = [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
            where = f"line {number} of {path}"
            if not first:
                first, width, header = number, len(cells), cells if _is_header(where, cells) else []
                if header:
                    continue
            values.extend(_numbers(where, cells))
            if len(cells) != width:
                differ = f"lines {first} and {number} of {path} have {width} and {len(cells)} columns"
                raise UsageError(f"{differ}; give both as many, and write 0.8 for 0,8")
    if not values:
        raise UsageError(f"{path} has no row of numbers; {MATRIX}")
    A = np.frombuffer(values).reshape(-1, width)
    counts = len(A) > 2 and np.array_equal(A[:, 0], np.arange(len(A)))  # a heuristic: two rows may count by chance
    if width > 1 and (header[0].lower() in INDEX if header else counts):
        remedy = "write it by `df.to_csv(path, index=False)`, or give the column a name if it is data"
        raise UsageError(f"column 1 of {path} is the index of a data frame; {remedy}")
    return A, bool(header)


def _is_header(where: str, cells: list[str]) -> bool:
    """Return whether the first line has names alone; UsageError where it may as well be a row."""
    numbers = [cell for cell in cells if isfinite(_number(cell))]
    names = [c for c in cells if c not in numbers and c.lower() not in MISSING and not _SEVERAL.fullmatch(c)]
    count = [str(i) for i in range(len(cells))]
    if len(cells) > 1 and cells == count:
        raise UsageError(f"{where} counts the columns; remove it if it is a header, or write 0.0 for 0 if it is a row")
    if names and numbers:
        both = f"text ({reprlib.repr(names[0])}) and a number ({reprlib.repr(numbers[0])})"
        raise UsageError(f"{where} has {both}, but a header must have no number; remove the line, or the text")
    return bool(names) or (len(cells) > 1 and cells == ["", *count[:-1]])


def _numbers(where: str, cells: list[str]) -> list[float]:
    numbers = list(map(_number, cells))
    if all(map(isfinite, numbers)):
        return numbers
    i, cell = next((i, cell) for i, cell in enumerate(cells, 1) if not isfinite(_number(cell)))
    wrong, remedy = f"no finite number in column {i}", "correct it, or remove the line or the column"
    if _SEVERAL.fullmatch(cell):
        wrong = "several numbers in one cell"
        remedy = "write commas between numbers, not semicolons, blanks or tabs, and 0.8 for 0,8"
    raise UsageError(f"{where} has {wrong} ({reprlib.repr(cell)}); {remedy}")


def _number(cell: str) -> float:
    """Return the number in a cell, or NaN.  Python reads 2020_1 as a number, and no other program does."""
    try:
        return nan if "_" in cell else float(cell)
    except ValueError:
        return nan
