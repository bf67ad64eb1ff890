"""What no honest entrant does is refused, and what is nearly that is not: by made-up numbers, so that none can vary."""

import msgspec
import pytest

from bench.operations import OPERATIONS
from bench.race import refusals
from bench.records.schema import Record, Samples
from bench.resources import Resources
from bench.workers.messages import Tallied
from tests.sample_record import sample_record

PROBLEM = "factorisation/1000x100r10"


def reason(operation: str, times_the_limit: float) -> str:
    """Return why numpy is not believed when its `operation` reaches so many times the best rate of matrix products."""
    record: Record = sample_record(["numpy"], [PROBLEM], generations=1, control=False)
    (cell,), facts = record.cells, record.facts(PROBLEM, "float32")
    flops = facts.flops * {"loss": 1 / 3, "value_and_grad": 1, "train": facts.timed_steps}[operation]
    rate = times_the_limit * record.limits[0].matmul_flops_per_second
    cell.samples = [Samples(generation=0, operation=operation, calls=1, nanoseconds=[round(1e9 * flops / rate)])]
    return refusals.too_fast(record, cell)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_faster_than_its_arithmetic_is_refused(operation: str):
    assert reason(operation, 1.01 * refusals.FASTER_THAN_MEASURED).startswith(f"{operation} would be ")
    assert reason(operation, 0.99 * refusals.FASTER_THAN_MEASURED) == ""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({}, ""),
        ({"cores_used": 1.09}, ""),
        ({"cores_used": 1.11}, "used 1.11 cores during its turns, where 1 was allowed"),
        ({"idle_cpu_share": 0.19}, ""),
        ({"idle_cpu_share": 0.21}, "computed for 21 % of the time in which others had their turn"),
        ({"strays": 1}, "left its core: one of its threads may run on another"),
        ({"compilations": 3}, "compiled 3 programs inside timed turns; a timed call must not compile"),
    ],
)
def test_each_rule_of_a_race_is_kept_or_named(threads: int, change: dict, rule: str):
    tally = Tallied(cores_used=1.0, idle_cpu_share=0.0, busy_threads=1, compilations=0, strays=0)
    changed = msgspec.structs.replace(tally, **change)
    if threads > 1 and "cores_used" in change:
        rule = ""
    found = refusals.broken_rule(changed, Resources(threads=threads))
    assert found.startswith(rule) if rule else found == ""
