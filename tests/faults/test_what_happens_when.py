"""README's table "what happens when": each line of it is kept by the tests that stand beside it here."""

import importlib
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"

FAULTY, RECORDS, WORKERS = "faults.test_faulty_backends", "faults.test_records", "test_workers"
RESUMING, INTERRUPTED, SURROUNDED = "faults.test_resuming", "faults.test_interruptions", "faults.test_surroundings"

KEPT_BY = {
    "a backend computes something else, or breaks a promise that is tried before its turns": [
        (FAULTY, "test_each_fault_has_its_word_and_its_reason"),
        (FAULTY, "test_no_cell_that_failed_keeps_a_sample"),
        (SURROUNDED, "test_a_race_ends_with_its_code_and_a_line"),
    ],
    "it is faster than its arithmetic, compiles in a timed call, computes while others have their turn,"
    " or is found off its core or the GPU it was given": [
        (FAULTY, "test_what_is_right_when_small_is_caught_when_large"),
        (FAULTY, "test_each_fault_has_its_word_and_its_reason"),
        (FAULTY, "test_a_forgotten_thread_limit_is_refused"),
        (WORKERS, "test_one_core_is_enough_and_who_computes_out_of_turn_is_refused"),
        (FAULTY, "test_a_gpu_that_is_asked_for_and_not_used_is_refused"),
    ],
    "it crashes, is killed, or ends without an answer": [
        (FAULTY, "test_each_fault_has_its_word_and_its_reason"),
        (FAULTY, "test_the_honest_beside_them_are_ok_and_timed"),
        (FAULTY, "test_the_last_output_is_kept_bounded_and_readable"),
    ],
    "it hangs": [
        (FAULTY, "test_an_endless_loop_that_ignores_sigterm_times_out"),
        (FAULTY, "test_a_hang_on_import_times_out_once_for_all_cells"),
        (FAULTY, "test_no_worker_nor_a_child_of_one_outlives_the_race"),
    ],
    "it timed out or ran out of memory on a smaller size": [
        (FAULTY, "test_what_is_right_when_small_is_caught_when_large")
    ],
    "its library's compiler is switched off from outside": [
        (SURROUNDED, "test_a_compiler_that_is_switched_off_from_outside_fails_the_compiled_cells_and_is_named"),
    ],
    "it gets less than nine tenths of its core": [
        ("test_conditions", "test_a_busy_loop_on_the_racing_core_leaves_no_sample_and_no_verdict"),
        ("test_conditions", "test_a_disturbance_that_passes_costs_one_repetition"),
    ],
    "its times jump fivefold": [(FAULTY, "test_times_that_jump_tenfold_are_called_unsteady_and_kept")],
    "Ctrl-C in a race": [(INTERRUPTED, "test_ctrl_c_once_finishes_the_race_says_how_to_resume_and_ends_with_130")],
    "Ctrl-C twice, SIGTERM, or the terminal is closed": [
        (INTERRUPTED, "test_ctrl_c_twice_stops_at_once_and_corrupts_nothing"),
        (INTERRUPTED, "test_who_is_told_to_end_stops_at_once_and_leaves_nothing_behind"),
        (INTERRUPTED, "test_ctrl_c_twice_does_not_wait_for_a_worker_that_hangs"),
    ],
    "the run is killed": [
        (INTERRUPTED, "test_over_random_kills_no_finished_race_is_lost_and_no_file_is_corrupt"),
        (INTERRUPTED, "test_no_worker_outlives_a_killed_run_not_even_one_that_hangs"),
    ],
    "the disk is full or read-only": [
        (SURROUNDED, "test_a_disk_that_is_full_is_found_before_anything_is_measured"),
        (SURROUNDED, "test_a_disk_that_fills_up_during_the_run_costs_nothing_that_was_done"),
        (SURROUNDED, "test_a_folder_that_is_read_only_is_found_before_anything_is_measured"),
    ],
    "another race uses the same cores": [
        (SURROUNDED, "test_a_second_race_on_the_same_cores_is_refused_in_one_sentence"),
    ],
    "another run writes to the same folder": [
        (SURROUNDED, "test_a_second_run_in_the_folder_is_sent_away_with_2_and_a_sentence"),
        (RESUMING, "test_a_new_race_writes_over_nothing"),
    ],
    "a record is cut off, does not fit together, or is of another schema": [
        (RECORDS, "test_a_record_cut_off_at_any_byte_is_refused"),
        (RECORDS, "test_a_record_that_is_not_one_is_refused_in_a_sentence"),
        (RESUMING, "test_a_half_written_record_is_neither_resumed_nor_written_over"),
    ],
    "a record is resumed on another machine, with other versions or calls of another length": [
        (RESUMING, "test_a_record_that_cannot_go_on_is_refused_and_left_as_it_is")
    ],
    "a record names code of its own": [
        (RESUMING, "test_foreign_code_in_a_record_is_not_run_unless_it_is_named_too"),
        (RESUMING, "test_entrants_that_are_not_those_of_the_settings_are_not_run"),
    ],
}


def lines_of_the_table() -> list[str]:
    """The first column of README's table."""
    (section,) = re.findall(r"## What happens when\n(.*?)\n## ", README.read_text(encoding="utf-8"), re.DOTALL)
    rows = [line.split("|") for line in section.splitlines() if line.startswith("|")]
    return [cells[1].strip() for cells in rows[2:]]


def test_every_line_of_the_table_is_kept_by_a_test():
    assert lines_of_the_table() == list(KEPT_BY)


@pytest.mark.parametrize("line", KEPT_BY)
def test_the_tests_that_keep_a_line_are_there(line):
    for module, name in KEPT_BY[line]:
        assert callable(getattr(importlib.import_module(f"tests.{module}"), name))
