"""What a record says of the host: which machine it is, and what took a core away."""

import os
import subprocess
from pathlib import Path

import pytest

from bench.records import host

MILAN = """processor\t: 0
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC

processor\t: 1
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC
"""


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (MILAN, "AMD EPYC (family 25, model 1)"),
        (MILAN.replace("model\t\t: 1", "model\t\t: 17"), "AMD EPYC (family 25, model 17)"),
        ("model name\t: Some CPU\n", "Some CPU"),
    ],
)
def test_the_processor_is_named_with_its_family_and_model(monkeypatch: pytest.MonkeyPatch, told: str, name: str):
    """Two processors that share a marketing name are two machines."""
    monkeypatch.setattr(Path, "read_text", lambda self: told)
    assert host.describe().cpu == name


def test_a_machine_that_tells_nothing_has_a_name_still(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "read_text", lambda self: "")
    assert host.describe().cpu


@pytest.mark.parametrize("controllers", ["", "cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("group", ["", "mine", "mine/inner"])
def test_a_quota_is_named_as_the_cause_whichever_group_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, controllers: str, group: str
):
    lines = {Path("/proc/self/cgroup"): [f"3:{controllers}:/mine/inner"]}
    told = {place: ["nr_periods 9", "nr_throttled 0"] for place in ("", "mine", "mine/inner")}
    lines |= {tmp_path / controllers / place / "cpu.stat": stat for place, stat in told.items()}
    monkeypatch.setattr(host, "CGROUP", tmp_path)
    monkeypatch.setattr(host, "_lines", lambda path: lines.get(path, []))
    watch = host.Watch([0])
    assert "quota" not in watch.cause()
    lines[tmp_path / controllers / group / "cpu.stat"] = ["nr_periods 99", "nr_throttled 42"]
    assert watch.cause() == "the CPU quota of this container stopped it; raise the quota"


def test_the_process_that_computed_most_is_named_as_the_cause_unless_the_race_started_it(
    monkeypatch: pytest.MonkeyPatch,
):
    core, other = min(os.sched_getaffinity(os.getppid())), os.getppid()
    with subprocess.Popen("cat", stdin=subprocess.PIPE) as own:
        spent = iter([{own.pid: 1.0, other: 1.0, 1: 1.0}, {own.pid: 9.0, other: 1.2, 1: 1.1}])
        monkeypatch.setattr(host, "_seconds_by_process", lambda: next(spent))
        monkeypatch.setattr("os.getloadavg", lambda: (1.5, 0.0, 0.0))
        said = host.Watch([core]).cause()
        own.stdin.close()
    assert f"(process {other}) ran on core {core}; end it, or race on another by --core" in said


def test_where_no_process_computed_something_else_is_the_cause(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "_seconds_by_process", dict)
    for load, remedy in [
        (0.5, "wait for it, or race on another by --core"),
        (99.0, "no core is free at a load of 99.0, so wait until it is lower"),
    ]:
        monkeypatch.setattr("os.getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert host.Watch([7]).cause() == f"something else ran on core 7; {remedy}"
