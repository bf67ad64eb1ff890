"""What is faster than the machine is refused, and what is as fast as it is not: by made-up times, so that none can vary."""

import pytest

from bench.race import sanity_checks
from bench.records.schema import OPERATIONS, Record, Samples
from tests.sample_record import sample_record

PROBLEM, LEAST_WORK = "factorisation/1000x100r10", {"loss": 1 / 3, "value_and_grad": 1.0}
"""Flops that a call takes at least, over those of a step; `train` takes its steps."""


def reason(operation: str, times_the_limit: float) -> str:
    """Why numpy is not believed when its `operation` reaches so many times the best rate of matrix products."""
    record: Record = sample_record(["numpy"], [PROBLEM], generations=1, control=False)
    (cell,), facts = record.cells, record.facts(PROBLEM, "float32")
    flops = facts.flops * LEAST_WORK.get(operation, facts.timed_steps)
    rate = times_the_limit * max(record.limits[0].matmul_flops_per_second.values())
    cell.samples = [Samples(generation=0, operation=operation, calls=1, nanoseconds=[round(1e9 * flops / rate)])]
    return sanity_checks.too_fast(record, record.entrants[0], cell)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_faster_than_its_arithmetic_is_refused(operation):
    assert reason(operation, 1.01 * sanity_checks.FASTER_THAN_MEASURED).startswith(f"{operation} would be ")
    assert reason(operation, 0.99 * sanity_checks.FASTER_THAN_MEASURED) == ""
