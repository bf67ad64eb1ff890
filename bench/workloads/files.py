"""A person's own files: a matrix in a .npy or .csv file, features `x` and labels `y` in an .npz file.

The first bytes of a file say what it is.  What cannot be used is refused in one sentence with the remedy.
"""

import codecs
import os
import re
import zipfile

import msgspec
import numpy as np

from bench.errors import UsageError
from bench.problem import Arrays
from bench.workloads import array_files, csv_cells, csv_matrix
from bench.workloads.datasets import check_fits

FOREIGN = {
    (b"version https://git-lfs",): "is a pointer of Git LFS and not the data; run `git lfs pull`",
    (b"/annex/objects",): "is a pointer of git-annex and not the data; run `git annex get`",
    (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"): "is compressed; unpack it, and give the file in it",
    (
        b"\x89HDF",
        b"PAR1\x15",
        b"MATLAB 5",
    ): "is an HDF5, Parquet or MATLAB file; save its arrays by np.save or np.savez",
    (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"): "is a pickle; save its arrays by np.save or np.savez",
    (b"\xd0\xcf\x11\xe0",): "is an Excel workbook; save its sheet as CSV in UTF-8",
    (b"<!doctype", b"<!DOCTYPE", b"<html", b"<HTML"): "is a web page and not the data; save the file that it links to",
}
"""How a file begins that is of another kind, what it is, and what to do."""

MATRIX = "save the matrix by `np.save('matrix.npy', A)`, or give a text with commas between numbers the ending .csv"
EXAMPLES = "save features and labels by `np.savez('data.npz', x=features, y=labels)`"

_NAMED = re.compile(r"(.+\.\w+):([rh])(\d{1,18})", re.DOTALL | re.ASCII)

_said: dict[str, str] = {}
"""By path, what the last reading said; `described` need not read the file again."""


class Read(msgspec.Struct, frozen=True):
    """The arrays of a file, and what was read in a few words, as in `12 x 4, first line skipped`."""

    arrays: Arrays
    said: str


def named(size: str, letter: str) -> tuple[str, int] | None:
    """Return the path and the number in a size like `data.csv:r3`; None for a size of another form."""
    match = _NAMED.fullmatch(size)
    return (match[1], int(match[3])) if match and match[2] == letter else None


def described(name: str) -> str:
    """Return what was read for a problem, as in `12 x 4, first line skipped`; '' for built-in data."""
    workload, _, size = name.partition("/")
    letter, read = {"factorisation": ("r", matrix), "mlp": ("h", labelled)}.get(workload, ("", matrix))
    if not (found := named(size, letter)):
        return ""
    return _said[found[0]] if found[0] in _said else read(found[0]).said


def matrix(path: str) -> Read:
    """Return `A` [m, n], finite and in float64, from a .npy or .csv file."""
    if _kind(path, (".npy", ".csv"), MATRIX) == ".csv":
        A, said = csv_matrix.read(path)
        return _told(path, {"A": A}, said)
    with array_files.whole(path):
        with open(path, "rb") as file:
            shape, dtype = array_files.header(file)
        array_files.check_matrix(path, "A", shape, dtype)
        check_fits(path, shape)
        A = array_files.finite(path, np.load(path))
    return _told(path, {"A": A}, f"{shape[0]} x {shape[1]} of {dtype}")


def labelled(path: str) -> Read:
    """Return features `x` [n, d], finite and in float64, and labels `y` [n], int64, from an .npz file.

    The labels are 0, 1, ..., k-1, each at least once, with k >= 2.  No other array of the file is read.
    """
    _kind(path, (".npz",), EXAMPLES)
    with array_files.whole(path), np.load(path) as arrays:
        names = array_files.names(arrays.zip)
        if not {"x", "y"} <= set(names):
            raise UsageError(f"{path} holds {array_files.listed(names)}, and not x and y; {EXAMPLES}")
        with arrays.zip.open("x.npy") as of_x, arrays.zip.open("y.npy") as of_y:
            (shape, dtype), labels = array_files.header(of_x), array_files.header(of_y)
        array_files.check_matrix(f"x in {path}", "x", shape, dtype)
        array_files.check_labels(f"y in {path}", shape, *labels)
        check_fits(path, shape)
        y = array_files.classes(f"y in {path}", arrays["y"])
        x = array_files.finite(f"x in {path}", arrays["x"])
    others = array_files.listed([name for name in names if name not in ("x", "y")])
    unread = "" if len(names) == 2 else f", {others} not read"
    return _told(path, {"x": x, "y": y}, f"{shape[0]} x {shape[1]} of {dtype}, {y.max() + 1} classes{unread}")


def _told(path: str, arrays: Arrays, said: str) -> Read:
    _said[path] = said
    return Read(arrays, said)


def _kind(path: str, wanted: tuple[str, ...], to_save: str) -> str:
    """Return which of the wanted endings the file has, and by its first bytes deserves."""
    kinds = " or ".join(wanted)
    if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
        raise UsageError(f"there is no file {path}; give the path of a {kinds} file")
    try:
        with open(path, "rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); give a file that you may read") from None
    if not head:
        raise UsageError(f"{path}: the file is empty; save the data to it again")
    for begins, said in FOREIGN.items():
        if head.startswith(begins):
            raise UsageError(f"{path} {said}")
    if encoding := _encoding(head):
        mend = csv_cells.mended(f"iconv -f {encoding} -t UTF-8", path)
        raise UsageError(f"{path} is in {encoding}; save it as UTF-8, by {mend}")
    ending, content = os.path.splitext(path)[1].lower(), _content(head)
    if content in wanted and content == ending:
        return content
    if content == ".npz" and content not in wanted:
        raise UsageError(_archive(path))
    if content in wanted and content != ".csv":
        raise UsageError(f"{path} has the content of a {content} file; give it a name that ends in {content}")
    raise UsageError(f"{path} is not a {kinds} file; {to_save}")


def _encoding(head: bytes) -> str:
    """Return the encoding of a text that is not in UTF-8, by its mark or, in UTF-16, by the zero in each pair of bytes."""
    if head.startswith(codecs.BOM_UTF32_LE):  # first, as it begins like the mark of UTF-16
        return "UTF-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    low, high = head[::2].strip(b"\0"), head[1::2].strip(b"\0")
    return "" if b"\0" not in head or (low and high) else "UTF-16LE" if low else "UTF-16BE"


def _content(head: bytes) -> str:
    """Return the ending that the first bytes of a file deserve."""
    if head.startswith(b"\x93NUMPY"):
        return ".npy"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ".npz"
    return "" if b"\0" in head else ".csv"


def _archive(path: str) -> str:
    with array_files.whole(path), zipfile.ZipFile(path) as archive:
        names = array_files.names(archive)
    if not names:
        return f"{path} is a zip archive or an Excel workbook; save its numbers as CSV in UTF-8"
    return (
        f"{path} is an archive of arrays ({array_files.listed(names)}); save one of them by"
        f" `np.save('matrix.npy', np.load({path!r})[{names[0]!r}])`"
    )
