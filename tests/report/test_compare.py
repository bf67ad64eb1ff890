"""Of two records what changed is found, and no more."""

import re
from pathlib import Path

import msgspec
import pytest

from bench.console import exit
from bench.records.schema import Record
from bench.records.store import save
from bench.report import compare
from tests.reported import IRIS, MLP, PAIR, called
from tests.sample_record import fail, sample_record, step_seconds


def compared(a: Record, b: Record, folder: Path, *more: str) -> tuple[int, str, str]:
    save(a, folder / "a.json")
    save(b, folder / "b.json")
    return called(str(folder / "a.json"), str(folder / "b.json"), "--results", str(folder / "out"), *more)


def test_a_backend_that_became_slower_is_found_and_no_other(whole: Record, tmp_path: Path):
    other = sample_record(seed=1, slower={"jax-jit": 1.2, "numpy-inplace": 1 / 1.2})
    code, printed, _ = compared(whole, other, tmp_path)
    found = {(c.entrant.backend, c.verdict) for c in compare.changes(whole, other) if c.verdict != "undecided"}
    assert found == {("jax-jit", "slower"), ("numpy-inplace", "faster")}
    assert code == exit.GOOD
    assert "24 slower, 24 faster" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert (tmp_path / "out" / "comparison.md").exists()
    assert "are of B alone" in (tmp_path / "out" / "comparison.html").read_text()


def test_the_ratio_is_b_over_a():
    a, b = (sample_record(PAIR, [IRIS], noise=0, slower=slower) for slower in ({}, {"torch-eager": 1.5}))
    found = {(c.entrant.backend, c.operation): c for c in compare.changes(a, b)}
    slower = found["torch-eager", "train"]
    assert slower.interval is not None
    assert slower.interval.value == pytest.approx(1.5, rel=1e-3)
    assert slower.seconds_a == pytest.approx(step_seconds("torch-eager", IRIS), rel=1e-3)
    assert found["torch-eager-by-hand", "loss"].verdict == "undecided"


def test_what_changed_is_in_the_order_of_the_second():
    a, b = (sample_record(PAIR, [IRIS], seed=seed) for seed in range(2))
    b.entrants.reverse()
    names = dict.fromkeys(c.entrant.backend for c in compare.changes(a, b))
    assert list(names) == list(reversed(PAIR))


def test_one_disturbed_round_moves_nothing():
    a, b = (sample_record(PAIR, [IRIS], noise=0) for _ in range(2))
    for cell in b.cells:
        for samples in cell.samples:
            samples.nanoseconds[0] *= 100
    for change in compare.changes(a, b):
        assert change.interval is not None
        assert change.interval.value == pytest.approx(1, rel=1e-3)


def test_nothing_is_compared_where_one_run_warmed_up_longer():
    a, b = (sample_record(PAIR, [IRIS]) for _ in range(2))
    b.settings.warm_up_seconds = 0.1
    assert {c.status for c in compare.changes(a, b)} == {"other warm-up"}
    (verdict, *_) = compare.page(a, b, compare.changes(a, b), judged=True)
    assert ["seconds of warm-up", "0.02", "0.1"] in verdict.tables[0].rows


def test_what_was_upgraded_stands_under_the_verdict(tmp_path: Path):
    a, b = (sample_record(PAIR, [IRIS], seed=seed) for seed in range(2))
    b.entrants[0].versions, b.commit = {"torch": "9.9"}, "deadbee"
    for e in b.entrants[1:]:
        e.versions = {"torch": "9.9"}
    (verdict, *_) = compare.page(a, b, compare.changes(a, b), judged=True)
    (differs,) = verdict.tables
    assert ["torch", a.entrants[0].versions["torch"], "9.9"] in differs.rows
    assert ["commit", a.commit, "deadbee"] in differs.rows
    (same, *_) = compare.page(a, a, compare.changes(a, a), judged=True)
    assert same.tables == []


@pytest.mark.parametrize(("slower", "expected"), [({}, 0), ({"torch-eager": 1.5}, 1), ({"torch-eager": 0.5}, 0)])
def test_a_regression_fails_when_asked_to(slower: dict[str, float], expected: int, tmp_path: Path):
    a, b = sample_record(PAIR, [IRIS]), sample_record(PAIR, [IRIS], seed=1, slower=slower)
    assert compared(a, b, tmp_path, "--fail-on-regression")[0] == expected
    assert compared(a, b, tmp_path)[0] == 0


def test_a_regression_is_not_ruled_out_where_a_cell_is_not_compared(tmp_path: Path):
    a, b = sample_record(PAIR, [IRIS]), sample_record(PAIR[:1], [IRIS], seed=1)
    assert compared(a, b, tmp_path, "--fail-on-regression")[0] == exit.FAILED
    assert compared(b, a, tmp_path, "--fail-on-regression")[0] == exit.GOOD, "what A had not is no loss"
    assert compared(a, b, tmp_path)[0] == exit.GOOD
    slower = sample_record(PAIR[:1], [IRIS], seed=1, slower={PAIR[0]: 1.5})
    assert compared(a, slower, tmp_path, "--fail-on-regression")[0] == exit.REGRESSION


def test_equal_runs_seldom_differ_in_any_of_their_cells():
    """At 95 % for each of the 24 cells two pairs of three would show a change; together, one in twenty."""
    runs = [
        sample_record(("numpy", *PAIR, "jax-jit"), [IRIS, MLP], generations=5, rounds=2, seed=s, control=False)
        for s in range(8)
    ]
    changed = [
        any(c.verdict != "undecided" for c in compare.changes(a, b)) for a, b in zip(runs[::2], runs[1::2], strict=True)
    ]
    assert sum(changed) <= 1


def _other_machine(record: Record, **changes: object) -> Record:
    record.host = msgspec.structs.replace(record.host, **changes)
    return record


UNLIKE = {
    "processor": lambda: _other_machine(sample_record(PAIR, [IRIS]), cpu="Another CPU"),
    "number of cores": lambda: _other_machine(sample_record(PAIR, [IRIS]), cores=64),
    "dtype or precision": lambda: sample_record(PAIR, [IRIS], dtype="float64"),
}


def test_a_regression_is_not_ruled_out_by_too_few_generations_for_an_interval(tmp_path: Path):
    a, b = sample_record(PAIR, [IRIS]), sample_record(PAIR, [IRIS], generations=2, seed=1, slower={"torch-eager": 10})
    assert compared(a, b, tmp_path)[0] == exit.GOOD
    assert compared(a, b, tmp_path, "--fail-on-regression")[0] == exit.FAILED


@pytest.mark.parametrize("unlike", UNLIKE)
def test_unlike_records_are_refused_and_forced_get_no_verdict(unlike: str, tmp_path: Path):
    a, b = sample_record(PAIR, [IRIS]), UNLIKE[unlike]()
    code, printed, error = compared(a, b, tmp_path)
    assert (code, printed, len(error.splitlines())) == (2, "", 1)
    assert unlike in error
    assert not (tmp_path / "out").exists()
    code, printed, _ = compared(a, b, tmp_path, "--force")
    assert code == 0
    assert not re.search(r" (slower|faster|undecided)$", printed, re.MULTILINE)
    assert compared(a, b, tmp_path, "--force", "--fail-on-regression")[0] == 2


def test_a_step_is_not_compared_with_one_of_a_longer_call_which_has_less_of_its_dispatch():
    a, b = sample_record(PAIR, [IRIS]), sample_record(PAIR, [IRIS], seed=1)
    b.problems[0].timed_steps //= 2
    said = {c.operation: c.status for c in compare.changes(a, b)}
    assert said == {"loss": "", "value_and_grad": "", "train": "calls of other lengths"}


def test_where_the_descent_alone_is_another_it_is_not_said_of_the_data():
    a, b = sample_record(PAIR, [IRIS]), sample_record(PAIR, [IRIS], seed=1)
    b.problems[0].checksum, b.problems[0].num_steps = "another", 2 * b.problems[0].num_steps
    assert {c.status for c in compare.changes(a, b)} == {"descents of other lengths"}


def test_cells_that_cannot_be_compared_say_why():
    a, b = sample_record(("numpy", *PAIR), [IRIS, MLP]), sample_record(("numpy", *PAIR), [IRIS], seed=1)
    fail(b, "torch-eager", "crashed")
    b.problems[0].checksum = "another"
    said = {(c.entrant.backend, c.problem): c.status for c in compare.changes(a, b) if c.operation == "train"}
    assert said == {
        ("numpy", IRIS): "other data",
        ("torch-eager", IRIS): "crashed in B",
        ("torch-eager-by-hand", IRIS): "other data",
        ("numpy", MLP): "not in B",
        ("torch-eager", MLP): "not in B",
        ("torch-eager-by-hand", MLP): "not in B",
    }
