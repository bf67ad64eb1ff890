"""A faulty backend loses its own cells, with a word and a reason; the race goes on, and honest ones stay ok."""

import json
import os
import time

import pytest

from bench import session
from bench.console import exit
from bench.plan.selection import Choice
from bench.records.store import read
from bench.report import words
from bench.report.findings import all_findings
from bench.workers.process import KEPT_OUTPUT, usable_cores
from tests.faults.left_behind import MARK, left_behind
from tests.running import QUICK

HERE = "tests.faults.backends:"
LARGER = "factorisation/300x50r5"
PATIENCE = 5
"""Seconds; all of an honest cell took one."""

FORM, NORM = "form: gradient at the start", "gradient at the start, by norm: "
AT_ONCE = [
    ("AllZero", "disagrees", NORM),
    ("SignFlipped", "disagrees", NORM),
    ("OnePercentShort", "disagrees", NORM),
    ("OneElementMissing", "disagrees", NORM),
    ("NanInOnePlace", "disagrees", f"{FORM}, U holds 1 of 48 numbers that are not finite"),
    ("NanInTheSamePlace", "disagrees", f"{FORM}, U holds 1 of 48 numbers that are not finite"),
    ("Infinite", "disagrees", f"{FORM}, U holds 48 of 48 numbers that are not finite"),
    ("OtherDtype", "disagrees", f"{FORM}, U has dtype float64 instead of float32"),
    ("ShapeThatBroadcasts", "disagrees", f"{FORM}, U has shape (1, 2) instead of (24, 2)"),
    ("ScalarForArray", "disagrees", f"{FORM}, U has shape () instead of (24, 2)"),
    ("Empty", "disagrees", f"{FORM}, U has shape (0, 2) instead of (24, 2)"),
    ("Stale", "disagrees", "gradient halfway, by norm: "),
    ("Foreseen", "disagrees", "loss: "),
    ("StaleValue", "disagrees", "loss: "),
    ("MeanBesideTheGradient", "disagrees", "loss: "),
    ("RemembersByShape", "disagrees", "loss: "),
    ("RemembersTheBatch", "disagrees", "loss: "),
    ("Meddling", "disagrees", "arguments untouched: "),
    ("Lazy", "disagrees", "waits: train: wait returned after"),
    ("LazyGradient", "disagrees", "waits: value_and_grad: wait returned after"),
    ("Nondeterministic", "disagrees", "repeatable: "),
    ("DropsAStep", "disagrees", "trajectory: "),
    ("Diverging", "diverged", "form: diverged: losses holds"),
    ("WrongInTurns", "disagrees", "a timed call of train ended on loss"),
    ("EndsWhenTimed", "crashed", "the process ended with exit code 7 during pilot"),
    ("InAChild", "ok", ""),
    ("InAChildElsewhere", "failed", " core"),  # left its, or used more than one, whichever is seen first
    ("InAnOrphan", "failed", " core"),
    ("recompiling_jax", "failed", "inside timed turns; a timed call must not compile"),
    ("recompiling_torch", "failed", "inside timed turns; a timed call must not compile"),
    ("UnsupportedInACall", "failed", "train raised Unsupported in a call; raise it in the factory, or where the"),
    ("UnsupportedWhenTimed", "failed", "raised Unsupported in a call; raise it in the factory, or where the function"),
    ("ForgetsItsLibrary", "failed", "not installed, it said after every gate was passed: No module named"),
    ("Segfaulting", "crashed", "the process was ended by SIGSEGV during prepare"),
    ("Killed", "crashed", "the process was ended by SIGKILL during prepare"),
    ("Exiting", "crashed", "the process ended with exit code 0 during prepare"),
    ("LeavesAChild", "crashed", "the process ended with exit code 0 during prepare"),
    ("Babbling", "crashed", "the process was ended by SIGABRT during prepare"),
    ("Raising", "failed", "ValueError: no such luck (backends.py, line "),
    ("Starved", "out of memory", "Unable to allocate"),
    ("NeverHeardOf", "failed", "is no word for what cannot run here; say `not on`, `not for` or `needs`"),
    ("OddMode", "disagrees", "; one of eager, compiled step, compiled loop is needed"),
    ("OddVersions", "disagrees", "; a dict from library to version is needed"),
    ("Unwaiting", "disagrees", "the factory returned a Unwaiting without wait; bench/backend.py has the protocol"),
    ("AList", "disagrees", "value_and_grad returned a list; return the tuple (loss, grads), with grads a dict"),
    (
        "Swapped",
        "disagrees",
        "value_and_grad returned (dict, float32); return the tuple (loss, grads), with grads a dict",
    ),
    ("Untold", "disagrees", "train returned a NoneType; return the tuple (params, losses), with params a dict"),
    ("Nowhere", "failed", "has no attribute 'Nowhere'"),
    ("Chatty", "ok", ""),
]
NEVER_LOADED = [
    ("tests.faults.needs_what_is_absent:factory", "not installed", "No module named 'no_such_framework'"),
    ("tests.faults.breaks_on_import:factory", "failed", "ImportError: libcudart.so.99"),
]
ON_THE_LARGER = [
    ("WrongWhenLarge", "disagrees", NORM),
    ("Remembering", "failed", "it cannot have computed its answers"),
    ("Deaf", "skipped", f"timed out on {QUICK}, which is smaller"),
]


def raced(folder, names, problems, **choice):
    """The record of a race of these next to numpy, read back from the disk."""
    asked = Choice(["numpy", *names], problems, ["cpu"], pace="quick", **({"generations": 1} | choice))
    os.environ.update(MARK)
    made = session.run(asked, folder, say=lambda line: None)
    return read(folder / f"{made.id}.json")


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    names = [HERE + name for name, *_ in AT_ONCE] + [name for name, *_ in NEVER_LOADED]
    return raced(tmp_path_factory.mktemp("at once"), names, [QUICK], deadline=200)


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """With a deadline that the hanging ones miss, on two sizes; two at a time, so that it is missed once."""
    names = [HERE + name for name, *_ in ON_THE_LARGER] + ["tests.faults.hangs_on_import:factory"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.workers.pool.usable_cores", lambda: 2 * usable_cores()[-1:])
        return raced(tmp_path_factory.mktemp("patient"), names, [QUICK, LARGER], deadline=PATIENCE)


def found(record, name, problem=QUICK):
    outcome = record.cell(name, problem, record.settings.dtypes[0]).outcome
    return outcome.status, outcome.reason


@pytest.mark.parametrize(("name", "word", "why"), [(HERE + n, *rest) for n, *rest in AT_ONCE] + NEVER_LOADED)
def test_each_fault_has_its_word_and_its_reason(at_once, name, word, why):
    got, reason = found(at_once, name)
    assert got == word, reason
    assert why in reason


@pytest.mark.parametrize("label", ["numpy", "control"])
def test_the_honest_beside_them_are_ok_and_timed(at_once, label):
    assert found(at_once, label) == ("ok", "")
    operations = [s.operation for s in at_once.cell(label, QUICK, "float32").samples]
    assert sorted(operations) == ["loss", "train", "value_and_grad"]


def test_no_cell_that_failed_keeps_a_sample(at_once):
    assert not [cell.entrant for cell in at_once.cells if cell.outcome.status != "ok" and cell.samples]


def test_the_record_with_all_of_them_is_complete_and_its_exit_code_tells_of_wrong_answers(at_once):
    assert at_once.status == "complete"
    assert words.exit_code(all_findings(at_once)) == exit.DISAGREEMENT


def test_the_last_output_is_kept_bounded_and_readable(at_once):
    kept = at_once.entrant(HERE + "Babbling", "float32").last_output
    assert len(kept) <= KEPT_OUTPUT
    assert "\ufffd\ufffd\x00\x1b[31m last words" in kept
    assert "talk talk" in kept


@pytest.mark.parametrize(("name", "word", "why"), ON_THE_LARGER)
def test_what_is_right_when_small_is_caught_when_large(patient, name, word, why):
    got, reason = found(patient, HERE + name, LARGER)
    assert got == word, reason
    assert why in reason


def test_what_is_caught_when_large_was_right_when_small(patient):
    assert found(patient, HERE + "WrongWhenLarge") == ("ok", "")


def test_an_endless_loop_that_ignores_sigterm_times_out(patient):
    assert found(patient, HERE + "Deaf") == ("timed out", f"no answer to prepare within {PATIENCE} s")


@pytest.mark.parametrize("problem", [QUICK, LARGER])
def test_a_hang_on_import_times_out_once_for_all_cells(patient, problem):
    assert found(patient, "tests.faults.hangs_on_import:factory", problem) == (
        "timed out",
        f"no answer to load within {PATIENCE} s",
    )


@pytest.mark.parametrize("problem", [QUICK, LARGER])
def test_nobody_waits_on_account_of_those_that_hang(patient, problem):
    assert found(patient, "numpy", problem) == ("ok", "")


def test_no_worker_nor_a_child_of_one_outlives_the_race(at_once, patient):
    assert left_behind() == []


def test_a_module_that_the_worker_cannot_find_has_failed(tmp_path, monkeypatch):
    """It lies on the parent's path alone."""
    (tmp_path / "mislaid.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    record = raced(tmp_path, ["mislaid:factory"], [QUICK], operations=["loss"])
    assert found(record, "mislaid:factory") == ("failed", "ModuleNotFoundError: No module named 'mislaid'")
    assert words.exit_code(all_findings(record)) == exit.FAILED


def test_a_thousandth_too_much_is_caught_in_float64(tmp_path):
    name = HERE + "AThousandthLong"
    record = raced(tmp_path, [name], [QUICK], dtypes=["float64"], operations=["value_and_grad"])
    assert found(record, name)[0] == "disagrees"
    assert found(record, "numpy") == ("ok", "")


@pytest.mark.alone
@pytest.mark.skipif(os.cpu_count() == 1, reason="one core is all that anyone can take")
@pytest.mark.parametrize("kind", ["Greedy", "BesideAChild"])
def test_a_forgotten_thread_limit_is_refused(tmp_path, kind):
    """Seen by CPU time over wall clock while the machine has a second core to give, else by where it may run."""
    name = HERE + kind
    for attempt in range(10):
        word, reason = found(raced(tmp_path / str(attempt), [name], [QUICK], operations=["train"]), name)
        if word != "ok":
            break
        time.sleep(attempt)
    assert word == "failed"
    assert "cores during its turns" in reason or "left its core" in reason


def test_who_races_alone_is_held_to_what_the_machine_can_do_too(tmp_path):
    name = HERE + "Remembering"
    asked = Choice([name], [LARGER], ["cpu"], operations=["train"], generations=1, pace="quick")
    word, reason = found(session.run(asked, tmp_path, say=lambda line: None), name, LARGER)
    assert word == "failed"
    assert "it cannot have computed its answers" in reason


def test_a_gpu_that_is_asked_for_and_not_used_is_refused(tmp_path):
    name = HERE + "Pretender"
    asked = Choice([name], [QUICK], ["cuda"], operations=["train"], generations=1, pace="quick")
    word, reason = found(session.run(asked, tmp_path, say=lambda line: None), f"{name}@cuda")
    assert word == "failed"
    assert "took no device memory" in reason


def test_times_that_jump_tenfold_are_called_unsteady_and_kept(tmp_path):
    name = HERE + "Moody"
    record = raced(tmp_path, [name], [QUICK], operations=["train"], generations=3)
    word, reason = found(record, name)
    assert word == "unsteady", reason
    assert len(record.cell(name, QUICK, "float32").samples) == 3
    assert found(record, "numpy") == ("ok", "")


def test_a_record_of_failures_is_plain_json(at_once, tmp_path_factory):
    (path,) = (tmp_path_factory.getbasetemp() / "at once0").glob("*.json")
    assert json.loads(path.read_text(encoding="utf-8"))["id"] == at_once.id
