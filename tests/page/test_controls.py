"""What the page's controls do: sort, choose, highlight; and the address remembers it."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from backends import LIBRARIES
from tests.browser import IN_A_BROWSER, Page, shown, violations

Visit = Callable[..., Page]
pytestmark = IN_A_BROWSER


def test_a_column_is_sorted_by_its_numbers_and_back(visit: Visit, file: Path):
    page = visit(file)
    page.locator("select[name=operation]").select_option("loss")  # which compiled loops have none of
    table = page.locator(".heat:visible").first
    before = table.locator("tbody th").all_inner_texts()
    header = table.locator("thead th").nth(5)
    values = "(cells) => cells.map((cell) => cell.dataset.value === undefined ? null : Number(cell.dataset.value))"
    orders = []
    for expected in ("ascending", "descending"):
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == expected
        orders.append(table.locator("tbody td:nth-child(6)").evaluate_all(values))
    up = [x for x in orders[0] if x is not None]
    assert len(up) < len(orders[0]), "no cell is empty"
    assert orders[0] == sorted(up) + [None] * (len(orders[0]) - len(up))
    assert orders[1] == sorted(up, reverse=True) + [None] * (len(orders[0]) - len(up))
    page.locator("#controls button").click()
    assert page.locator("[aria-sort]").count() == 0
    assert table.locator("tbody th").all_inner_texts() == before


def test_the_view_is_in_the_address_and_comes_back_from_it(visit: Visit, small_file: Path):
    page = visit(small_file)
    for name, choice in (("workload", "mlp"), ("operation", "loss"), ("scale", "linear"), ("highlight", "jax-scan")):
        page.locator(f"select[name={name}]").select_option(label=choice)
    page.locator(".heat:visible thead th").nth(3).locator("button").click()
    hash = "#" + urlsplit(page.url).fragment
    assert (
        parse_qs(hash[1:]).items()
        >= {"workload": ["mlp"], "operation": ["loss"], "scale": ["linear"], "highlight": ["jax-scan"]}.items()
    )
    other = visit(small_file, hash)
    assert shown(other, "main") == shown(page, "main") != shown(visit(small_file), "main")
    assert other.locator(".lit").count() == page.locator(".lit").count() > 10
    assert other.locator("[aria-sort]").count() == 1
    assert violations(other) == []


@pytest.mark.parametrize(
    "hash",
    ["#overhead", "#at=overhead", "#workload=none&sort=t1.99.up,t1.length.down,x,t9999.0.up,<b>&at=nowhere", "#%"],
)
def test_an_address_that_leads_to_a_part_or_to_nothing_does_no_harm(hash: str, visit: Visit, small_file: Path):
    page = visit(small_file, hash, laid_out=False)
    top = page.locator("#overhead").bounding_box()["y"]
    assert (0 <= top < 200) == ("overhead" in hash)
    assert (
        shown(page, "select[name=workload] option:checked")
        or page.locator("select[name=workload]").input_value() == "all"
    )


def test_a_backend_is_highlighted_in_every_chart_at_once(visit: Visit, file: Path):
    page = visit(file)
    page.locator("#size .legend button", has_text="jax-scan").click()
    assert page.locator("select[name=highlight] option:checked").inner_text() == "jax-scan"
    opacity = "(marks) => marks.map((mark) => [mark.classList.contains('lit'), getComputedStyle(mark).opacity])"
    charts = page.locator("figure:has(.chart svg [data-entrant])").all()
    assert len(charts) == 7
    for chart in charts:
        found = chart.locator(".chart:visible [data-entrant]").evaluate_all(opacity)
        lit = [o for is_lit, o in found if is_lit]
        assert lit, chart.locator("figcaption").inner_text()
        assert float(min(lit)) > 0.5
        assert all(float(o) < 0.2 for is_lit, o in found if not is_lit)
    page.locator("#size .legend button", has_text="jax-scan").click()
    assert page.locator(".lit").count() == 0


def test_nothing_in_a_backends_colour_is_without_its_mark(visit: Visit, file: Path):
    page = visit(file)
    unmarked = """(shapes) => shapes.filter((shape) => {
        const drawn = [shape.style.fill, shape.style.stroke].some((paint) => colours.includes(paint));
        return drawn && !shape.closest("[data-entrant]") && !shape.closest("defs");
    }).length"""
    colours = [
        f"rgb({int(c[1:3], 16)}, {int(c[3:5], 16)}, {int(c[5:], 16)})"
        for c in (library.colour for library in LIBRARIES.values())
    ]
    page.evaluate(f"window.colours = {colours}")
    assert page.locator(".chart svg [data-entrant]").count() > 100
    assert page.locator(".chart svg *").evaluate_all(unmarked) == 0


def test_a_chart_is_shown_at_one_scale_and_a_table_for_one_choice(visit: Visit, small_file: Path):
    page = visit(small_file)
    for scale in ("log", "linear"):
        page.locator("select[name=scale]").select_option(scale)
        assert page.locator("#overhead .chart:visible").count() == 1
        assert page.locator("#overhead .chart:visible").get_attribute("data-scale") == scale
    page.locator("select[name=workload]").select_option("mlp")
    assert all("factorisation" not in header for header in shown(page, "#start th"))
    assert len(shown(page, "#start thead th")) == 4  # two tables
    page.locator("select[name=operation]").select_option("loss")
    assert [c.partition(",")[0] for c in shown(page, ".heat caption")] == ["Time per call of loss"]
