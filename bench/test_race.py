"""What `pytest bench/ --benchmark-only` times: one test for each operation, backend and problem.

The race has been run when a test begins.  A test replays its samples through pytest-benchmark's public interface, so that
its tables, JSON, histograms and `compare` work.
"""

import pytest

from bench.operations import OPERATIONS
from bench.records.schema import Cell, Record
from bench.statistics import per_call


class ReplayClock:
    """A clock that stands still until a recorded sample moves it on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


clock = ReplayClock()


@pytest.mark.benchmark(timer=clock)
def test_race(benchmark, operation: str, cell: Cell, record: Record) -> None:
    """Replay the seconds per call: every sample of every generation is one round."""
    samples = [x for s in cell.samples if s.operation == operation for x in per_call(s)]
    if not samples:
        pytest.skip(_left_out(operation, cell.problem, record))
    steps = record.facts(cell.problem, cell.dtype).timed_steps
    # The heading of the table says the rest, so that its rows fit 80 columns.
    benchmark.group = f"{operation} {cell.problem} {cell.dtype}"
    benchmark.group += f", {steps} steps a call" if OPERATIONS[operation].takes_steps else ""
    benchmark.name = cell.entrant
    benchmark.extra_info.update(record=record.id, timed_steps=steps)
    coming = iter(samples)

    def next_sample() -> None:
        clock.now += next(coming, 0.0)  # under a profiler there is one call more

    benchmark.pedantic(next_sample, rounds=len(samples))


def _left_out(operation: str, problem: str, record: Record) -> str:
    if operation not in record.settings.operations[problem]:
        return f"{operation} was not raced on {problem}"
    return f"{operation} of a compiled loop is that of its compiled step"
