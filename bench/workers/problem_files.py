"""Problems as files that every worker maps into memory: no worker needs a copy, and no array is too large to be sent."""

import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.problem import Problem

FIELDS = "problem.msgpack"  # all that is no array; instead of an array the number of its file


class ProblemFiles:
    """The folders of the problems of one run, each written when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._written = folder, dict[int, tuple[Problem, Path]]()
        self._lock = threading.Lock()  # entrants get ready side by side, each asked from a thread of its own

    def path(self, problem: Problem) -> str:
        """Return the path of the problem's folder; the problem is kept beside it, so that its id is not given again."""
        with self._lock:
            if id(problem) not in self._written:
                path = self._folder / f"problem-{len(self._written)}"
                write(problem, path)
                self._written[id(problem)] = problem, path
        return str(self._written[id(problem)][1])


def write(problem: Problem, folder: Path) -> None:
    """Write the problem into a new folder, with a .npy file for each array."""
    folder.mkdir()

    def save(array: Any) -> int:
        number = len(list(folder.iterdir()))
        np.save(folder / f"{number}.npy", np.asarray(array, order="C"), allow_pickle=False)
        return number

    (folder / FIELDS).write_bytes(msgspec.msgpack.encode(problem, enc_hook=save))


def read(path: str) -> Problem:
    """Return the problem in the folder, its arrays mapped and read-only.

    A user's process has read its data in float64 and converted them, and by what it freed glibc sets how much memory it keeps
    from then on.  So does this one: otherwise NumPy gave back at every step what it needed in the next (docs/measured.md).
    """

    def mapped(kind: type, number: Any) -> Any:
        array = np.asarray(np.load(Path(path) / f"{number}.npy", mmap_mode="r"))
        array.astype(np.float64)  # freed at once
        return array

    return msgspec.msgpack.decode((Path(path) / FIELDS).read_bytes(), type=Problem, dec_hook=mapped)
