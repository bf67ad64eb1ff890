"""What `pytest bench/ --benchmark-only` times: one test per backend x problem, for each operation.

The race has been run when a test begins, all backends in turn; a test replays its samples through
pytest-benchmark's public interface, so that its tables, JSON, histograms and `compare` work.
"""

import pytest

from bench.records.schema import Cell, Operation, Record
from bench.report import units
from bench.statistics import per_call


class ReplayClock:
    """A clock that stands still until it is moved on by a recorded sample."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


clock = ReplayClock()
replayed = pytest.mark.benchmark(timer=clock)


@replayed
def test_train(benchmark, cell: Cell, record: Record) -> None:
    replay(benchmark, cell, "train", record)


@replayed
def test_value_and_grad(benchmark, cell: Cell, record: Record) -> None:
    replay(benchmark, cell, "value_and_grad", record)


@replayed
def test_loss(benchmark, cell: Cell, record: Record) -> None:
    replay(benchmark, cell, "loss", record)


def replay(benchmark, cell: Cell, operation: Operation, record: Record) -> None:
    """Seconds a call, every sample of every generation as one round."""
    samples = [x for s in cell.samples if s.operation == operation for x in per_call(s)]
    if not samples:
        pytest.skip(_left_out(operation, record))
    steps = record.facts(cell.problem, cell.dtype).timed_steps
    # The table's heading; below it the backend alone tells the rows apart, and they fit 80 columns.
    benchmark.group = f"{operation} {cell.problem} {cell.dtype}"
    benchmark.group += f", {units.plural(steps, 'step')} a call" if operation == "train" else ""
    benchmark.name = cell.entrant
    benchmark.extra_info.update(record=record.id, timed_steps=steps)
    coming = iter(samples)

    def next_sample() -> None:
        clock.now += next(coming, 0.0)  # under a profiler there is one call more

    benchmark.pedantic(next_sample, rounds=len(samples))


def _left_out(operation: Operation, record: Record) -> str:
    if operation not in record.settings.operations:
        return f"{operation} was not raced: this record is of {' and '.join(record.settings.operations)}"
    return f"{operation} of a mode that compiles the whole descent is that of its step mode"
