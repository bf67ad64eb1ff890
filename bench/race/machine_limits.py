"""Measure what the machine itself can do, so that a reader sees what is overhead and what is arithmetic."""

from collections.abc import Sequence

import backends
from bench.backend import REFERENCE
from bench.devices import DEVICES
from bench.records.schema import Entrant, Limits
from bench.resources import Resources
from bench.workers import messages
from bench.workers.pool import Failures, Pool


def measure(pool: Pool, entrants: Sequence[Entrant], known: Sequence[Limits]) -> list[Limits]:
    """Return the limits of all resources in every dtype of `entrants`, once a run, but for those that are `known`.

    They are measured by the first live entrant with these resources, on the cores that it raced on.  A backend from outside
    the suite is not asked to set its own limit.  Where no other raced on the CPU, a NumPy of its own is asked.
    """
    found, failed = [], Failures()
    there = {(limits.resources, limits.dtype) for limits in known}
    for resources, dtype in dict.fromkeys((e.resources, e.dtype) for e in entrants):
        able = [e for e in entrants if (e.resources, e.dtype) == (resources, dtype) and e.backend in backends.MODES]
        asked = next((e for e in able if pool.is_up(e)), None) or _stand_in(pool, resources, dtype, failed)
        if asked is not None and (resources, dtype) not in there:
            for _, probed in pool.in_turn([asked], lambda entrant: _probe(pool, entrant), failed):
                found.append(Limits(resources, dtype, probed.matmul_flops_per_second, probed.copy_bytes_per_second))
    return found


def _probe(pool: Pool, entrant: Entrant) -> messages.Probed:
    pool.ask(entrant, messages.Pin(pool.cores.of(entrant.resources.threads)))
    return pool.ask(entrant, messages.Probe(*DEVICES[entrant.device].probe))


def _stand_in(pool: Pool, resources: Resources, dtype: str, failed: Failures) -> Entrant | None:
    """Return an entrant that runs NumPy; None on another device than the CPU, and where it cannot be loaded."""
    if not DEVICES[resources.device].is_the_cpu:
        return None
    entrant, ask = (
        Entrant(f"limits@{resources}", REFERENCE, resources, dtype),
        messages.Load(REFERENCE, resources, dtype),
    )
    pool.start(entrant)
    loaded = pool.in_turn([entrant], lambda e: pool.ask(e, ask), failed)
    return entrant if loaded else None
