"""The folder that reports go to: files whole or not at all, and one sentence where that cannot be."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.problem import UsageError


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Makes `folder`; what the system says against writing to it becomes a UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder} ({error.strerror}); give --results a folder you can write to"
        ) from None


def write(path: Path, content: bytes) -> None:
    """Whole or not at all: a temporary file beside it, then renamed over it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
