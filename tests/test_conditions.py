"""A backend that got less than its core is told, raced once more, and given no verdict."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import conditions, messages, session
from bench.choice import Choice
from bench.process import usable_cores
from bench.record import Entrant, Race
from bench.report.findings import all_findings
from tests.running import QUICK

RACE = Race(2, QUICK, "float32", 0, {}, {})


def tallied(cores_used: float, device: str = "cpu") -> tuple[Entrant, messages.Tallied]:
    entrant = Entrant(label=f"x{cores_used}", backend="numpy", device=device, dtype="float32")
    return entrant, messages.Tallied(cores_used, 0.0, 1, 0, 0)


@pytest.mark.parametrize(
    ("cores_used", "device", "starved"), [(1.0, "cpu", 0), (0.91, "cpu", 0), (0.89, "cpu", 1), (0.2, "cuda", 0)]
)
def test_less_than_nine_tenths_of_a_core_is_too_little_on_a_cpu(cores_used: float, device: str, starved: int):
    assert len(conditions.starved([tallied(cores_used, device)])) == starved


def test_a_race_on_whole_cores_is_not_spoken_of():
    assert conditions.Watch([0]).told(RACE, [tallied(0.99)]) == ""


@pytest.mark.parametrize("controllers", ["", "cpu", "cpu,cpuacct"])
def test_a_quota_is_named_as_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, controllers: str):
    folder = tmp_path / controllers / "mine" if controllers else tmp_path / "mine"
    folder.mkdir(parents=True)
    lines = {
        Path("/proc/self/cgroup"): [f"3:{controllers}:/mine"],
        folder / "cpu.stat": ["nr_periods 9", "nr_throttled 5"],
    }
    monkeypatch.setattr(conditions, "CGROUP", tmp_path)
    monkeypatch.setattr(conditions, "_lines", lambda path: lines.get(path, []))
    watch = conditions.Watch([0])
    lines[folder / "cpu.stat"] = ["nr_periods 99", "nr_throttled 47"]
    told = watch.told(RACE, [tallied(0.5), tallied(1.0)])
    assert told == (
        f"{QUICK}, generation 3: x0.5 got 0.5 of a core, twice, and those samples are left out:"
        " the CPU quota of this container stopped it 42 times; raise the quota."
    )


def burning(core: int) -> subprocess.Popen:
    return subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", "while True: pass"])


@pytest.mark.alone
def test_a_process_that_computes_on_the_core_is_named_as_the_cause():
    core = usable_cores()[-1]
    watch, other = conditions.Watch([core]), burning(core)
    try:
        time.sleep(1)
        assert "python" in watch.told(RACE, [tallied(0.5)])
    finally:
        other.kill()
        other.wait()


@pytest.mark.alone
@pytest.mark.skipif(os.cpu_count() == 1, reason="the harness itself needs a core")
def test_a_busy_loop_on_the_racing_core_leaves_no_sample_and_no_verdict(tmp_path: Path):
    other = burning(usable_cores()[-1])
    try:
        choice = Choice(["numpy", "numpy-inplace"], [QUICK], ["cpu"], operations=["train"], pace="quick", generations=2)
        record = session.run(choice, tmp_path, lambda line: None)
    finally:
        other.kill()
        other.wait()
    assert {cell.outcome.word for cell in record.cells} == {"starved"}
    assert not any(cell.samples for cell in record.cells)
    assert len(record.warnings) == 2
    assert all("of a core, twice, and those samples are left out" in told for told in record.warnings)
    (f,) = all_findings(record)
    assert f.ratio(*f.racers, QUICK) is None


@pytest.mark.alone
@pytest.mark.skipif(os.cpu_count() == 1, reason="the harness itself needs a core")
def test_a_disturbance_that_passes_costs_one_repetition(tmp_path: Path):
    """The other process ends while the race is repeated at the latest."""
    other = burning(usable_cores()[-1])
    choice = Choice(["numpy"], [QUICK], ["cpu"], operations=["train"], pace="quick", generations=3)

    def say(line: str) -> None:
        if "generation 2" in line:
            other.kill()

    record = session.run(choice, tmp_path, say)
    other.wait()
    (cell, *_) = record.cells
    assert cell.outcome.word == "ok"
    assert [s.generation for s in cell.samples] == [1, 2]
    assert len(cell.cores_used) == 3
