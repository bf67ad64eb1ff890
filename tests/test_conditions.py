"""A backend that got less than its core is told, raced once more, and given no verdict."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench import session
from bench.devices import cpu
from bench.plan.selection import Choice
from bench.race import conditions
from bench.race.rounds import Rounds
from bench.records.schema import Entrant, Race
from bench.report.findings import all_findings
from bench.workers import messages
from bench.workers.process import usable_cores
from tests.running import QUICK
from tests.sample_record import sample_record


def tallied(cores_used: float, device: str = "cpu") -> tuple[Entrant, messages.Tallied]:
    entrant = Entrant(label=f"x{cores_used}", backend="numpy", device=device, dtype="float32")
    return entrant, messages.Tallied(cores_used, 0.0, 1, 0, 0)


@pytest.mark.parametrize(
    ("cores_used", "device", "starved"), [(1.0, "cpu", 0), (0.91, "cpu", 0), (0.89, "cpu", 1), (0.2, "cuda", 0)]
)
def test_less_than_nine_tenths_of_a_core_is_too_little_on_a_cpu(cores_used: float, device: str, starved: int):
    assert len(conditions.starved([tallied(cores_used, device)])) == starved


@pytest.mark.parametrize("controllers", ["", "cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("group", ["", "mine", "mine/inner"])
def test_a_quota_is_named_as_the_cause_whichever_group_has_it(
    tmp_path: Path, monkeypatch, controllers: str, group: str
):
    lines = {Path("/proc/self/cgroup"): [f"3:{controllers}:/mine/inner"]}
    told = {place: ["nr_periods 9", "nr_throttled 0"] for place in ("", "mine", "mine/inner")}
    lines |= {tmp_path / controllers / place / "cpu.stat": stat for place, stat in told.items()}
    monkeypatch.setattr(conditions, "CGROUP", tmp_path)
    monkeypatch.setattr(conditions, "_lines", lambda path: lines.get(path, []))
    watch = conditions.Watch([0])
    assert "quota" not in watch.cause()
    lines[tmp_path / controllers / group / "cpu.stat"] = ["nr_periods 99", "nr_throttled 42"]
    assert watch.cause() == "the CPU quota of this container stopped it; raise the quota"


def test_starved_races_are_told_in_one_sentence_for_each_cause():
    record = sample_record(["numpy"], [QUICK])
    for generation, (starved, cause) in enumerate(
        [({}, ""), ({"numpy": 0.5}, "x"), ({"numpy": 0.4, "control": 0.7}, "x")]
    ):
        record.races.append(Race(generation, QUICK, "float32", 0, {}, {}, 1 + bool(starved), starved, cause))
    record.races.append(Race(3, QUICK, "float32", 0, {}, {}, attempts=2))
    assert record.told() == [
        "In 2 of 4 races numpy, control got less than the racing core, 0.4 of it at the least, and those samples are left out: x.",
        "1 of 4 races were repeated: at first an entrant got less than its core.",
    ]


def racing_core() -> int:
    (core,) = cpu.cores(usable_cores()).racing
    return core


def burning(core: int) -> psutil.Process:
    """A busy loop that is no child of this process, for those are the race's own."""
    loop = f"taskset -c {core} {sys.executable} -c 'while True: pass' > /dev/null 2>&1 & echo $!"
    return psutil.Process(int(subprocess.run(["sh", "-c", loop], capture_output=True, check=True).stdout))


@pytest.mark.alone
def test_a_process_that_computes_on_the_core_is_named_as_the_cause():
    core = racing_core()
    watch, other = conditions.Watch([core]), burning(core)
    try:
        time.sleep(1)
        assert f"(process {other.pid}) ran on core {core}; end it, or race on another by --core" in watch.cause()
    finally:
        other.kill()
        other.wait()


@pytest.mark.alone
@pytest.mark.skipif(os.cpu_count() == 1, reason="the harness itself needs a core")
def test_a_busy_loop_on_the_racing_core_leaves_no_sample_and_no_verdict(tmp_path: Path):
    other = burning(racing_core())
    try:
        choice = Choice(["numpy", "numpy-inplace"], [QUICK], ["cpu"], operations=["train"], pace="quick", generations=2)
        record = session.run(choice, tmp_path, lambda line: None)
    finally:
        other.kill()
        other.wait()
    assert {cell.outcome.status for cell in record.cells} == {"starved"}
    assert not any(cell.samples for cell in record.cells)
    (told,) = record.told()
    assert told.startswith("In 2 of 2 races numpy, numpy-inplace, control got less than the racing core, 0.")
    assert f"(process {other.pid}) ran on core {racing_core()}; end it, or race on another by --core." in told
    assert [race.attempts for race in record.races] == [2, 2]
    (f,) = all_findings(record)
    assert f.ratio(*f.racers, QUICK) is None


@pytest.mark.alone
@pytest.mark.skipif(os.cpu_count() == 1, reason="the harness itself needs a core")
def test_a_disturbance_that_passes_costs_one_repetition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The other process ends before the race is repeated."""
    other, rounds = burning(racing_core()), Rounds._rounds

    def disturbed_once(self: Rounds, race: Race, racing: list[Entrant]):
        if race.attempts == 2:
            other.kill()
            other.wait()
        return rounds(self, race, racing)

    monkeypatch.setattr(Rounds, "_rounds", disturbed_once)
    choice = Choice(["numpy"], [QUICK], ["cpu"], operations=["train"], pace="quick", generations=3)
    record = session.run(choice, tmp_path, lambda line: None)
    (cell, *_) = record.cells
    assert cell.outcome.status == "ok"
    assert [s.generation for s in cell.samples] == [0, 1, 2]
    assert [race.attempts for race in record.races] == [2, 1, 1]
    assert record.told() == ["1 of 3 races were repeated: at first an entrant got less than its core."]
