"""What the machine itself can do, so that a reader sees what is dispatch and what is arithmetic."""

from collections.abc import Callable, Iterable

import backends
from bench import messages
from bench.record import Entrant, Limits, Record

PROBES = {
    "cpu": messages.Probe(side=1536, copied_bytes=2**27),
    "cuda": messages.Probe(side=8192, copied_bytes=2**30),
}
"""Large enough that dispatch does not show, and that the copy leaves every cache."""


def measure(
    record: Record,
    dtype: str,
    entrants: Iterable[Entrant],
    probe: Callable[[Entrant, messages.Probe], messages.Probed | None],
) -> None:
    """Into `record.limits`, once a run: the rates of each library on each device in this dtype."""
    for entrant in filter(may_set_one, entrants):
        limits, key = of_device(record, entrant.device), f"{dtype} {entrant.library}"
        if key in limits.matmul_flops_per_second:
            continue
        probed = probe(entrant, PROBES[entrant.device])
        if probed is not None:
            limits.matmul_flops_per_second[key] = probed.matmul_flops_per_second
            limits.dispatch_seconds[key] = probed.dispatch_seconds
            limits.copy_bytes_per_second = max(limits.copy_bytes_per_second or 0.0, probed.copy_bytes_per_second)


def may_set_one(entrant: Entrant) -> bool:
    """A backend of this suite; one from outside is not asked to set its own limit."""
    return entrant.backend in backends.FACTORIES


def of_device(record: Record, device: str) -> Limits:
    """The limits of the device, made if there are none yet."""
    for limits in record.limits:
        if limits.device == device:
            return limits
    record.limits.append(Limits(device=device))
    return record.limits[-1]
