"""Measure what the machine itself can do, so that a reader sees what is overhead and what is arithmetic."""

from collections.abc import Sequence

import backends
from bench.backend import REFERENCE
from bench.devices import DEVICES
from bench.records.schema import Entrant, Limits
from bench.resources import Resources
from bench.workers.pool import Failures, Pool


def measure(pool: Pool, entrants: Sequence[Entrant], known: Sequence[Limits]) -> list[Limits]:
    """Return the limits of all resources in every dtype of `entrants`, but for those that are `known`.

    They are measured by the first live entrant with these resources, but no outside backend; or by a NumPy of its own.
    """
    found, failed = list[Limits](), Failures()

    def probe(entrant: Entrant) -> Limits:
        pool.ask(entrant).pin(pool.cores.of(entrant.resources.threads))
        return pool.ask(entrant).probe(*DEVICES[entrant.device].probe)

    there = {(limits.resources, limits.dtype) for limits in known}
    for resources, dtype in dict.fromkeys((e.resources, e.dtype) for e in entrants):
        able = [e for e in entrants if (e.resources, e.dtype) == (resources, dtype) and e.backend in backends.MODES]
        asked = next((e for e in able if pool.is_up(e)), None) or _stand_in(pool, resources, dtype, failed)
        if asked is not None and (resources, dtype) not in there:
            found += [limits for _, limits in pool.in_turn([asked], probe, failed)]
    return found


def _stand_in(pool: Pool, resources: Resources, dtype: str, failed: Failures) -> Entrant | None:
    """Return an entrant that runs NumPy; None on another device than the CPU, and where it cannot be loaded."""
    if not DEVICES[resources.device].is_the_cpu:
        return None
    entrant = Entrant(f"limits@{resources}", REFERENCE, resources, dtype)
    pool.start(entrant)
    loaded = pool.in_turn([entrant], lambda e: pool.ask(e).load(REFERENCE, resources, dtype), failed)
    return entrant if loaded else None
