"""The page says what the record says, to whoever reads it and however they read it, and of any record."""

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import backends
from bench.records.schema import Record
from tests.browser import IN_A_BROWSER, Page, overflow, shown, violations, written
from tests.running import ROOT
from tests.sample_record import fail, sample_record

IRIS = "factorisation/iris"

Visit = Callable[..., Page]
pytestmark = IN_A_BROWSER


def test_the_first_screen_says_who_won_by_how_much_and_how_surely(visit: Visit, file: Path):
    page = visit(file)
    lead = " ".join(shown(page, ".lead"))
    assert re.match(
        r"jax-scan\S* is the fastest, or level with it, on \d of 8 problems, at 0\.\d+ to [\d.]+\sx the time", lead
    )
    assert re.search(
        r"On \d of 8 problems the fastest is clear of the next; on \d it cannot be told from another", lead
    )
    for selector in (".lead", ".findings table", ".verdict"):
        box = page.locator(selector).last.bounding_box()
        assert box["y"] + box["height"] <= 800, selector
    row = shown(page, ".findings tbody tr")[0].split("\t")
    assert re.fullmatch(r"0\.\d+ \[0\.\d+, 0\.\d+\]", row[3])
    assert re.match(r"clear: |level with ", row[4])


def test_there_is_no_barrier_that_axe_can_find(visit: Visit, small_file: Path):
    page = visit(small_file)
    page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = true; })")
    assert violations(page) == []


def test_nothing_is_too_faint_in_the_dark(visit: Visit, small_file: Path):
    """The dark page differs in its colours alone."""
    page = visit(small_file, color_scheme="dark")
    page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = true; })")
    assert violations(page, runOnly=["color-contrast"]) == []


def test_the_dark_page_is_dark(visit: Visit, small_file: Path):
    for scheme, low, high in (("light", 240, 256), ("dark", 0, 40)):
        page = visit(small_file, color_scheme=scheme)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        drawn = page.evaluate("getComputedStyle(document.querySelector('.chart svg path')).fill")
        for colour in (paper, drawn):
            assert all(low <= int(x) < high for x in re.findall(r"\d+", colour)[:3])


def test_a_phone_scrolls_no_page_sideways_and_tables_in_their_own_frames(visit: Visit, file: Path):
    page = visit(file, viewport={"width": 390, "height": 844})
    assert overflow(page) == 0
    frames = page.locator(".region:has(.heat)").first
    assert frames.evaluate("(frame) => frame.scrollWidth > frame.clientWidth")
    assert frames.evaluate("(frame) => [frame.tabIndex, frame.getAttribute('role'), !!frame.ariaLabel]") == [
        0,
        "region",
        True,
    ]


def test_without_javascript_every_table_is_shown_and_no_control_that_does_nothing(visit: Visit, small_file: Path):
    page = visit(small_file, java_script_enabled=False)
    text = small_file.read_text()
    for summary in page.locator("summary").all():
        summary.click()
    tables = page.locator("table")
    assert tables.count() == text.count("<table")
    assert all(table.is_visible() for table in tables.all())
    assert page.locator("figure svg:visible").count() >= text.count("<figure")
    assert not page.locator("#controls").is_visible()
    assert page.locator("button:visible").count() == 0


def test_on_paper_nothing_is_cut_off(visit: Visit, file: Path):
    """A4 across, less its margins, is 1032 pixels wide."""
    page = visit(file, viewport={"width": 1032, "height": 700})
    page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = true; })")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#controls").is_visible()
    ends = "(parts) => parts.map((part) => part.getBoundingClientRect().right)"
    assert max(page.locator("table, svg").evaluate_all(ends)) <= 1032


def test_every_empty_cell_says_why_and_the_fastest_of_each_problem_is_marked(visit: Visit, tmp_path: Path):
    record = fail(
        sample_record(("numpy", "torch-eager", "jax-scan"), [IRIS, "mlp/iris"]), "torch-eager", "timed out", "600 s"
    )
    page = visit(written(record, tmp_path))
    heat = page.locator(".heat:visible")
    assert heat.locator("tr", has_text="torch-eager").locator("td").all_inner_texts() == ["timed out\n600 s"] * 2
    assert heat.locator("td.best").all_inner_texts() == [
        cell for cell in heat.locator("td").all_inner_texts() if "fastest" in cell
    ]
    assert heat.locator("td.best").count() == 2
    assert all(shown(page, ".heat:visible td"))


def _large() -> Record:
    sizes = [f"factorisation/{m}x{n}r4" for m in (30, 300) for n in (20, 40, 80, 160, 200)]
    return sample_record(
        backends.on("cpu")[:12], [*sizes, *(f"mlp/{n}x8-4-3" for n in range(100, 1100, 100))], generations=3, rounds=2
    )


LARGE = "12 backends, 20 problems"
ANY = {
    "one backend, one problem": lambda: sample_record(["jax-scan"], [IRIS], control=False),
    "all failed": lambda: fail(sample_record(["numpy"], control=False), "numpy", "crashed", "it said <nothing>"),
    "nothing": lambda: sample_record([], []),
    LARGE: _large,
}


@pytest.mark.parametrize("which", ANY)
def test_any_record_makes_a_page(which: str, visit: Visit, tmp_path: Path):
    page = visit(written(ANY[which](), tmp_path), viewport={"width": 390, "height": 844})
    assert overflow(page) == 0
    assert which == LARGE or violations(page) == [], "more of the same elements take axe long"
    assert shown(page, ".verdict")
    assert not re.search(r"\b(nan|NaN|inf|None|undefined)\b", page.locator("body").inner_text())
    assert bool(shown(page, ".lead")) == bool(shown(page, "td.best")), "who won, where somebody was timed"


def test_two_records_make_the_same_page_with_what_changed(visit: Visit, small: Record, tmp_path: Path):
    names, problems = [e.backend for e in small.entrants if not e.control], [p.name for p in small.problems]
    slower = sample_record(names, problems, rounds=2, seed=1, slower={"torch-eager": 1.2})
    page = visit(written(small, tmp_path, slower))
    assert "9 slower" in " ".join(shown(page, ".lead"))
    changed = shown(page, "#comparison tbody tr")
    assert len(changed) >= 9
    assert all(row.startswith("torch-eager\t") for row in changed[:9])
    assert page.locator("#overhead figure").is_visible()
    assert page.locator("a[data-file$='.json']").count() == 2
    assert violations(page) == []


def test_no_two_things_on_the_page_have_one_id(visit: Visit, file: Path):
    page = visit(file)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((part) => part.id)")
    assert len(ids) == len(set(ids))
    referred = page.evaluate(
        "[...document.querySelectorAll('svg use')].map((use) => use.getAttribute('href').slice(1))"
    )
    assert set(referred) <= set(ids)


def test_the_same_record_gives_the_same_page_in_another_process(small_file: Path, tmp_path: Path):
    record = small_file.parents[1] / "0.json"
    command = [sys.executable, "-m", "bench.report", str(record), "--results", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"}, check=True, capture_output=True)
    assert (tmp_path / "report.html").read_bytes() == small_file.read_bytes()


def test_a_run_five_times_as_long_fits_two_megabytes(tmp_path: Path):
    assert written(sample_record(rounds=50), tmp_path).stat().st_size <= 2_000_000


TIMES_A_LINE = 5
"""What 300 ms are on a machine slower than the ones they were set for, where a page took 2.8 to 3.7 times as long as a line."""


@pytest.mark.alone
def test_the_first_paint_comes_within_300_milliseconds(visit: Visit, file: Path, tmp_path: Path):
    """In one of twenty tries: a neighbour on the machine is not the page's doing."""
    (tmp_path / "line.html").write_text("<!doctype html><title>A page</title><p>of one line")
    paint = """new Promise((done) => {
        new PerformanceObserver((seen) => done(seen.getEntries()[0].startTime)).observe({ type: "paint", buffered: true });
    })"""
    least, line = math.inf, math.inf
    for _ in range(20):
        least = min(least, visit(file, laid_out=False).evaluate(paint))
        line = min(line, visit(tmp_path / "line.html", laid_out=False).evaluate(paint))
        if least < 300:
            return
    assert least < TIMES_A_LINE * line
