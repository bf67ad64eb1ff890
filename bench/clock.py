"""The one clock: what a sample is, and what it costs to take one."""

import gc
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any


def sample(call: Callable, wait: Callable, starts: Sequence[Any], batch: Any) -> tuple[int, list[Any]]:
    """Nanoseconds for `wait(call(start, batch))` on every start, one after another, and the outputs.

    Each output is waited for before the next call starts, and all are kept until the clock has
    stopped, so that nothing can be skipped.  Garbage is collected before, not during.
    """
    gc.collect()
    gc.disable()
    try:
        began = perf_counter_ns()
        # Of all loops the cheapest seen: 10 ns a call more than calls written out one after another; `map` adds 16 to 24.
        outputs = [wait(call(start, batch)) for start in starts]
        return perf_counter_ns() - began, outputs
    finally:
        gc.enable()


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that `call()` took, and what it returned; for what happens once."""
    began = perf_counter_ns()
    result = call()
    return (perf_counter_ns() - began) / 1e9, result


def overhead_seconds(calls: int = 1000, repeats: int = 50) -> float:
    """Seconds that `sample` itself adds to each call: the fastest of `repeats` over calls that do nothing.

    The empty calls are not subtracted, so this is an upper bound.
    """

    def nothing(*_: Any) -> None:
        return None

    return min(sample(nothing, nothing, range(calls), None)[0] for _ in range(repeats)) / calls / 1e9
