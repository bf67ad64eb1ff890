"""The finding comes first, and the tables hold what was computed."""

import re
from pathlib import Path

from bench.records.schema import Outcome, Record
from bench.report import leaders, tables, units, words
from bench.report.findings import all_findings, fastest, overheads
from tests.reported import IRIS, MLP, PAIR, entrant, only, reported
from tests.sample_record import fail, sample_record


def test_who_alone_was_timed_is_clear_of_nobody():
    record = sample_record(("numpy", "numpy-inplace"), [IRIS, MLP])
    record.cell("numpy", MLP, "float32").outcome = Outcome(status="timed out")
    won, sure = leaders.headline(only(record))
    assert " of 2 problems" in won
    assert re.fullmatch(r"On [01] of 1 problem the fastest is clear of the next; on [01] it cannot .*", sure)


def test_the_margin_in_the_headline_is_that_of_the_problems_that_were_won():
    record = sample_record(("numpy", "jax-scan"), [IRIS, "factorisation/12x8r2", MLP])
    for cell in record.cells:
        slower = 100 if (cell.entrant, cell.problem) == ("jax-scan", MLP) else 1
        for samples in cell.samples:
            samples.nanoseconds = [slower * x for x in samples.nanoseconds]
    won = leaders.headline(only(record))[0]
    assert won.startswith("jax-scan is the fastest, or level with it, on 2 of 3 problems, at ")
    assert all(float(x) < 1 for x in re.findall(r"0?\d*\.\d+", won))


def test_the_finding_comes_first_and_the_verdict_last(whole: Record, page: tuple[str, str]):
    printed = page[0]
    headings = re.findall(r"^(.+)\n=+$", printed, re.MULTILINE)
    assert headings[:3] == [
        "Verdict",
        "Autodiff overhead (float32 on cpu)",
        "Libraries in the same mode (float32 on cpu)",
    ]
    assert "Autodiff overhead, time over that of the gradient derived by hand: autograd" in printed
    assert printed.splitlines()[-1] == words.summary(whole, all_findings(whole))


def test_the_tables_hold_what_was_computed(whole: Record, page: tuple[str, str]):
    printed, markdown = page
    f = only(whole)
    for problem in f.problems:
        for found in overheads(f, problem):
            assert found.interval is not None
            assert re.search(rf"{found.a.backend} +\| {re.escape(units.interval(found.interval))}", markdown)
            assert units.interval(found.interval) in printed
    best = fastest(f, IRIS)
    assert best is not None
    assert re.search(
        rf"^{best.backend} +{re.escape(units.seconds(f.median(best, IRIS) or 0))} +fastest", printed, re.MULTILINE
    )


def test_a_ratio_that_is_not_the_quotient_of_the_times_beside_it_is_explained(whole: Record, page: tuple[str, str]):
    f = only(whole)
    eager, plain = entrant(f, "torch-eager"), entrant(f, "numpy")
    found = [(f.ratio(eager, plain, p), f.median(eager, p), f.median(plain, p)) for p in f.problems]
    quotients = [(i.value, a / b) for i, a, b in found if i and a and b]
    assert any(units.number(ratio) != units.number(quotient) for ratio, quotient in quotients)
    assert "it need not be the quotient of two medians" in page[1]


def test_findings_are_three_to_six_sentences(whole: Record):
    for record in (
        whole,
        sample_record(["numpy"], [IRIS]),
        fail(sample_record(PAIR, [IRIS], control=False), "torch-eager", "crashed"),
    ):
        assert 3 <= len(words.findings(only(record))) <= 6


def test_no_line_is_wider_than_eighty_columns(page: tuple[str, str]):
    printed, _ = page
    assert max(map(len, printed.splitlines())) <= 80


def test_the_lab_reports_numbers_stand_beside_ours(page: tuple[str, str]):
    _, markdown = page
    assert re.search(r"\| gradient descent +\| 15.228851 +\| 15.228847 +\|", markdown)
    assert re.search(r"\| truncated SVD +\| 15.228833 +\| 15.228833 +\|", markdown)
    assert re.search(r"\| 4 +\| 3 +\| 0.99 / 0.96 +\| 1.00 / 0.92 +\|", markdown)
    assert "12 other backends came to the same accuracies" in markdown


def test_a_backend_with_other_accuracies_is_named(tmp_path: Path):
    record = sample_record(("numpy", *PAIR), [MLP])
    record.cell("torch-eager", MLP, "float32").runs[3].quality["test_accuracy"] = 0.5
    assert "other accuracies came from torch-eager." in reported(record, tmp_path)[2]


def test_a_limit_without_the_cost_of_a_dispatch_is_told_without_it(tmp_path: Path):
    record = sample_record(["numpy", "numpy-inplace"], ["factorisation/2000x1000r32"])
    assert "comes nearest, at" in reported(record, tmp_path)[1]


def test_what_the_harness_has_loaded_itself_has_no_time_to_import(whole: Record, page: tuple[str, str]):
    imports = {row[0]: row[3] for row in tables.entrants(only(whole)).tables[0].rows}
    assert imports["numpy"] == imports["numpy-inplace"] == imports["control"] == "with the harness"
    assert units.value(imports["jax-scan"]) is not None
    assert "with the harness" in page[0]
