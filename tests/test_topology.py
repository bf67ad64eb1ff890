"""The racing core is chosen by what Linux tells of the processor, and the harness stays off it."""

import fcntl
import os
from pathlib import Path

import pytest

from bench.devices import cpu
from bench.devices.cpu import Cores, cores
from bench.errors import UsageError


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that lays out a made-up /sys: by core its siblings, its memory node, and its capacity."""

    def lay_out(layout: dict[int, tuple[str, int, int]]) -> list[int]:
        for number, (siblings, node, capacity) in layout.items():
            folder = tmp_path / "system" / "cpu" / f"cpu{number}"
            (folder / "topology").mkdir(parents=True)
            (folder / f"node{node}").mkdir()
            (folder / "topology" / "thread_siblings_list").write_text(f"{siblings}\n")
            (folder / "cpu_capacity").write_text(f"{capacity}\n")
        monkeypatch.setattr(cpu, "SYSTEM", tmp_path / "system")
        return list(layout)

    return lay_out


def test_on_equal_cores_the_last_races_and_the_harness_has_the_others(machine):
    usable = machine({n: (str(n), 0, 1024) for n in range(4)})
    assert cores(usable) == Cores([3], [[0], [1], [2], [3]], [0, 1, 2])


def test_a_sibling_thread_of_the_racing_core_is_given_to_nobody(machine):
    usable = machine({n: (f"{n % 2},{n % 2 + 2}", 0, 1024) for n in range(4)})
    assert cores(usable) == Cores([1], [[0], [1]], [0, 2])


def test_those_that_prepare_are_of_the_memory_node_and_kind_of_the_racing_core(machine):
    """Eight cores on two nodes, of which one has a core less; the slow cores are many and not raced on."""
    layout = {n: (str(n), 0, 1024) for n in range(4)} | {n: (str(n), 1, 1024) for n in range(4, 7)}
    layout |= {n: (str(n), 0, 512) for n in range(8, 16)}
    found = cores(machine(layout))
    assert found.racing == [3]
    assert found.preparing == [[0], [1], [2], [3]]
    assert 3 not in found.harness


def test_the_fast_cores_of_a_processor_that_tells_two_kinds_race(machine, tmp_path: Path):
    usable = machine({n: (str(n), 0, 0) for n in range(6)})
    for kind, listed in {"cpu_core": "0-1", "cpu_atom": "2-5"}.items():
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "cpus").write_text(listed)
    assert cores(usable) == Cores([1], [[0], [1]], [0, 2, 3, 4, 5])


def test_a_person_may_choose_the_core(machine):
    usable = machine({n: (str(n), 0, 1024) for n in range(3)})
    assert cores(usable, 0) == Cores([0], [[0], [1], [2]], [1, 2])


def test_without_a_topology_every_processor_counts_as_a_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpu, "SYSTEM", tmp_path / "nothing")
    assert cores([0, 1, 2]) == Cores([2], [[0], [1], [2]], [0, 1])


def test_of_one_physical_core_the_harness_has_the_other_thread(machine):
    usable = machine(dict.fromkeys(range(2), ("0,1", 0, 1024)))
    assert cores(usable) == Cores([0], [[0]], [1])


def test_one_core_does_everything(machine):
    assert cores(machine({0: ("0", 0, 1024)})) == Cores([0], [[0]], [0])


def test_where_nothing_can_be_pinned_all_run_anywhere():
    assert cores([]) == Cores([], [[]], [])
    with pytest.raises(UsageError, match="--core 1 cannot be kept: this process may not pin others; leave it out"):
        cores([], 1)


@pytest.mark.parametrize("asked", [99, 2])
def test_a_core_that_is_not_there_is_refused_with_the_choices(machine, asked: int):
    usable = machine({n: (str(n), 0, 1024) for n in range(2)})
    with pytest.raises(UsageError, match=f"there is no core {asked} to race on; choose --core from 0, 1"):
        cores(usable, asked)


def test_a_core_that_another_race_holds_is_refused_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpu, "LOCKS", tmp_path)
    with cpu.reserved([0, 1]):
        with (
            pytest.raises(UsageError, match="another race is using core 1 of this machine; wait for it"),
            cpu.reserved([1, 2]),
        ):
            pass
        with cpu.reserved([2, 3]):
            pass
    with cpu.reserved([1, 2]):
        pass


def test_a_lock_that_another_user_made_is_held_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpu, "LOCKS", tmp_path)
    path = tmp_path / "autodiff-backends-core-0.lock"
    path.touch(0o444)
    theirs = os.open(path, os.O_RDONLY)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="another race is using core 0"), cpu.reserved([0]):
        pass
    os.close(theirs)
    with cpu.reserved([0]):
        pass
