"""Prepare: every entrant loads its library, compiles the problem and is called once, one at a time on each core."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.devices import DEVICES
from bench.operations import OPERATIONS
from bench.problem import Problem
from bench.race import refusals
from bench.records.schema import Entrant, FirstCall
from bench.workers import messages
from bench.workers.pool import Done, Failures, Pool
from bench.workers.process import Failed


@dataclass(frozen=True)
class Prepared:
    """The findings of preparing."""

    compiled: Done[list[FirstCall]]  # of those that are ready to take turns
    loaded: Done[messages.Loaded]  # of those that loaded their library here, and not for an earlier problem
    unusable: Failures  # of those whose library could not be loaded: no problem can be raced
    failed: Failures  # of those that failed on this problem


def prepare(
    pool: Pool,
    entrants: Sequence[Entrant],
    problem: Problem,
    generation: int,
    asked: Sequence[str],
    environment: Mapping[str, str],
) -> Prepared:
    """Return who is ready to take turns with the operations that were `asked` for.

    `environment` has the variables a person had set: one of them may have switched a compiler off.
    """
    failed, loaded = Failures(), Done[messages.Loaded]()
    for entrant in entrants:
        pool.start(entrant)

    def load(entrant: Entrant) -> str:
        process = pool.of(entrant)
        if process.loaded is None:
            ask = pool.ask(entrant).load
            process.loaded = ask(entrant.backend, entrant.resources, entrant.dtype)
            loaded.append((entrant, process.loaded))
        return process.loaded.mode

    def compile_(entrant: Entrant) -> list[FirstCall]:
        seconds, warm = _first_calls(pool, entrant, load(entrant), problem, asked, environment)
        cache: Literal["cold", "warm"] = "warm" if warm else "cold"
        return [FirstCall(generation, name, seconds[name], cache) for name in seconds]

    # Libraries take seconds to find a GPU; compiling alone needs it for itself.
    elsewhere = [entrant for entrant in entrants if not DEVICES[entrant.device].is_the_cpu]
    pool.side_by_side(elsewhere, load, failed, alone=False)
    compiled = pool.side_by_side(entrants, compile_, failed)
    unusable = {e.label: failed[e.label] for e in entrants if e.label in failed and pool.of(e).loaded is None}
    return Prepared(compiled, loaded, unusable, failed)


def _first_calls(
    pool: Pool, entrant: Entrant, mode: str, problem: Problem, asked: Sequence[str], environment: Mapping[str, str]
) -> tuple[dict[str, float], bool]:
    """Return the seconds of each operation's first call, and whether its programs had been compiled before."""
    timed = operations(pool, entrant, asked)
    cause = refusals.steered(entrant, mode, environment)
    try:
        prepared = pool.ask(entrant).prepare(pool.file(problem), timed)
    except Failed as failure:
        raise Failed(failure.outcome.status, failure.outcome.reason + cause, failure.output) from None
    if mode != "eager" and timed and prepared.compilations == 0:
        told = "its compiler is switched off: it compiled no program"
        raise Failed("failed", told + (cause or "; switch it on"))
    return prepared.first_call_seconds, pool.compiles(entrant, problem)


def operations(pool: Pool, entrant: Entrant, asked: Sequence[str]) -> list[str]:
    """Return what the entrant is timed at; a compiled loop differs from the compiled step in `train` alone."""
    loaded = pool.of(entrant).loaded
    if loaded is None:
        return []
    can = [name for name, of in OPERATIONS.items() if of.takes_steps or loaded.mode != "compiled loop"]
    return [name for name in can if name in loaded.operations and name in asked]
