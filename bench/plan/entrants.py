"""Who races: every backend on all resources that it can use, and the control."""

import backends
from bench.backend import REFERENCE
from bench.plan.selection import Selection
from bench.records.schema import Entrant
from bench.resources import Resources


def entrants(selection: Selection) -> list[Entrant]:
    """Return every backend with all resources that it can use, and, where anything is timed, a control for each resources.

    The control is the reference a second time, or else the first backend.
    """
    return [entrant for dtype in selection.dtypes for entrant in _of_dtype(selection, dtype)]


def _of_dtype(selection: Selection, dtype: str) -> list[Entrant]:
    everywhere = [(backend, resources) for resources in selection.resources for backend in selection.backends]
    # A backend that can run on no device that was asked for still gets its row, which says so.
    places = [(b, r) for b, r in everywhere if may_run(b, r.device) or len(selection.devices) == 1]
    found = []
    for allocator in selection.allocators:
        second = allocator if allocator != selection.allocators[0] else ""
        entering = [Entrant(_label(b, r, second), b, r, dtype, allocator) for b, r in places]
        timed = selection.generations != 0
        raced_with = dict.fromkeys(resources for _, resources in places) if timed else {}
        controls = [_control([e for e in entering if e.resources == r], second) for r in raced_with]
        found += [*entering, *controls]
    return found


def may_run(backend: str, device: str) -> bool:
    """Return whether nothing is known that forbids `backend` on `device`."""
    return ":" in backend or device in backends.MODES[backend].devices


def _control(others: list[Entrant], second_allocator: str) -> Entrant:
    able = [e for e in others if may_run(e.backend, e.device)] or others
    twice = next((e for e in able if e.backend == REFERENCE), able[0])
    label = _label("control", twice.resources, second_allocator)
    return Entrant(label, twice.backend, twice.resources, twice.dtype, twice.allocator, control=True)


def _label(name: str, resources: Resources, second_allocator: str) -> str:
    """Return `jax-scan@cuda`, or `numpy@kept` where two allocators race; one CPU thread goes without saying."""
    return "@".join(filter(None, [name, resources.label, second_allocator]))
