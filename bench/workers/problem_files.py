"""Problems as files that every worker maps into memory: no worker needs a copy, and no array is too large to be sent."""

import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.problem import Array, Problem

_LENGTH = struct.Struct("!Q")
_ALIGNED = 64
"""Bytes; arrays in the file begin where a cache line does."""


class ProblemFiles:
    """The files of the problems of one run, each written when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._written = folder, dict[int, tuple[Problem, Path]]()

    def path(self, problem: Problem) -> str:
        """Return the path of the problem's file."""
        if id(problem) not in self._written:  # the problem is kept beside its path, so that its id is not given again
            path = self._folder / f"problem-{len(self._written)}"
            write(problem, path)
            self._written[id(problem)] = problem, path
        return str(self._written[id(problem)][1])


def write(problem: Problem, path: Path) -> None:
    """Write the problem: the length of a header, the header, then every array's bytes."""
    arrays: list[tuple[int, Array]] = []
    end = 0

    def place(value: Any) -> Any:
        """Return (dtype, shape, where it begins) for an array."""
        nonlocal end
        if not isinstance(value, np.ndarray):
            raise NotImplementedError(f"cannot write a {type(value).__name__}")
        begin = end
        arrays.append((begin, np.ascontiguousarray(value)))
        end = _next_line(begin + value.nbytes)
        return value.dtype.str, value.shape, begin

    header = msgspec.msgpack.encode(problem, enc_hook=place)
    first = _next_line(_LENGTH.size + len(header))
    with open(path, "wb") as file:
        file.write(_LENGTH.pack(len(header)) + header)
        for begin, array in arrays:
            file.seek(first + begin)
            file.write(array.data.cast("B") if array.size else b"")
        file.truncate(first + end)


def read(path: str) -> Problem:
    """Return the problem in the file, its arrays mapped and read-only."""
    content = np.asarray(np.memmap(path, np.uint8, "r"))
    (length,) = _LENGTH.unpack(content[: _LENGTH.size].tobytes())
    first = _next_line(_LENGTH.size + length)

    def found(kind: type, value: Any) -> Any:
        dtype, shape, begin = value
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return content[first + begin : first + begin + count].view(dtype).reshape(shape)

    header = content[_LENGTH.size : _LENGTH.size + length].tobytes()
    return msgspec.msgpack.decode(header, type=Problem, dec_hook=found)


def _next_line(position: int) -> int:
    return -(-position // _ALIGNED) * _ALIGNED
