"""Two records: what became slower, what cannot be said, and how each run ends."""

import re
from pathlib import Path

import pytest

from bench.records.schema import Race, Record
from bench.report import compare
from tests.reported import FEW, IRIS, MLP, compared
from tests.sample_record import sample_record


def run(seed: int = 0, **changes: object) -> Record:
    return sample_record(FEW, [IRIS, MLP], **{"seed": seed, "rounds": 4, "noise": 0.006, **changes})


def test_a_slowdown_is_found_and_all_else_is_level_or_unknown():
    found = compare.changes(run(), run(1, slower={"torch-eager": 1.2}))
    slower = [c for c in found if c.verdict == "slower"]
    assert {c.entrant.backend for c in slower} == {"torch-eager"}
    assert {c.operation for c in slower} == {"train", "value_and_grad", "loss"}
    assert {c.verdict for c in found if c not in slower} <= {"level", "unknown"}
    assert all(c.estimate.low < 1.2 < c.estimate.high for c in slower)
    swapped = compare.changes(run(1, slower={"torch-eager": 1.2}), run())
    assert [c.verdict for c in swapped].count("faster") == len(slower)


def test_intervals_hold_together_for_all_cells():
    found = compare.changes(run(), run(1))
    assert {c.estimate.confidence for c in found} == {1 - 0.05 / len(found)}


@pytest.mark.parametrize(("slower", "code"), [({}, 0), ({"jax-scan": 1.3}, 1)])
def test_a_regression_fails_where_that_was_asked_for_and_says_what_it_could_notice(
    slower: dict, code: int, tmp_path: Path
):
    ended, printed, _ = compared(run(), run(1, slower=slower), tmp_path, "--fail-on-regression")
    assert ended == code
    assert compared(run(), run(1, slower=slower), tmp_path)[0] == 0
    last = " ".join(printed.rpartition("\n\n")[2].split())
    assert re.search(
        r"An observed slowdown of [\d.]+ % would have been called one in half of the cells, one of [\d.]+ % in every",
        last,
    )


def test_a_regression_is_judged_by_the_cells_of_both_and_the_others_are_counted(tmp_path: Path):
    a, b = run(), sample_record(FEW[:3], [IRIS], seed=1, rounds=4, noise=0.006)
    code, printed, _ = compared(a, b, tmp_path, "--fail-on-regression")
    assert code == 0
    assert "not compared (13 not in B)" in " ".join(printed.split())


def test_runs_of_too_few_generations_show_no_interval_that_says_nothing(tmp_path: Path):
    three = compare.changes(run(generations=3), run(1, generations=3))
    assert {c.status for c in three} == {"too few generations"}
    assert compare.noticeable(three) == ["A comparison takes 5 generations in both runs, more than `--quick` has."]
    found = compare.changes(run(), run(1, generations=5, noise=0.5))
    assert [c for c in found if c.status == "too few generations"]
    assert all(c.estimate.high < 4 * c.estimate.low for c in found if c.estimate)
    code, printed, _ = compared(run(), run(1, generations=2), tmp_path, "--full", "--fail-on-regression")
    assert code == 3, "nothing was compared"
    assert "0 cells compared" in printed
    assert "[" not in printed.partition("Every cell")[2]


OTHERWISE = {
    "other data": lambda r: [setattr(p, "checksum", "x") for p in r.problems],
    "calls of other lengths": lambda r: [setattr(p, "timed_steps", p.timed_steps + 1) for p in r.problems],
    "descents of other lengths": lambda r: [(setattr(p, "checksum", "x"), setattr(p, "num_steps", 1)) for p in r.problems],
    "other number of turns": lambda r: setattr(r.settings, "rounds", 12),
    "other warm-up": lambda r: setattr(r.settings, "warm_up_seconds", 1.0),
    "other allocator": lambda r: (
        setattr(r.settings, "allocators", ["kept"]), [setattr(e, "allocator", "kept") for e in r.entrants]
    ),
}  # fmt: skip


@pytest.mark.parametrize("status", OTHERWISE)
def test_what_was_run_otherwise_is_not_compared(status: str):
    b = run(1)
    OTHERWISE[status](b)
    assert status in {c.status for c in compare.changes(run(), b)}


def test_one_sample_a_turn_is_not_compared_with_several():
    one, several = run(), run(1)
    one.races = [Race(0, IRIS, "float32", 0, {}, {})]
    several.races = [Race(0, IRIS, "float32", 0, {}, {}, {"train": {"numpy": 4}})]
    assert {c.status for c in compare.changes(one, several)} == {"other number of turns"}
    assert "other number of turns" not in {c.status for c in compare.changes(one, one)}


def test_unlike_machines_get_no_verdict_and_only_when_asked(tmp_path: Path):
    b = run(1)
    b.host.cpu = "Another CPU"
    code, printed, error = compared(run(), b, tmp_path)
    assert (code, printed) == (2, "")
    assert "differ in processor" in error and "--force" in error
    code, printed, _ = compared(run(), b, tmp_path, "--force")
    assert code == 0
    assert "there are no verdicts" in " ".join(printed.split())
    assert compared(run(), b, tmp_path, "--force", "--fail-on-regression")[0] == 2


def test_what_differs_between_the_runs_is_a_table(tmp_path: Path):
    b = run(1)
    b.environment = {"MKL_X": "1"}
    for entrant in b.entrants[1:3]:
        entrant.versions["torch"] = "3.0"
    _, printed, _ = compared(run(), b, tmp_path)
    assert re.search(r"^torch +2.13.0\+cpu +3.0$", printed, re.M)
    assert re.search(r"^MKL_X +none +1$", printed, re.M)
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "What changed" not in page or "Every cell" in page
    assert "All that follows is of B alone" in page
