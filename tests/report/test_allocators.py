"""A race of both allocators is two sets of findings; records of different allocators are not compared."""

import msgspec

from bench.plan.selection import Choice, entrants
from bench.records.schema import Record
from bench.report import compare
from bench.report.findings import all_findings
from tests.sample_record import sample_record

IRIS = "factorisation/iris"


def test_each_allocator_has_its_entrants_and_its_control():
    found = entrants(Choice(["numpy", "jax-jit"], [IRIS], ["cpu"], allocators=["default", "kept"]))
    assert [(e.label, e.allocator, e.control) for e in found] == [
        ("numpy", "default", False),
        ("jax-jit", "default", False),
        ("control", "default", True),
        ("numpy@kept", "kept", False),
        ("jax-jit@kept", "kept", False),
        ("control@kept", "kept", True),
    ]


def with_both(record: Record) -> Record:
    """`record`, with each of its entrants a second time, by the other allocator."""
    for what in (record.entrants, record.cells):
        for one in list(what):
            other = msgspec.convert(msgspec.to_builtins(one), type(one))
            if what is record.entrants:
                other.allocator, other.label = "kept", f"{other.label}@kept"
            else:
                other.entrant = f"{other.entrant}@kept"
            what.append(other)
    record.settings.allocators = ["default", "kept"]
    return record


def test_the_findings_of_the_two_are_apart_and_their_titles_say_which():
    found = all_findings(with_both(sample_record(["numpy", "jax-jit"], [IRIS])))
    assert [f.title for f in found] == ["float32 on cpu, default allocator", "float32 on cpu, kept allocator"]
    for f in found:
        assert {e.allocator for e in f.entrants} == {f.allocator}
        assert f.reference in f.entrants
        assert f.control in f.entrants
        assert f.named("jax-jit") in f.entrants


def test_a_record_of_one_allocator_does_not_name_it():
    (f,) = all_findings(sample_record(["numpy"], [IRIS]))
    assert f.title == "float32 on cpu"


def test_cells_of_different_allocators_are_not_compared():
    one, other = sample_record(["numpy"], [IRIS]), sample_record(["numpy"], [IRIS], seed=1)
    for entrant in other.entrants:
        entrant.allocator = "kept"
    other.settings.allocators = ["kept"]
    assert {change.status for change in compare.changes(one, other)} == {"other allocator"}
    (row,) = [row for row in compare._runs(one, other) if row[0] == "allocator"]
    assert row == ["allocator", "default", "kept"]
