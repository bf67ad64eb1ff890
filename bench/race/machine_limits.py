"""What the machine itself can do, so that a reader sees what is dispatch and what is arithmetic."""

from contextlib import suppress

import backends
from bench.backend import REFERENCE
from bench.problem import Problem
from bench.records.schema import Entrant, Limits, Record
from bench.workers import messages
from bench.workers.pool import Workers
from bench.workers.process import Failed

PROBES = {
    "cpu": messages.Probe(side=1536, copied_bytes=2**27),
    "cuda": messages.Probe(side=8192, copied_bytes=2**30),
}
"""Large enough that dispatch does not show, and that the copy leaves every cache."""


def measure(workers: Workers, problem: Problem) -> None:
    """Into the record, once a run: the rates of each library on each device, in the dtype of `problem`.

    By one live entrant of every library that solves `problem`, on the core raced on; who fails at it loses no
    cell, and one from outside the suite is not asked to set its own limit.  Where none could on the CPU, by a
    NumPy of its own: without a limit no time is too good to be true.
    """
    raced = [
        e for e in workers.record.entrants if (e.dtype, e.outcome.status) == (problem.dtype, "ok") and not e.control
    ]
    asked = [
        e
        for e in raced
        if e.backend in backends.MODES and workers.is_up(e) and workers.cell(e, problem).outcome.status == "ok"
    ]
    if "cpu" in {e.device for e in raced} - {e.device for e in asked}:
        asked.append(Entrant(label="limits", backend=REFERENCE, device="cpu", dtype=problem.dtype))
    for entrant in asked:
        with suppress(Failed):
            _probe(workers, entrant)


def _probe(workers: Workers, entrant: Entrant) -> None:
    limits, key = of_device(workers.record, entrant.device), f"{entrant.dtype} {entrant.library}"
    if key in limits.matmul_flops_per_second:
        return
    if not workers.is_up(entrant):
        workers.start(entrant)
        workers.ask(entrant, messages.Load(entrant.backend, entrant.device, entrant.dtype))
    workers.ask(entrant, messages.Pin(workers.racing_cores))
    probed = workers.ask(entrant, PROBES[entrant.device])
    limits.matmul_flops_per_second[key] = probed.matmul_flops_per_second
    limits.dispatch_seconds[key] = probed.dispatch_seconds
    limits.copy_bytes_per_second = max(limits.copy_bytes_per_second or 0.0, probed.copy_bytes_per_second)


def of_device(record: Record, device: str) -> Limits:
    """The limits of the device, made if there are none yet."""
    for limits in record.limits:
        if limits.device == device:
            return limits
    record.limits.append(Limits(device=device))
    return record.limits[-1]
