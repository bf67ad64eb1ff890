"""A faulty backend loses its own cells, with a status and a reason; the race goes on, and honest ones stay ok."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.console import exit
from bench.devices import DEVICES
from bench.plan import new_record
from bench.plan.selection import Selection
from bench.records.schema import Record
from bench.report import summary
from bench.session import agreement
from tests.running import QUICK, found, raced, without_processes

LARGER = "factorisation/300x50r5"
ANSWERS, CALLS = "tests.faults.backends:", "tests.faults.in_calls:"

FORM, LATE = (
    "form: gradient at the start",
    "raised Unsupported in a call; raise it in the factory, or where the function",
)
RETURNED = (
    "value_and_grad returned {}; return the tuple (loss, grads), in which grads is a dict with the keys of the params"
)
AT_ONCE = {
    f"{ANSWERS}SignFlipped": ("disagrees", "gradient at the start, by norm: "),
    f"{ANSWERS}NanInOnePlace": ("disagrees", f"{FORM}, U holds 1 of 48 numbers that are not finite"),
    f"{ANSWERS}NanInTheSamePlace": ("disagrees", f"{FORM}, U holds 1 of 48 numbers that are not finite"),
    f"{ANSWERS}OtherDtype": ("disagrees", f"{FORM}, U has dtype float64 instead of float32"),
    f"{ANSWERS}ShapeThatBroadcasts": ("disagrees", f"{FORM}, U has shape (1, 2) instead of (24, 2)"),
    f"{ANSWERS}Diverging": ("diverged", "form: diverged: losses holds"),
    f"{CALLS}WrongInTurns": ("disagrees", "a timed call of train ended on loss"),
    f"{CALLS}OddMode": ("disagrees", "; one of eager, compiled step, compiled loop is needed"),
    f"{CALLS}OddVersions": ("disagrees", "; a dict from library to version is needed"),
    f"{CALLS}Unwaiting": ("disagrees", "a Unwaiting without wait; bench/backend.py has the protocol"),
    f"{CALLS}AList": ("disagrees", RETURNED.format("a list")),
    f"{CALLS}Swapped": ("disagrees", RETURNED.format("(dict, float32)")),
    f"{CALLS}Untold": ("disagrees", "train returned a NoneType; return the tuple (params, losses), in which params is"),
    f"{CALLS}Recompiling": ("failed", "programs inside timed turns; a timed call must not compile"),
    f"{CALLS}NeverCompiling": ("failed", "its compiler is switched off: it compiled no program"),
    f"{CALLS}UnsupportedInACall": ("failed", f"train {LATE} is made: not for factorisation, it found out in the call"),
    f"{CALLS}UnsupportedWhenTimed": ("failed", LATE),
    f"{CALLS}ForgetsItsLibrary": ("failed", "not installed, it said after every check was passed: No module named"),
    f"{CALLS}Raising": ("failed", "ValueError: no such luck (in_calls.py, line "),
    f"{CALLS}NeverHeardOf": ("failed", "is no status for what cannot run here; say `not on`, `not for` or `needs`"),
    f"{CALLS}NoSuchName": ("failed", "has no attribute 'NoSuchName'"),
    f"{CALLS}Insatiable": ("out of memory", "Unable to allocate"),
    f"{CALLS}NotOnThisDevice": ("not on cpu", "it needs a device that nobody has"),
    f"{CALLS}NotForThisWorkload": ("not for factorisation", "it knows its gradient of nothing"),
    f"{CALLS}NeedsANewerLibrary": ("needs numpy>=99", "an operation that it uses is not there before"),
    "tests.faults.needs_what_is_absent:factory": ("not installed", "No module named 'no_such_framework'; install it"),
    "tests.faults.breaks_on_import:factory": ("failed", "ImportError: libcudart.so.99"),
}
"""By backend, its status and a part of its reason."""

ON_THE_LARGER = {
    f"{ANSWERS}WrongWhenLarge": ("disagrees", "gradient at the start, by norm: "),
    f"{CALLS}Remembering": ("failed", "it cannot have computed its answers"),
    f"{CALLS}Insatiable": ("skipped", f"out of memory on {QUICK}, which is smaller"),
}


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Record:
    with without_processes():
        return raced(tmp_path_factory.mktemp("at once"), ["numpy", *AT_ONCE])


@pytest.fixture(scope="module")
def on_two_sizes(tmp_path_factory: pytest.TempPathFactory) -> Record:
    with without_processes():
        return raced(tmp_path_factory.mktemp("sizes"), ["numpy", *ON_THE_LARGER], [QUICK, LARGER])


@pytest.mark.parametrize("name", AT_ONCE)
def test_each_fault_has_its_status_and_its_reason(at_once: Record, name: str):
    status, reason = found(at_once, name)
    assert status == AT_ONCE[name][0], reason
    assert AT_ONCE[name][1] in reason


@pytest.mark.parametrize("label", ["numpy", "control"])
def test_the_honest_beside_them_are_ok_and_timed(at_once: Record, label: str):
    assert found(at_once, label) == ("ok", "")
    operations = [s.operation for s in at_once.cell(label, QUICK, "float32").samples]
    assert sorted(operations) == ["loss", "train", "value_and_grad"]


def test_no_cell_that_failed_keeps_a_sample(at_once: Record, on_two_sizes: Record):
    cells = at_once.cells + on_two_sizes.cells
    assert not [cell.entrant for cell in cells if cell.outcome.status != "ok" and cell.samples]


def test_the_record_with_all_of_them_is_complete_and_its_exit_code_tells_of_wrong_answers(at_once: Record):
    assert at_once.status == "complete"
    assert summary.exit_code(at_once) == exit.DISAGREEMENT


@pytest.mark.parametrize("name", ON_THE_LARGER)
def test_a_fault_that_shows_on_a_larger_problem_costs_that_cell(on_two_sizes: Record, name: str):
    status, reason = found(on_two_sizes, name, LARGER)
    assert status == ON_THE_LARGER[name][0], reason
    assert ON_THE_LARGER[name][1] in reason


def test_a_backend_that_is_wrong_on_a_larger_problem_keeps_the_smaller_one(on_two_sizes: Record):
    assert found(on_two_sizes, f"{ANSWERS}WrongWhenLarge") == ("ok", "")


def test_a_gradient_a_thousandth_too_long_is_caught_in_float64():
    with without_processes():
        selection = Selection([f"{ANSWERS}AThousandthLong"], [QUICK], ["cpu"], dtypes=["float64"], operations=[])
        record = agreement(selection, lambda line: None)
    assert [cell.outcome.status for cell in record.cells] == ["disagrees"]


def test_a_backend_that_races_alone_is_held_to_what_the_machine_can_do_too(tmp_path: Path):
    name = f"{CALLS}Remembering"
    with without_processes():
        status, reason = found(raced(tmp_path, [name], [LARGER], operations=["train"]), name, LARGER)
    assert status == "failed"
    assert "it cannot have computed its answers" in reason


def test_a_gpu_that_is_asked_for_and_not_used_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(DEVICES, "cuda", replace(DEVICES["cuda"], least_warm_up_seconds=0.0))
    name = f"{CALLS}Pretender"
    with without_processes():
        record = raced(tmp_path, [name], devices=["cuda"], operations=["train"])
    status, reason = found(record, f"{name}@cuda")
    assert status == "failed"
    assert "took no device memory" in reason


def test_times_that_jump_tenfold_are_called_unsteady_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(new_record.ROUNDS, "quick", 2)
    name = f"{CALLS}Moody"
    with without_processes():
        record = raced(tmp_path, ["numpy", name], operations=["train"], generations=3)
    status, reason = found(record, name)
    assert status == "unsteady", reason
    assert len(record.cell(name, QUICK, "float32").samples) == 3
    assert found(record, "numpy") == ("ok", "")


def test_a_module_that_the_worker_cannot_find_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It lies on the parent's path alone."""
    (tmp_path / "mislaid.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    record = agreement(Selection(["mislaid:factory"], [QUICK], ["cpu"], operations=[]), lambda line: None)
    assert found(record, "mislaid:factory") == ("failed", "ModuleNotFoundError: No module named 'mislaid'")
    assert summary.exit_code(record) == exit.FAILED


def test_a_record_of_failures_is_plain_json(at_once: Record, tmp_path_factory: pytest.TempPathFactory):
    (path,) = (tmp_path_factory.getbasetemp() / "at once0").glob("*.json")
    assert json.loads(path.read_text(encoding="utf-8"))["id"] == at_once.id
