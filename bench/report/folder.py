"""The folder that reports go to, and one sentence where nothing can be written there."""

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
