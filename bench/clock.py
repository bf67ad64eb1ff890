"""The one clock: what a sample is, and what it costs to take one."""

import contextlib
import gc
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns
from typing import Any

SHORTEST_SAMPLE = 1e-3
"""Seconds; shorter calls are batched into one sample."""


def sample(call: Callable, wait: Callable, starts: Sequence[Any], batch: Any) -> tuple[int, list[Any]]:
    """Return the nanoseconds of `wait(call(start, batch))` on every start, one after another, and the outputs.

    Each output is waited for before the next call starts, and all are kept until the clock has
    stopped, so that nothing can be skipped.  No garbage is collected meanwhile.
    """
    with _uncollected():
        began = perf_counter_ns()
        outputs = [wait(call(start, batch)) for start in starts]
        return perf_counter_ns() - began, outputs


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that `call()` took, and its result; for what happens once.  No garbage is collected meanwhile.

    How often it would be depends on what else is alive, and makes an import or a compilation up to a quarter slower.
    """
    with _uncollected():
        began = perf_counter_ns()
        result = call()
        return (perf_counter_ns() - began) / 1e9, result


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def overhead_seconds(calls: int = 1000, repeats: int = 50) -> float:
    """Return the seconds that `sample` adds to each call, beyond a bare loop over the same calls; the fastest of `repeats`.

    What it adds is the waiting, the keeping of the outputs, and its share of reading the clock.
    """

    def call(start: Any, batch: Any) -> None:
        return None

    def wait(tree: Any) -> Any:
        return tree

    def bare() -> None:
        for start in starts:
            call(start, None)

    starts = range(calls)
    ours = min(sample(call, wait, starts, None)[0] for _ in range(repeats)) / 1e9
    return max(0.0, ours - min(timed(bare)[0] for _ in range(repeats))) / calls
