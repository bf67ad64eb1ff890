"""README says what its record says, and what it tells a person to type exists; its prose is plain."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from bench.records.store import read
from bench.report import sections
from bench.report.__main__ import calibration_of, of_readme
from bench.report.findings import groups_of
from bench.report.markdown import for_readme, into
from bench.report.pictures import dark, draw
from tests.reading import too_long

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md")


def text(page: str) -> str:
    return (ROOT / page).read_text()


def commands() -> list[list[str]]:
    """Return every indented line of the pages that begins with a program, without its comment."""
    lines = [line for page in PAGES for line in re.findall(r"^    (\S.*)$", text(page), re.M)]
    return [shlex.split(line, comments=True) for line in lines if not line.startswith("source ")]


@cache
def help_of(program: tuple[str, ...]) -> str:
    done = subprocess.run([sys.executable, "-m", *program, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_readme_is_one_page():
    assert len((ROOT / "README.md").read_bytes()) <= 6144
    assert len(re.findall(r"^## ", text("README.md"), re.M)) <= 8


def test_what_it_says_of_tall_matrices_is_what_the_sweep_found():
    (sweep,) = re.findall(r"NumPy by hand wins on tall\nmatrices like it \(\[sweep\]\((\S+)\)\)", text("README.md"))
    g = groups_of(read(ROOT / sweep))[0]
    tall = ["factorisation/10000x100r10", "factorisation/50000x300r10"]
    each = [g.compare(e, g.reference, p, among=len(tall) * len(g.modes)) for p in tall for e in g.modes]
    assert len(each) == 12 and {c.verdict for c in each} == {"slower"}


def test_its_tables_and_pictures_are_what_this_version_says_of_its_record():
    path = of_readme()
    record, trials = read(path), calibration_of(path)
    shown = sections.report(record, trials, draw)
    assert into(text("README.md"), for_readme(record, shown, trials)) == text("README.md")
    panels = [panel for s in shown for part in s.parts for panel in getattr(part, "panels", [])]
    for panel in panels:
        # What is written, and not the curves, which have more digits than every processor computes alike.
        for drawn, theme in ((panel.svg, "light"), (dark(panel.svg), "dark")):
            kept = (ROOT / "results" / f"{panel.name}-{theme}.svg").read_text()
            assert re.findall(r">([^<>\n]+)</text>", kept) == re.findall(r">([^<>\n]+)</text>", drawn)
    assert (ROOT / "results" / "report.html").exists()
    blocks = re.findall(r"<!-- \w+ -->(.*?)<!-- /\w+ -->", text("README.md"), re.S)
    assert len(blocks) == 4 and all(block.strip() for block in blocks)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_exists_and_knows_its_options(words: list[str]):
    if words[0] == "make":
        done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
        assert set(words[1:]) <= set(" ".join(phony).split()), "a folder of that name would satisfy make"
        return
    listed = help_of(tuple(words[:2]) if words[0] == "pytest" else tuple(words[2:3]))
    assert all(re.search(rf"{option}\b", listed) for option in words if option.startswith("--"))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_path_leads_somewhere(page: str):
    links = re.findall(r"\]\(([^)\s#]+)|src(?:set)?=\"([^\"]+)\"", text(page))
    wanted = [link for both in links for link in both if link and "://" not in link]
    named = re.findall(r"`((?:bench|backends|tests|results)/[\w./]*)`", text(page))
    assert [path for path in wanted if not ((ROOT / page).parent / path).exists()] == []
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_its_sentences_are_short():
    assert too_long(re.sub(r"<!--.*?-->", "", text("README.md"))) == []
