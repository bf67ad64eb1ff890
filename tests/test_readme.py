"""What README and CONTRIBUTING tell a person to type exists, and what they link to is there."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from bench.records import calibration
from bench.records.store import newest, read
from bench.report import page, trust
from bench.report.findings import all_findings
from bench.report.text import markdown
from tests.reported import called
from tests.running import ROOT, published

PAGES = ("README.md", "CONTRIBUTING.md")


def text(page: str) -> str:
    return (ROOT / page).read_text()


def commands() -> list[list[str]]:
    """Every indented line of the pages that begins with a program, without its comment."""
    lines = [line for page in PAGES for line in re.findall(r"^    (\S.*)$", text(page), re.M)]
    return [shlex.split(line, comments=True) for line in lines]


@cache
def help_of(program: tuple[str, ...]) -> str:
    done = subprocess.run([sys.executable, "-m", *program, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def options(words: list[str]) -> list[str]:
    return [word for word in words if word.startswith("--")]


def test_there_are_commands_to_check():
    assert len(commands()) >= 9
    assert {words[0] for words in commands()} == {"make", "pytest", "python"}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_exists_and_knows_its_options(words: list[str]):
    if words[0] == "make":
        done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
        assert set(words[1:]) <= set(" ".join(phony).split()), "a folder of that name would satisfy make"
        return
    program = tuple(words[:2]) if words[0] == "pytest" else tuple(words[2:3])
    listed = help_of(program)
    assert all(re.search(rf"{option}\b", listed) for option in options(words))
    if program[0] == "pytest":
        assert all((ROOT / word).exists() for word in words[1:] if word.startswith(("bench", "tests")))


@pytest.mark.parametrize("page", PAGES)
def test_an_option_told_of_in_the_prose_is_one_of_a_command(page: str):
    told = {word for code in re.findall(r"`([^`]+)`", text(page)) for word in code.split() if word.startswith("--")}
    known = help_of(("pytest", "bench/")) + help_of(("bench.report",))
    assert {option for option in told if not re.search(rf"{option}\b", known)} == set()


def test_every_file_that_is_linked_to_exists():
    links = [link for page in PAGES for link in re.findall(r"\]\(([^)#]+)\)", text(page))]
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_every_ratio_with_an_interval_stands_in_the_report():
    told = re.findall(r"\d\.\d+ \[\d[^]]*\]", text("README.md"))
    assert len(told) > 10
    record = read(published())
    report = markdown("", page.page(record, all_findings(record), calibration.read(ROOT / "results"), []))
    assert [ratio for ratio in told if ratio not in report] == []


def test_how_many_controls_leave_1_out_is_told_as_it_is():
    (f,) = all_findings(read(published()))
    found = [c.interval for c in trust.controls(f)]
    out = sum(not interval.low <= 1 <= interval.high for interval in found)
    told = f"{out or 'None'} of this record's {len(found)} controls"
    assert told in " ".join(text("README.md").split())


@pytest.mark.skipif(newest(ROOT / "results") != published(), reason="results/ holds a newer run of one's own")
def test_the_report_here_is_of_the_record_that_readme_names():
    assert record_of("results") == published()


def record_of(folder: str) -> Path:
    """Whose report lies there."""
    return ROOT / folder / f"{text(f'{folder}/report.md').splitlines()[0].split()[-1]}.json"


@pytest.mark.parametrize("folder", ["results"])
def test_the_reports_here_are_what_this_version_says_of_their_records(folder: str, tmp_path: Path):
    """Or else reading a record would change what is committed."""
    assert called(str(record_of(folder)), "--results", str(tmp_path))[2] == ""
    now, committed = tmp_path, ROOT / folder
    assert (now / "report.md").read_text() == (committed / "report.md").read_text()
    assert words(now / "report.html") == words(committed / "report.html")


def words(page: Path) -> list[str]:
    """What the page says; its curves have more digits than every processor computes alike."""
    return re.findall(r"<p\b.*?</p>|<small>.*?</small>", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_every_path_named_in_code_exists(page: str):
    named = re.findall(r"`((?:bench|backends|tests|results)/[\w./]*)`", text(page))
    assert [path for path in named if not (ROOT / path).exists()] == []
