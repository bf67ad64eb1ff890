"""The CPU and a GPU of one machine stand in one table; the record here is made up, its times are formulas."""

import msgspec
import pytest

from bench.plan.selection import Choice, entrants
from bench.records import host
from bench.records.schema import Record
from bench.report import device, parts, units
from bench.report.findings import all_findings
from tests.sample_record import sample_record, step_seconds

PROBLEMS = tuple(f"factorisation/{size}" for size in ("150x4r2", "300x50r5", "1000x100r10", "2000x1000r32"))


def on_two_devices(speedup: float) -> Record:
    """jax-scan on the CPU, and on a GPU that costs 20 us more a call and is `speedup` times as fast beyond."""
    record = sample_record(("numpy", "jax-scan"), PROBLEMS, noise=0.0)
    mine = msgspec.convert(msgspec.to_builtins(record.entrants[1]), type(record.entrants[1]))
    mine.label, mine.device = "jax-scan@cuda", "cuda"
    record.entrants.append(mine)
    for cell in [c for c in record.cells if c.entrant == "jax-scan"]:
        other = msgspec.convert(msgspec.to_builtins(cell), type(cell))
        other.entrant, other.put_seconds, other.get_seconds = "jax-scan@cuda", [3e-5], [1e-5]
        steps = record.facts(cell.problem, cell.dtype).timed_steps
        for samples in other.samples:
            extra = 20e3 * steps if samples.operation == "train" else 20e3
            samples.nanoseconds = [round(x / speedup + extra * samples.calls) for x in samples.nanoseconds]
        record.cells.append(other)
    return record


def rows(record: Record, title: str) -> list[list[str]]:
    cpu, cuda = all_findings(record)
    assert device.section(cpu) is None
    section = device.section(cuda)
    assert section is not None
    return [list(row) for table in section.tables if title in table.title for row in table.rows]


def test_each_device_has_a_control_of_its_own():
    """How far identical code strays on a CPU says nothing of a GPU."""
    record = sample_record(("numpy", "jax-scan"), PROBLEMS[:1])
    record.entrants = entrants(Choice(["numpy", "jax-scan"], PROBLEMS[:1], ["cpu", "cuda"]))
    controls = [f.control for f in all_findings(record)]
    assert [(e.label, e.backend) for e in controls] == [("control", "numpy"), ("control@cuda", "jax-scan")]
    assert [f.original.label for f in all_findings(record)] == ["numpy", "jax-scan@cuda"]


@pytest.mark.parametrize(
    ("backends", "device", "twice"),
    [
        (["numpy", "torch-eager"], "cuda", "torch-eager"),
        (["numpy-inplace", "torch-eager"], "cpu", "numpy-inplace"),
        (["numpy"], "cuda", "numpy"),
    ],
)
def test_who_enters_twice_can_run_there_where_anybody_can(backends, device, twice):
    (control,) = [e for e in entrants(Choice(backends, PROBLEMS[:1], [device])) if e.control]
    assert control.backend == twice


def test_a_cell_on_a_gpu_is_repeated_beside_the_reference_on_the_cpu():
    command = parts.command("jax-scan", PROBLEMS[0], "float32", "cuda")
    options = [word.partition(" ") for word in command.split(" --")]
    given = {what: [value for key, _, value in options if key == what] for what in ("backend", "device")}
    raced = {(e.backend, e.device) for e in entrants(Choice(given["backend"], PROBLEMS[:1], given["device"]))}
    assert {("numpy", "cpu"), ("jax-scan", "cuda")} <= raced


def test_a_gpu_is_held_against_the_same_backend_on_the_cpu():
    record = on_two_devices(speedup=10)
    found = {size: units.value(ratio) for size, name, *_, ratio in rows(record, "factorisation") if name == "jax-scan"}
    for size in ("150x4r2", "2000x1000r32"):
        slow = step_seconds("jax-scan", f"factorisation/{size}")
        assert found[size] == pytest.approx((slow / 10 + 20e-6) / slow, rel=0.05)  # two digits are shown


def test_the_size_at_which_the_gpu_overtakes_is_between_two_sizes():
    ((workload, name, crossing),) = rows(on_two_devices(speedup=10), "stays ahead")
    assert (workload, name) == ("factorisation", "jax-scan")
    assert crossing.endswith("flops")
    assert rows(on_two_devices(speedup=0.5), "stays ahead")[0][2] == "never"


def test_transfers_stand_beside_the_call_and_what_was_not_measured_says_so():
    (row, *_) = rows(on_two_devices(speedup=10), "one timed call")
    assert row[0] == "jax-scan"
    assert row[2:] == ["not measured", "30.0 us", "10.0 us"]


def test_what_a_gpu_does_not_tell_is_left_out_and_ends_no_race():
    """Where there is none at all, it tells nothing."""
    found = host.gpu()
    told = host.gpu_reading()
    assert set(told) <= {"sm_mhz", "memory_mhz", "watts", "celsius"}
    assert bool(told) == bool(found)
