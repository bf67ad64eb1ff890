"""The page says what the record says, to whoever reads it and however they read it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser import IN_A_BROWSER, Page, overflow, shown, unfold, violations

Visit = Callable[..., Page]
pytestmark = IN_A_BROWSER
PUBLISHED = Path(__file__).parents[2] / "results" / "report.html"
WINDOWS = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@pytest.mark.parametrize("window", WINDOWS)
def test_the_first_screen_of_the_published_record_has_the_answer_and_what_autodiff_costs(window: str, visit: Visit):
    size = WINDOWS[window]
    page = visit(PUBLISHED, viewport=size)
    assert overflow(page) == 0
    costs = page.locator("section:first-child > p", has_text="Autodiff costs").bounding_box()
    assert costs["y"] + costs["height"] <= size["height"]
    for row in range(1, 4):
        for column in (1, 2):
            box = (
                page.locator("table >> nth=0 >> tbody tr").nth(row - 1).locator("th, td").nth(column - 1).bounding_box()
            )
            assert box["y"] + box["height"] <= size["height"]
            assert box["x"] + box["width"] <= size["width"], "the answer is seen without scrolling sideways"


def test_the_published_page_is_short_and_light(visit: Visit):
    assert visit(PUBLISHED).evaluate("document.documentElement.scrollHeight") <= 6000
    assert PUBLISHED.stat().st_size <= 600_000


def test_there_is_no_barrier_that_axe_can_find(visit: Visit, small: Path):
    page = visit(small)
    unfold(page)
    assert violations(page) == []


def test_the_dark_page_is_dark_and_nothing_on_it_is_too_faint(visit: Visit, small: Path):
    for scheme, low, high in (("light", 240, 256), ("dark", 0, 40)):
        page = visit(small, color_scheme=scheme)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert all(low <= int(x) < high for x in re.findall(r"\d+", paper)[:3])
        ink = page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
        assert all(abs(int(x) - low) > 150 for x in re.findall(r"\d+", ink)[:3])
    unfold(page)
    assert violations(page, runOnly=["color-contrast"]) == []


def test_without_a_script_every_table_and_picture_is_there_and_no_button_that_does_nothing(visit: Visit, small: Path):
    page = visit(small, java_script_enabled=False)
    for summary in page.locator("summary").all():
        summary.click()
    assert all(table.is_visible() for table in page.locator("table").all())
    assert page.locator("figure svg:visible").count() == small.read_text().count("<svg ") > 5
    assert page.locator("button").count() == 0


def test_on_paper_nothing_is_cut_off(visit: Visit, small: Path):
    """A4 across, less its margins, is 1032 pixels wide."""
    page = visit(small, viewport={"width": 1032, "height": 700}, color_scheme="dark")
    unfold(page)
    page.emulate_media(media="print")
    ends = "(parts) => parts.map((part) => part.getBoundingClientRect().right)"
    assert max(page.locator("table, svg").evaluate_all(ends)) <= 1032
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_column_is_sorted_by_its_numbers_and_back(visit: Visit, small: Path):
    page = visit(small)
    heat = page.locator("table.sortable", has_text="Time of a step of train")
    header = heat.locator("thead th").nth(1)
    keys = "(cells) => cells.map((cell) => Number(cell.dataset.key))"
    for expected in ("ascending", "descending"):
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == expected
        found = heat.locator("tbody td:nth-child(2)").evaluate_all(keys)
        assert found == sorted(found, reverse=expected == "descending")
        assert len(set(found)) > 3


def test_panels_stand_side_by_side_and_below_each_other_on_a_phone(visit: Visit, small: Path):
    for window, rows in (("desk", 1), ("phone", 2)):
        panels = visit(small, viewport=WINDOWS[window]).locator("figure").first.locator("svg").all()
        boxes = [panel.bounding_box() for panel in panels]
        assert len({box["y"] for box in boxes}) == rows
        assert all(box["width"] >= 340 for box in boxes)


def test_a_hostile_name_runs_nothing_and_pushes_nothing_apart(visit: Visit, harm: Path):
    page = visit(harm, viewport=WINDOWS["phone"])
    unfold(page)
    assert overflow(page) == 0
    assert page.locator("script").count() == 1
    assert page.locator("a").count() == 0
    assert page.locator("img").count() == 0
    assert any("<script>alert(1)</script>" in words for words in shown(page, "h1, td, th, p, li"))
    assert violations(page, runOnly=["wcag2a"]) == []


def test_no_two_things_on_a_page_have_one_id(visit: Visit, small: Path):
    page = visit(small)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((part) => part.id)")
    assert len(ids) == len(set(ids))
    used = page.evaluate(
        "[...document.querySelectorAll('svg use')].map((use) => use.getAttribute('xlink:href').slice(1))"
    )
    assert set(used) <= set(ids)
