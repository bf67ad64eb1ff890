"""Tell what an error of a backend means for its cell: the status, and a sentence with the remedy."""

import importlib.util
import traceback
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import backends
from bench.backend import Malformed, Unsupported
from bench.workers.messages import Load, Prepare, Trouble


class TooLate(Exception):
    """A backend said in a call that it cannot run; the message names the remedy."""

    def __init__(self, error: Unsupported, where: str = "it"):
        remedy = "raised Unsupported in a call; raise it in the factory, or where the function is made"
        super().__init__(f"{where} {remedy}: {error.status}, {error.reason}")


LONGEST = 2000
"""Characters of an error that are kept."""


def trouble(error: Exception, ask: Any) -> Trouble:
    """Return the status and the reason for `error` during `ask`."""
    said = f"{type(error).__name__}: {error}"[:LONGEST]
    if isinstance(error, Unsupported) and isinstance(ask, Load | Prepare):
        return Trouble(error.status, error.reason)
    if isinstance(error, Unsupported):
        return Trouble("failed", str(TooLate(error)))
    if isinstance(error, TooLate):
        return Trouble("failed", str(error))
    if isinstance(error, Malformed):
        return Trouble("disagrees", str(error))
    if any(isinstance(e, MemoryError) or "out of memory" in str(e).lower() for e in _chain(error)):
        return Trouble("out of memory", said)
    if isinstance(ask, Load) and (reason := _hidden(ask.backend)):
        return Trouble("failed", reason)
    if isinstance(error, ModuleNotFoundError) and _is_absent(error, getattr(ask, "backend", "")):
        return Trouble("not installed", f"{error}; install it to race this backend")
    # The place of a failed import helps nobody; the place of any other error helps the backend's author.
    return Trouble("failed", said if isinstance(error, ImportError) else f"{said} ({_where(error)})")


def _hidden(backend: str) -> str:
    """Return a sentence where a file of the library's name lies before the library on the path; '' otherwise."""
    library = backends.library_of(backend)
    found = _found(library) if library in backends.LIBRARIES else None
    if found is None or (found.origin and found.submodule_search_locations):
        return ""
    where = found.origin or next(iter(found.submodule_search_locations or ()), "")
    return (
        f"{library} was imported from {where}, which is not the library; rename it, or take its folder off PYTHONPATH"
    )


def _is_absent(error: ModuleNotFoundError, backend: str) -> bool:
    """Return whether a package is missing that could be installed: no part of one that is there, nor the backend's own."""
    package, own = (error.name or "").partition(".")[0], backend.partition(":")[0].partition(".")[0]
    return package != own and (not package or _found(package) is None)


def _found(package: str) -> ModuleSpec | None:
    """Return where a package would be imported from; None where there is none."""
    try:
        return importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return None


def _where(error: Exception) -> str:
    """Return the last line that was running: `mine.py, line 12, in train`."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}, in {last.name}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, and those during whose handling it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
