"""Arrays that `np.save` and `np.savez` wrote: what their headers promise, and what is wrong with them.

A header says shape and dtype, so that both are looked at before any number is read.
"""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from bench.errors import UsageError
from bench.problem import Array

Shape = tuple[int, ...]

NO_NUMBERS = {
    "O": "holds Python objects; save numbers, as `{}.astype(float)`",
    "U": "holds text; save numbers, as `{}.astype(float)`",
    "S": "holds text; save numbers, as `{}.astype(float)`",
    "b": "holds booleans; save numbers, as `{}.astype(float)`",
    "c": "holds complex numbers; save real ones, as `{}.real`",
    "V": "has columns by name; save `numpy.lib.recfunctions.structured_to_unstructured({})`",
}
"""What is said of an array whose dtype is no real number, by the kind of the dtype."""

NUMBERED = "number the classes: `y = np.unique(y, return_inverse=True)[1]`"


@contextlib.contextmanager
def whole(path: str) -> Iterator[None]:
    """Turn whatever NumPy and zipfile raise for a damaged file into one sentence."""
    try:
        yield
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error):
        raise UsageError(f"{path} is damaged, or NumPy did not write it; save its arrays again") from None


def header(file: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    """Return the shape and the dtype of a saved array, and read no more of it."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = read[np.lib.format.read_magic(file)](file)
    return shape, dtype


def names(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the arrays in an .npz file."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def listed(found: list[str]) -> str:
    """Return a few of the names, for a sentence."""
    return ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "") or "no arrays"


def check_matrix(where: str, name: str, shape: Shape, dtype: np.dtype[Any]) -> None:
    """Raise UsageError unless the array called `name` is a matrix of real numbers."""
    if dtype.kind not in "fiu":
        wrong = NO_NUMBERS.get(dtype.kind, f"has dtype {dtype}; save numbers, as `{{}}.astype(float)`")
        raise UsageError(f"{where} {wrong.format(name)}")
    if len(shape) != 2:
        rows = f"{name}.reshape(-1, 1)" if len(shape) < 2 else f"{name}.reshape(len({name}), -1)"
        raise UsageError(f"{where} has shape {shape}, and it must be a matrix; save `{rows}`")
    if 0 in shape:
        raise UsageError(f"{where} has shape {shape}; it must have at least one row and one column")


def finite(where: str, array: Array) -> Array:
    """Return the matrix in float64; UsageError for one with NaN or infinite values."""
    with np.errstate(over="ignore"):  # some dtypes hold larger numbers
        array = np.asarray(array, np.float64)
    good = np.isfinite(array)
    if not good.all():
        i, j = np.unravel_index(good.argmin(), array.shape)
        raise UsageError(f"{where} has {array[i, j]} at [{i}, {j}], counted from 0; fill it or remove its row")
    return array


def check_labels(where: str, features: Shape, shape: Shape, dtype: np.dtype[Any]) -> None:
    """Raise UsageError unless there is one label, which may be a number, for each row of the features."""
    rows, columns = features
    if dtype.kind == "O":
        raise UsageError(f"{where} holds Python objects; {NUMBERED.replace('(y,', '(y.astype(str),')}")
    if dtype.kind in "US":
        raise UsageError(f"{where} holds text; {NUMBERED}")
    if len(shape) == 2 and sorted(shape) == sorted((1, rows)):
        raise UsageError(f"{where} has shape {shape}; save it with one dimension, as `y.ravel()`")
    if len(shape) == 2 and shape[0] == rows:
        raise UsageError(f"{where} has {shape[1]} columns; if they are one-hot labels, save `y.argmax(axis=1)`")
    if shape != (rows,):
        turned = ", or save `x.T`" if shape == (columns,) else ""
        raise UsageError(f"{where} has shape {shape} and x {features}; save one label for each row of x{turned}")
    if dtype.kind not in "iufb":
        raise UsageError(f"{where} has dtype {dtype}; {NUMBERED}")


def classes(where: str, labels: Array) -> Array:
    """Return the labels as int64; UsageError unless they are integers, each of 0, 1, ..., k-1 once at least."""
    if labels.dtype.kind == "f":
        if np.isnan(labels).any():
            missing = int(np.isnan(labels).argmax())
            raise UsageError(f"{where} has no label at [{missing}], counted from 0; remove this row of x and y")
        fractions = labels[labels != np.round(labels)]
        if fractions.size:
            raise UsageError(f"{where} has {fractions[0]}, which is no class; save whole numbers, one for each class")
    if labels.dtype.kind not in "iu":
        raise UsageError(f"{where} has dtype {labels.dtype} and not integers; {NUMBERED}")
    found = np.unique(labels)
    if len(found) < 2:
        raise UsageError(f"{where} has only one class; give examples of two or more")
    if not np.array_equal(found, np.arange(len(found))):
        raise UsageError(
            f"{where} has {len(found)} classes from {found[0]} to {found[-1]}, and not 0 to {len(found) - 1}; {NUMBERED}"
        )
    return labels.astype(np.int64)
