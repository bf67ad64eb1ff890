"""What a race makes of backends that are honest, that keep their answers, and that compute out of turn."""

import os
import re
from pathlib import Path

import pytest

from bench.race import refusals
from bench.records.schema import Record
from bench.workers.cores import usable_cores
from tests.running import QUICK, found, raced, without_processes

IRIS = "factorisation/iris"
HONEST, RESTLESS = ("numpy", "autograd", "control"), "tests.outsiders:Restless"


@pytest.fixture(scope="module")
def on_one_core(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Return the record of a race in processes on one core, of which one never rests."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        names = ["numpy", "autograd", RESTLESS]
        return raced(tmp_path_factory.mktemp("results"), names, [QUICK], operations=["train"])
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("label", HONEST)
def test_an_honest_worker_uses_one_core_in_its_turns_and_none_between(on_one_core: Record, label: str):
    assert found(on_one_core, label) == ("ok", "")
    entrant, cell = on_one_core.entrant(label, "float32"), on_one_core.cell(label, QUICK, "float32")
    assert cell.samples
    assert 0.2 < cell.cores_used[0] < refusals.MOST_CORES_USED
    assert entrant.idle_cpu_share[0] < refusals.MOST_IDLE_CPU_SHARE
    assert entrant.busy_threads == [1]
    assert (entrant.resources.threads, entrant.cores) == (1, usable_cores()[-1:])


def test_a_backend_that_computes_out_of_turn_is_refused(on_one_core: Record):
    status, reason = found(on_one_core, RESTLESS)
    assert status == "failed"
    assert re.match(r"computed for \d+ % of the time in which others had their turn|used \d", reason)
    assert on_one_core.entrant(RESTLESS, "float32").idle_cpu_share[0] > refusals.MOST_IDLE_CPU_SHARE


KEEPERS = {
    "Keeper": ("disagrees", "trajectory"),
    "KeeperByBatch": ("disagrees", "trajectory"),
    "KeeperByLoss": ("disagrees", "a timed call of train"),
    "KeeperByArguments": ("ok", ""),
    "KeeperByNearness": ("ok", ""),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Return the record of a race of backends that keep their answers."""
    names = [f"tests.outsiders:{name}" for name in KEEPERS]
    with without_processes():
        return raced(tmp_path_factory.mktemp("kept"), names, [IRIS], operations=["train"])


@pytest.mark.parametrize("name", KEEPERS)
def test_an_answer_that_was_kept_is_wrong_or_never_asked_for_in_a_turn(kept: Record, name: str):
    """Every timed start is new, to the untimed call before it too, and far from all that were before."""
    status, reason = found(kept, f"tests.outsiders:{name}", IRIS)
    cell = kept.cell(f"tests.outsiders:{name}", IRIS, "float32")
    assert status == KEEPERS[name][0], reason
    assert KEEPERS[name][1] in reason
    assert bool(cell.samples) == (status == "ok")
    assert cell.compilations == 0, "what the keepers recall in a turn they count as compiled"


def test_where_nothing_can_be_pinned_the_race_runs_and_the_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(pid: int, cores: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with without_processes():
        record = raced(tmp_path, operations=["train"])
    assert [(cell.outcome.status, len(cell.samples)) for cell in record.cells] == [("ok", 1)] * 2
    assert [entrant.cores for entrant in record.entrants] == [[], []]
