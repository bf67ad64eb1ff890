"""`bench.agree` holds a backend to every check, with --conformance to every promise, and tells a line for each."""

import re

import pytest

from bench import agree, session
from bench.plan.selection import Selection
from bench.records.schema import Record
from tests.conftest import SMALL

FAULTY = "tests.faults.backends:"


@pytest.fixture(scope="module")
def record() -> Record:
    """Return the record of a conformance run on two workloads, with no timing."""
    names = ["numpy", "backends.examples.gram:factory", f"{FAULTY}LosesPayloads", f"{FAULTY}SignFlipped"]
    selection = Selection(names, list(SMALL.values()), ["cpu"], operations=[])
    return session.agreement(selection, lambda line: None, promises=True)


@pytest.fixture(scope="module")
def told(record: Record) -> dict[str, str]:
    lines = [line.partition(" ") for line in agree.conformance(record)]
    return {name: said for name, _, said in lines}


def test_a_backend_that_keeps_all_is_told_how_many_promises_and_checks_it_passed(told: dict[str, str]):
    assert told["numpy"] == "passed 20 promises in 40 checks."


def test_a_backend_for_one_workload_passes_on_it_and_is_told_what_it_is_not_for(told: dict[str, str]):
    assert told["backends.examples.gram:factory"] == "passed 20 promises in 20 checks; not for mlp on 1 of 2 cells."


@pytest.mark.parametrize(("name", "broken"), [("LosesPayloads", "arrays return"), ("SignFlipped", "gradient at the")])
def test_a_backend_that_breaks_one_is_told_which(told: dict[str, str], name: str, broken: str):
    assert re.match(rf"BROKE .*{broken}", told[f"{FAULTY}{name}"])


def test_nothing_is_timed_and_there_is_no_control(record: Record):
    assert not any(cell.samples for cell in record.cells)
    assert [entrant.control for entrant in record.entrants] == [False] * 4
    assert record.races == []
