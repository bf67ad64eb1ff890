"""Tell what an error of a backend means for its cell: the status, and a sentence with the remedy."""

import importlib.util
import traceback
from importlib.machinery import ModuleSpec
from pathlib import Path

import backends
from bench.backend import Malformed, Unsupported
from bench.records.schema import Outcome
from bench.workers.messages import Request


class TooLate(Exception):
    """A backend said in a call that it cannot run; the message names the remedy."""

    def __init__(self, error: Unsupported, where: str = "it"):
        remedy = "raised Unsupported in a call; raise it in the factory, or where the function is made"
        super().__init__(f"{where} {remedy}: {error.status}, {error.reason}")


LONGEST = 2000  # characters of an error that are kept


def trouble(error: Exception, request: Request) -> Outcome:
    """Return the status and the reason for `error` during the request."""
    backend = str(request.given[0]) if request.method == "load" else ""
    said = f"{type(error).__name__}: {error}"[:LONGEST]
    if isinstance(error, Unsupported) and request.method in ("load", "prepare"):
        return Outcome(error.status, error.reason)
    if isinstance(error, Unsupported | TooLate):
        return Outcome("failed", str(TooLate(error) if isinstance(error, Unsupported) else error))
    if isinstance(error, Malformed):
        return Outcome("disagrees", str(error))
    if _out_of_memory(error):
        return Outcome("out of memory", said)
    if backend and (reason := _hidden(backend)):
        return Outcome("failed", reason)
    if isinstance(error, ModuleNotFoundError) and _is_absent(error, backend):
        return Outcome("not installed", f"{error}; install it to race this backend")
    # The place of a failed import helps nobody; the place of any other error helps the backend's author.
    return Outcome("failed", said if isinstance(error, ImportError) else f"{said} ({_where(error)})")


def _hidden(backend: str) -> str:
    """Return a sentence where a file of the library's name lies before the library on the path; '' otherwise."""
    library = backends.library_of(backend)
    found = _found(library) if library in backends.LIBRARIES else None
    if found is None or (found.origin and found.submodule_search_locations):
        return ""
    where = found.origin or next(iter(found.submodule_search_locations or ()), "")
    wrong = f"{library} was imported from {where}, which is not the library"
    return f"{wrong}; rename it, or take its folder off PYTHONPATH"


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


def _out_of_memory(error: BaseException | None) -> bool:
    """Return whether the error says so, or one during whose handling it was raised."""
    told = isinstance(error, MemoryError) or "out of memory" in str(error).lower()
    return error is not None and (told or _out_of_memory(error.__cause__ or error.__context__))
