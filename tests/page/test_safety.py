"""What leaves the page is the record, and nothing else; what a record says cannot do harm in it."""

import csv
import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.records.schema import Record
from bench.report import units
from tests.browser import IN_A_BROWSER, Page, overflow, violations, written
from tests.sample_record import HOSTILE, rename, sample_record

IRIS = "factorisation/iris"

Visit = Callable[..., Page]
pytestmark = IN_A_BROWSER


def test_what_is_downloaded_is_the_record(visit: Visit, small: Record, small_file: Path):
    page = visit(small_file)
    folder, got = small_file.parents[1], {}
    for link in page.locator("a[data-file]").all():
        with page.expect_download() as download:
            link.click()
        got[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    name = units.slug(small.id)
    assert got == {
        f"{name}.json": (folder / "0.json").read_bytes(),
        f"{name}.csv": got[f"{name}.csv"],
        "report.md": (small_file.parent / "report.md").read_bytes(),
    }
    rows = list(csv.DictReader(got[f"{name}.csv"].decode().splitlines()))
    samples = [(c, s) for c in small.cells for s in c.samples]
    assert len(rows) == len(samples)
    for row, (cell, s) in zip(rows, samples, strict=True):
        assert (row["entrant"], row["problem"], row["operation"], row["calls"]) == (
            cell.entrant,
            cell.problem,
            s.operation,
            str(s.calls),
        )
        assert [int(row[f"nanoseconds_{i}"]) for i in range(len(s.nanoseconds))] == s.nanoseconds


def test_without_javascript_the_record_can_be_taken_out_compressed(visit: Visit, small_file: Path):
    page = visit(small_file, java_script_enabled=False)
    with page.expect_download() as download:
        page.locator("a[data-file]").first.click()
    assert download.value.suggested_filename.endswith(".json.gz")
    assert gzip.decompress(Path(download.value.path()).read_bytes()) == (small_file.parents[1] / "0.json").read_bytes()


def test_the_page_forbids_itself_the_network_and_other_scripts(browser: Any, small_file: Path):
    page = browser.new_page()
    page.goto(small_file.as_uri())
    refused = page.evaluate(
        """() => new Promise((done) => {
            const refused = [];
            addEventListener("securitypolicyviolation", (event) => {
                if (refused.push(event.effectiveDirective) === 2) done(refused);
            });
            setTimeout(() => done(refused), 3000);
            document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:9/" }));
            document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = true" }));
        })"""
    )
    assert sorted(refused) == ["img-src", "script-src-elem"]
    assert page.evaluate("window.ran === undefined")
    assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'answered', () => 'refused')") == "refused"


NAMES = [*HOSTILE, "</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "n" * 300, "{{ 7 * 7 }}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_inert(name: str, visit: Visit, tmp_path: Path):
    record = rename(sample_record((name, f"{name}-by-hand"), [IRIS], generations=3), name)
    page = visit(written(record, tmp_path), viewport={"width": 390, "height": 844})
    assert overflow(page) == 0
    assert page.locator("script").count() == 1
    assert page.locator("img, iframe, b script, a:not([href^='#']):not([href^='data:'])").count() == 0
    said = page.locator("body").inner_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\u0590-\u08ff\u202a-\u202e\u2066-\u2069]", said)
    assert "{{" not in name or name in said
    page.locator("select[name=highlight]").select_option(index=1)
    assert page.locator(".lit").count() > 0


def test_hostile_names_are_no_barrier(visit: Visit, tmp_path: Path):
    record = sample_record([*NAMES, f"{NAMES[0]}-by-hand"], [IRIS], generations=3, rounds=2)
    assert violations(visit(written(record, tmp_path))) == []
