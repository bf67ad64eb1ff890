"""Every status of a cell and of a record, and every exit code, is produced by a test that stands beside it here."""

import importlib
import inspect
import re
from typing import get_args

import msgspec
import pytest

from bench.backend import UNSUPPORTED
from bench.console import exit
from bench.records.schema import Record, Status

FAULTY, PROCESSES = "faults.test_faulty_backends", "faults.test_faulty_processes"
INTERRUPTED, STARVED, CODES = "faults.test_interruptions", "race.test_starved", "faults.test_exit_codes"
A_FAULT = (FAULTY, "test_each_fault_has_its_status_and_its_reason")
A_PROCESS = (PROCESSES, "test_each_fault_has_its_status_and_its_reason")
CTRL_C = (INTERRUPTED, "test_ctrl_c_finishes_the_race_at_hand_and_all_else_stops_at_once")

BY_STATUS = {
    "ok": (FAULTY, "test_the_honest_beside_them_are_ok_and_timed"),
    "pending": (INTERRUPTED, "test_ctrl_c_twice_does_not_wait_for_a_worker_that_hangs"),
    "disagrees": A_FAULT,
    "diverged": A_FAULT,
    "crashed": A_PROCESS,
    "timed out": A_PROCESS,
    "out of memory": A_FAULT,
    "not installed": A_FAULT,
    "failed": A_FAULT,
    "starved": (STARVED, "test_a_busy_loop_on_the_racing_core_leaves_no_sample_and_no_verdict"),
    "unsteady": (FAULTY, "test_times_that_jump_tenfold_are_called_unsteady_and_kept"),
    "skipped": (PROCESSES, "test_a_backend_that_timed_out_is_not_waited_for_on_a_larger_problem"),
    "not on ...": A_FAULT,
    "not for ...": A_FAULT,
    "needs ...": A_FAULT,
}
BY_STATUS_OF_THE_RECORD = {"unfinished": CTRL_C, "complete": (INTERRUPTED, "test_an_undisturbed_run_is_complete")}
BY_EXIT_CODE = {
    exit.GOOD: (CODES, "test_agreement_ends_with_its_code_and_a_line"),
    exit.DISAGREEMENT: (CODES, "test_a_race_ends_with_its_code_and_a_line"),
    exit.USAGE: (CODES, "test_a_race_of_nothing_is_wrong_usage"),
    exit.FAILED: (CODES, "test_a_race_ends_with_its_code_and_a_line"),
    exit.INTERRUPTED: (INTERRUPTED, "test_a_race_by_its_command_ends_with_130_and_a_line_after_ctrl_c"),
}


def statuses_of_a_cell() -> list[str]:
    """Return what the schema lets a cell be; a status that goes on in the backend's own words ends with dots."""
    (pattern,) = (meta.pattern for meta in get_args(Status)[1:])
    plain = re.findall(r"(?<=[(|])[a-z ]+(?=[|)])", pattern)
    return [*plain, *(f"{beginning}..." for beginning in UNSUPPORTED)]


def statuses_of_a_record() -> list[str]:
    (field,) = (field for field in msgspec.structs.fields(Record) if field.name == "status")
    return list(get_args(field.type))


def exit_codes() -> list[int]:
    return sorted({value for name, value in vars(exit).items() if name.isupper() and isinstance(value, int)})


def test_every_status_and_exit_code_is_produced_by_a_test():
    assert sorted(BY_STATUS) == sorted(statuses_of_a_cell())
    assert sorted(BY_STATUS_OF_THE_RECORD) == sorted(statuses_of_a_record())
    assert sorted(BY_EXIT_CODE) == exit_codes()


@pytest.mark.parametrize("told", {**BY_STATUS, **BY_STATUS_OF_THE_RECORD, **BY_EXIT_CODE}.items(), ids=lambda x: x[0])
def test_the_test_beside_it_is_there_and_speaks_of_it(told: tuple):
    what, (module, name) = told
    tests = importlib.import_module(f"tests.{module}")
    assert callable(getattr(tests, name))
    if isinstance(what, str):
        assert f'"{what.removesuffix("...")}' in inspect.getsource(tests)
