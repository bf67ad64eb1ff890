"""A backend that got less than its core is raced once more, and then told of and given no verdict."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench import session
from bench.plan.selection import Selection
from bench.race import rounds
from bench.race.rounds import Rounds
from bench.records.schema import Entrant, Race, Record
from bench.records.warnings import warnings
from bench.resources import Resources
from bench.workers import cores, messages
from tests.running import QUICK, without_processes
from tests.sample_record import sample_record


@pytest.mark.parametrize(
    ("cores_used", "device", "starved"), [(1.0, "cpu", 0), (0.91, "cpu", 0), (0.89, "cpu", 1), (0.2, "cuda", 0)]
)
def test_less_than_nine_tenths_of_a_core_is_too_little_on_a_cpu(cores_used: float, device: str, starved: int):
    entrant = Entrant("x", "numpy", Resources(device), "float32")
    assert len(rounds.starved([(entrant, messages.Tallied(cores_used, 0.0, 1, 0, 0))])) == starved


def test_starved_races_are_told_in_one_sentence_for_each_cause():
    record = sample_record(["numpy"], [QUICK])
    for generation, (starved, cause) in enumerate(
        [({}, ""), ({"numpy": 0.5}, "x"), ({"numpy": 0.4, "control": 0.7}, "x")]
    ):
        race = Race(generation, QUICK, "float32", 0, {}, {}, {}, 1 + bool(starved), starved, cause)
        record.races.append(race)
    record.races.append(Race(3, QUICK, "float32", 0, {}, {}, attempts=2))
    assert warnings(record) == [
        "In 2 of 4 races numpy, control got less than the racing core, 0.4 of it at the least, and those samples are left out: x.",
        "1 of 4 races were repeated: at first an entrant got less than its core.",
    ]


def raced(folder: Path, generations: int, **selected: object) -> Record:
    asked = {"operations": ["train"], "pace": "quick", "generations": generations} | selected
    return session.run(Selection(["numpy"], [QUICK], ["cpu"], **asked), folder, lambda line: None)


@pytest.fixture
def busy() -> Iterator[int]:
    """Burn the racing core by a process that is no child of this one; yield the core."""
    (core,) = cores.choose(cores.usable_cores()).racing
    loop = f"taskset -c {core} {sys.executable} -c 'while True: pass' > /dev/null 2>&1 & echo $!"
    told = subprocess.run(["sh", "-c", loop], capture_output=True, check=True)
    other = psutil.Process(int(told.stdout))
    yield core
    other.kill()


def test_a_busy_loop_on_the_racing_core_leaves_no_sample_and_no_verdict(tmp_path: Path, busy: int):
    record = raced(tmp_path, generations=1, pace="default")
    assert {cell.outcome.status for cell in record.cells} == {"starved"}
    assert not any(cell.samples for cell in record.cells)
    told = warnings(record)[-1]
    assert told.startswith("In 1 of 1 races numpy, control got less than the racing core, 0.")
    assert re.search(
        rf"\(process \d+\) ran on core {busy}; (end it, or race on another by --core|no core is free)", told
    )
    assert [race.attempts for race in record.races] == [2]


def test_a_disturbance_that_passes_costs_one_repetition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shares = iter([0.5, 1.0, 1.0, 1.0])
    right = Rounds._rounds

    def measured(self: Rounds, *given: object) -> tuple:
        taken, tallied = right(self, *given)
        share = next(shares)
        for _, tally in tallied:
            tally.cores_used = share
        return taken, tallied

    monkeypatch.setattr(Rounds, "_rounds", measured)
    with without_processes():
        monkeypatch.setattr("bench.race.refusals.FEWEST_CORES_USED", 0.9)
        record = raced(tmp_path, generations=3)
    assert [cell.outcome.status for cell in record.cells] == ["ok", "ok"]
    assert [s.generation for s in record.cells[0].samples] == [0, 1, 2]
    assert [race.attempts for race in record.races] == [2, 1, 1]
    assert warnings(record)[-1] == "1 of 3 races were repeated: at first an entrant got less than its core."
