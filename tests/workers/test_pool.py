"""Which entrant has which process, on which cores, with which folder for what it compiles."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.records.schema import Entrant
from bench.resources import Resources
from bench.workers.cores import Cores
from bench.workers.environment import layout
from bench.workers.pool import Failures, Pool
from bench.workers.process import Failed, Remote
from bench.workloads import pose

CORES = Cores(racing=[2, 1], alike=[0, 1, 2], harness=[0, 1])


class Started:
    """A process that was never started; it knows what it was given and was asked."""

    alive = True

    def __init__(self, entrant, cores, cache, placed) -> None:
        self.entrant, self.cores, self.cache, self.layout = entrant, cores, cache, placed
        self.asked: list[tuple[Any, ...]] = []

    def ask(self, deadline):
        return Remote(lambda *asked: self.asked.append(asked))

    def kill(self):
        self.alive = False

    end = kill


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    monkeypatch.setattr("bench.workers.pool.Process", Started)
    return Pool(tmp_path, CORES, deadline=60, seed=3)


def entrants(*names: str, device: str = "cpu", threads: int = 1) -> list[Entrant]:
    return [Entrant(name, "numpy", Resources(device, threads), "float32") for name in names]


def started(pool: Pool, generation: int, of: list[Entrant]) -> list[Started]:
    """Return the processes of a generation."""
    with pool.generation(generation):
        for entrant in of:
            pool.start(entrant)
        return [pool.of(entrant) for entrant in of]


def test_no_entrant_finds_what_another_has_compiled_and_each_finds_its_own_again(pool: Pool):
    first, second = ([process.cache for process in started(pool, g, entrants("a", "b", "c"))] for g in range(2))
    assert first == second
    assert len(set(first)) == 3


def test_on_a_gpu_each_generation_compiles_anew(pool: Pool):
    """What autotuning drew once would be no part of the spread over the generations."""
    caches = {started(pool, g, entrants("a@cuda", device="cuda"))[0].cache for g in range(3)}
    assert len(caches) == 3


@pytest.mark.parametrize(("device", "again"), [("cpu", True), ("cuda", False)])
def test_a_first_call_is_warm_where_the_programs_were_kept(pool: Pool, device: str, again: bool):
    (entrant,), problem, warm = entrants("a", device=device), pose("factorisation/12x8r2"), []
    for generation in range(2):
        started(pool, generation, [entrant])
        warm.append(pool.compiles(entrant, problem))
    assert warm == [False, again]


def test_all_processes_of_a_generation_have_one_layout_and_those_of_another_another(pool: Pool):
    for generation in range(3):
        found = {process.layout for process in started(pool, generation, entrants("a", "b"))}
        assert found == {layout(3, generation)}


def test_processes_are_born_on_the_cores_where_they_get_ready_in_another_order_in_another_generation(pool: Pool):
    orders = [[tuple(process.cores) for process in started(pool, g, entrants("a", "b", "c"))] for g in range(6)]
    assert all(sorted(order) == [(0,), (1,), (2,)] for order in orders)
    assert len(set(map(tuple, orders))) > 2


def test_a_process_is_born_on_as_many_cores_as_it_has_threads_and_for_a_gpu_on_all(pool: Pool):
    assert started(pool, 0, entrants("a", threads=2))[0].cores == [2, 1]
    assert started(pool, 0, entrants("a", device="cuda"))[0].cores == [0, 1, 2]


def at_work(pool: Pool, of: list[Entrant], together: int) -> list[list[str]]:
    """Return who was at work each time that one began; `together` must meet before anyone goes on."""
    running, seen, lock, met = [], [], threading.Lock(), threading.Barrier(together, timeout=5)

    def work(entrant: Entrant) -> str:
        with lock:
            running.append(entrant.label)
            seen.append(sorted(running))
        met.wait()
        time.sleep(0.02)  # another that may be at work begins meanwhile
        with lock:
            running.remove(entrant.label)
        return entrant.label

    with pool.generation(0):
        for entrant in of:
            pool.start(entrant)
        assert pool.side_by_side(of, work, {}) == [(entrant, entrant.label) for entrant in of]
        pins = [[cores for method, cores in pool.of(entrant).asked if method == "pin"] for entrant in of]
    assert all(len(cores) == 1 for cores in pins)
    assert together == 1 or sorted(cores for ((cores,),) in pins) == [0, 1, 2]
    return seen


def test_as_many_get_ready_at_a_time_as_there_are_cores_each_on_its_own(pool: Pool):
    assert max(map(len, at_work(pool, entrants("a", "b", "c"), together=3))) == 3


@pytest.mark.parametrize("resources", [{"device": "cuda"}, {"threads": 2}])
def test_for_a_device_and_with_several_threads_one_gets_ready_after_another(pool: Pool, resources: dict):
    assert at_work(pool, entrants("a", "b", "c", **resources), together=1) == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(("device", "lives"), [("cpu", True), ("cuda", False)])
def test_one_that_fails_is_left_out_and_on_a_device_its_process_ends(pool: Pool, device: str, lives: bool):
    """An error of a device outlives the call that met it."""
    failed: Failures = {}

    def work(entrant: Entrant) -> str:
        if entrant.label == "a":
            raise Failed("failed", "no luck")
        return entrant.label

    a, b = entrants("a", "b", device=device)
    with pool.generation(0):
        pool.start(a)
        pool.start(b)
        assert pool.in_turn([a, b], work, failed) == [(b, "b")]
        assert pool.is_up(a) == lives
        assert failed["a"].outcome.reason == "no luck"
        assert pool.in_turn([a, b], lambda e: e.label, failed) == [(b, "b")], "it is asked no more"
