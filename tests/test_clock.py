"""The clock adds next to nothing to what it times, and hides none of it."""

import gc
import time
from contextlib import nullcontext

import pytest

import backends
from bench import clock
from bench.workloads import pose

SHARE = 0.005
"""Of a sample, that the harness may add to it."""

CALLS, REPEATS, TRIES = 300, 100, 5


class Nothing:
    """A backend's shape without its work: two bound methods."""

    def call(self, params, batch):
        return None

    def wait(self, tree):
        return tree


def plain_loop(call, wait, starts, batch) -> tuple[float, list]:
    began, outputs = time.perf_counter_ns(), []
    for start in starts:
        outputs.append(wait(call(start, batch)))
    return time.perf_counter_ns() - began, outputs


def fastest(measure, call, wait, starts, batch=None) -> float:
    """Return the seconds a call: the least of REPEATS samples, for noise only ever adds."""
    return min(measure(call, wait, starts, batch)[0] for _ in range(REPEATS)) / len(starts) / 1e9


@pytest.mark.alone
def test_starting_and_stopping_the_clock_takes_less_than_half_a_percent_of_the_shortest_sample():
    assert 0 < clock.overhead_seconds(calls=1, repeats=REPEATS) < SHARE * clock.SHORTEST_SAMPLE


@pytest.mark.alone
def test_a_batch_adds_less_than_half_a_percent_of_the_fastest_call_to_a_plain_loop():
    """The shortest call of the default race is numpy-inplace's loss on factorisation/iris."""
    backend, problem, nothing = backends.load("numpy-inplace"), pose("factorisation/iris"), Nothing()
    call = fastest(clock.sample, backend.loss(problem), backend.wait, [problem.params] * CALLS, problem.batch)
    empty = nothing.call, nothing.wait, [None] * CALLS
    added = min(fastest(clock.sample, *empty) - fastest(plain_loop, *empty) for _ in range(TRIES))
    assert added < SHARE * call


def test_every_call_of_a_sample_is_waited_for_before_the_next_begins_and_inside_the_time():
    log = []

    def call(start, batch):
        log.append(("call", start, batch))
        return start

    def wait(output):
        time.sleep(0.002)
        log.append(("wait", output))
        return output * 10

    nanoseconds, outputs = clock.sample(call, wait, [1, 2, 3], "batch")
    assert log == [event for i in (1, 2, 3) for event in (("call", i, "batch"), ("wait", i))]
    assert outputs == [10, 20, 30]
    assert nanoseconds >= 6e6


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    "timed",
    [lambda call: clock.sample(call, lambda tree: tree, [None], None), clock.timed],
    ids=["sample", "seconds"],
)
def test_no_garbage_is_collected_while_the_clock_runs(timed, fails: bool):
    def call(*given):
        inside.append(gc.isenabled())
        if fails:
            raise ValueError

    inside: list[bool] = []
    with pytest.raises(ValueError) if fails else nullcontext():
        timed(call)
    assert inside == [False]
    assert gc.isenabled()
