"""The racing cores are chosen by what Linux tells of the processor, and the harness stays off the first of them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.workers import cores
from bench.workers.cores import Cores, choose, reserved
from tests.running import ROOT

Layout = dict[int, tuple[str, int, int]]
"""By processor: its siblings, its memory node, and its capacity."""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Layout], list[int]]:
    """Return a function that lays out a made-up /sys."""

    def lay_out(layout: Layout) -> list[int]:
        for number, (siblings, node, capacity) in layout.items():
            folder = tmp_path / "system" / "cpu" / f"cpu{number}"
            (folder / "topology").mkdir(parents=True)
            (folder / f"node{node}").mkdir()
            (folder / "topology" / "thread_siblings_list").write_text(f"{siblings}\n")
            (folder / "cpu_capacity").write_text(f"{capacity}\n")
        monkeypatch.setattr(cores, "SYSTEM", tmp_path / "system")
        return list(layout)

    return lay_out


def alike(count: int) -> Layout:
    return {n: (str(n), 0, 1024) for n in range(count)}


def test_on_equal_cores_the_last_races_and_the_harness_has_the_others(machine):
    assert choose(machine(alike(4))) == Cores([3], [0, 1, 2, 3], [0, 1, 2])


def test_a_sibling_thread_of_the_racing_core_is_given_to_nobody(machine):
    usable = machine({n: (f"{n % 2},{n % 2 + 2}", 0, 1024) for n in range(4)})
    assert choose(usable) == Cores([1], [0, 1], [0, 2])


def test_backends_get_ready_on_the_memory_node_and_kind_of_the_racing_core(machine):
    """Of eight cores on two nodes, one node has a core less; the slow cores are many and not raced on."""
    layout = alike(4) | {n: (str(n), 1, 1024) for n in range(4, 7)} | {n: (str(n), 0, 512) for n in range(8, 16)}
    found = choose(machine(layout))
    assert (found.racing, found.alike) == ([3], [0, 1, 2, 3])
    assert 3 not in found.harness


def test_the_fast_cores_of_a_processor_that_tells_two_kinds_race(machine, tmp_path: Path):
    usable = machine({n: (str(n), 0, 0) for n in range(6)})
    for kind, listed in {"cpu_core": "0-1", "cpu_atom": "2-5"}.items():
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "cpus").write_text(listed)
    assert choose(usable) == Cores([1], [0, 1], [0, 2, 3, 4, 5])


def test_further_threads_get_physical_cores_alike_first_then_other_cores_then_siblings(machine):
    """Processors 0 to 3 are two physical cores of one node, 4 is a core of another node."""
    layout = {n: (f"{n % 2},{n % 2 + 2}", 0, 1024) for n in range(4)} | {4: ("4", 1, 1024)}
    usable = machine(layout)
    assert choose(usable, 5).racing == [1, 0, 4, 3, 2]
    assert choose(usable, 5).of(2) == [1, 0]


def test_a_backend_with_several_threads_gets_ready_where_it_races(machine):
    found = choose(machine(alike(3)), 2)
    assert found.places(1) == [[0], [1], [2]]
    assert found.places(2) == [[2, 1]]


def test_more_threads_than_cores_are_refused(machine):
    with pytest.raises(UsageError, match="3 threads need as many cores, and 2 can be used; give --threads fewer"):
        choose(machine(alike(2)), 3)


def test_a_person_may_choose_the_core(machine):
    assert choose(machine(alike(3)), 1, 0) == Cores([0], [0, 1, 2], [1, 2])


def test_without_a_topology_every_processor_counts_as_a_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cores, "SYSTEM", tmp_path / "nothing")
    assert choose([0, 1, 2]) == Cores([2], [0, 1, 2], [0, 1])


def test_of_one_physical_core_the_harness_has_the_other_thread(machine):
    assert choose(machine(dict.fromkeys(range(2), ("0,1", 0, 1024)))) == Cores([0], [0], [1])


def test_one_core_does_everything(machine):
    assert choose(machine(alike(1))) == Cores([0], [0], [0])


def test_where_nothing_can_be_pinned_all_run_anywhere():
    assert choose([]) == Cores([], [], [])
    assert choose([], 4).places(4) == [[]]
    with pytest.raises(UsageError, match="--core 1 cannot be kept: this process may not pin others; leave it out"):
        choose([], 1, 1)


@pytest.mark.parametrize("asked", [99, 2])
def test_a_core_that_is_not_there_is_refused_with_the_choices(machine, asked: int):
    with pytest.raises(UsageError, match=f"there is no core {asked} to race on; choose --core from 0, 1"):
        choose(machine(alike(2)), 1, asked)


def test_a_core_that_another_race_holds_is_refused_until_it_ends():
    with reserved([100_000, 100_001]):
        said = "another race is using core 100001 of this machine; wait for it, or give each its own cores by taskset"
        with pytest.raises(UsageError, match=said), reserved([100_001, 100_002]):
            pass
        with reserved([100_002, 100_003]):
            pass
    with reserved([100_001, 100_002]):
        pass


def test_a_core_is_free_again_when_the_process_that_held_it_was_killed():
    hold = "import sys\nfrom bench.workers.cores import reserved\nwith reserved([100_004]):\n    print(flush=True)\n    sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline()
        with pytest.raises(UsageError, match="another race is using core 100004"), reserved([100_004]):
            pass
        other.kill()
        other.wait()
        with reserved([100_004]):
            pass
