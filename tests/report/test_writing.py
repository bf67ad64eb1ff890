"""The report is written in short, plain sentences, and uses one word for each thing."""

import re

import pytest

from bench.records.schema import Record
from bench.report import answer, cost, sections
from bench.report.document import Section
from bench.report.findings import groups_of
from bench.report.markdown import markdown
from tests.reading import too_long
from tests.reported import FEW, IRIS, MLP, sentences, tables
from tests.sample_record import fail, on_threads, sample_record

VERDICTS = {"faster", "slower", "level", "unknown"}


def findings(record: Record) -> list[str]:
    found = []
    for g in groups_of(record):
        found += [*answer.lead(g), *cost.lead(g), *answer.advice(g)]
        found += [s for section in [cost.section(g)] if section for s in section.parts[-1].sentences]
    return found


RECORDS = {
    "whole": sample_record,
    "noisy": lambda: sample_record(FEW, [IRIS, MLP], noise=0.2),
    "slow": lambda: sample_record(FEW, [IRIS], slower={"torch-eager": 9.0, "jax-scan": 9.0}),
    "failed": lambda: fail(sample_record(FEW, [IRIS, MLP]), "jax-scan-by-hand", "crashed"),
}


@pytest.mark.parametrize("which", RECORDS)
def test_a_finding_has_at_most_25_words_and_two_numbers(which: str):
    told = findings(RECORDS[which]())
    assert len(told) >= 3
    for sentence in told:
        plain = re.sub(r"`[^`]*`", "name", sentence)
        assert len(plain.split()) <= 25, sentence
        when, _, what = plain.rpartition("): ")
        numbers = len(re.findall(r"\d+(?:\.\d+)?", what or when))
        # A count for each of the four words, and a ratio for each backend, are read as a list.
        assert numbers <= max(2 + plain.count("% "), plain.count("name (") + plain.count(" more.")) or plain.startswith(
            "By problem"
        ), sentence


def test_the_prose_of_a_report_is_readable(report: list[Section]):
    assert too_long("\n\n".join(sentences(sections.report(on_threads(sample_record(FEW, [IRIS]), 2, 1.5))))) == []


def test_there_are_four_verdicts_and_no_other_word_for_them(report: list[Section]):
    said = {cell.verdict for t in tables(report) for row in t.rows for cell in row if hasattr(cell, "verdict")}
    assert said - {None} <= VERDICTS
    assert len(said & VERDICTS) >= 3
    assert not re.search(
        r"undecided|within the noise|told from 1|overhead|gate\b|oracle", markdown("", report).partition("## Method")[0]
    )


def test_a_short_report_has_no_more_than_the_page(report: list[Section]):
    assert [s.title for s in report if s.short] == [s.title for s in report[:2]]
