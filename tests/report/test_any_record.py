"""Any record makes a report: with little in it, with much, with names that mean harm."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import backends
from bench.records.schema import Record
from bench.report import pictures, sections
from bench.report.findings import groups_of
from bench.report.markdown import markdown, to_paste
from bench.report.terminal import terminal
from tests.reported import IRIS, reported
from tests.sample_record import HOSTILE, fail, hostile, sample_record


def _large() -> Record:
    sizes = [f"factorisation/{m}x{n}r4" for m in (30, 300) for n in (20, 40, 80, 160, 200)]
    sizes += [f"mlp/{n}x8-4-3" for n in range(100, 1100, 100)]
    return sample_record(backends.on("cpu")[:12], sizes, generations=3, rounds=2)


ANY: dict[str, Callable[[], Record]] = {
    "one backend, one problem": lambda: sample_record(["jax-scan"], [IRIS], control=False),
    "numpy alone": lambda: sample_record(["numpy"], [IRIS]),
    "no reference": lambda: sample_record(["torch-eager", "jax-scan"], [IRIS]),
    "two generations": lambda: sample_record(["numpy", "torch-eager"], [IRIS], generations=2),
    "one generation": lambda: sample_record(["numpy", "torch-eager", "torch-eager-by-hand"], [IRIS], generations=1),
    "an outside backend": lambda: sample_record(["numpy", "own.module:make", "own.module:make_by_hand"], [IRIS]),
    "all failed": lambda: fail(sample_record(["numpy"], control=False), "numpy", "crashed", "it said <nothing>"),
    "the reference failed": lambda: fail(sample_record(["numpy", "torch-eager"], [IRIS]), "numpy", "crashed"),
    "nothing": lambda: sample_record([], []),
    "12 backends, 20 problems": _large,
}


@pytest.mark.parametrize("which", ANY)
def test_any_record_makes_a_report_without_a_number_that_is_none(which: str, tmp_path: Path):
    record = ANY[which]()
    code, printed, written = reported(record, tmp_path, "--full")
    assert code in (0, 3)
    page = (tmp_path / "out" / "report.html").read_text()
    for text in (
        printed,
        written.partition("## Method")[0],
        re.sub(r"<script.*|<style.*?</style>", "", page, flags=re.S),
    ):
        assert not re.search(r"\b(nan|NaN|inf|None|undefined)\b", text.partition("<h2>Method")[0])
    assert "cells" in to_paste(record) or "1 cell" in to_paste(record)


def test_a_backend_that_nobody_knows_is_a_way_of_writing_the_loop_too(tmp_path: Path):
    _, printed, _ = reported(ANY["an outside backend"](), tmp_path)
    assert "own.module:make" in printed.partition("== What")[0]
    assert "own.module:make " in printed.partition("== What")[2]


@pytest.fixture(scope="module")
def harm() -> Record:
    return hostile()


def test_a_hostile_name_stays_on_its_line_in_a_terminal(harm: Record):
    printed = terminal(harm.id, sections.report(harm))
    assert all(character.isprintable() or character == "\n" for character in printed)
    assert max(len(line) for line in printed.splitlines() if not line.startswith("|")) < 200
    assert printed.count("\n") < 3000


def test_a_hostile_name_makes_no_row_no_link_and_no_code_in_markdown(harm: Record):
    written = markdown(harm.id, sections.report(harm)).partition("## Method")[0]
    outside = re.sub(r"`[^`\n]*`", "", written.replace("\\`", "")).replace("\\]", "")
    assert "<script" not in outside
    assert not re.search(r"\]\(", outside)
    for block in re.findall(r"(?:^\|.*\n)+", written, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def test_pictures_of_hostile_names_are_drawn_and_stay_in_their_folder(harm: Record):
    found = [p for what in ("answer", "cost", "size") for p in pictures.draw(what, groups_of(harm))]
    panels = [panel for picture in found for panel in picture.panels]
    assert len(panels) > len(HOSTILE)
    assert all(re.fullmatch(r"[a-z0-9-]+", panel.name) for panel in panels)
    assert not [panel for panel in panels if "<script" in panel.svg]
