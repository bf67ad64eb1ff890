"""The documents can be read, lead somewhere, and keep up with the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from markdown_it import MarkdownIt

from bench.backend import UNSUPPORTED
from bench.console import exit
from bench.records.schema import Outcome, Record, Status
from tests.reading import MOST_WORDS, sentences, too_long

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "docs/method.md",
    "docs/failures.md",
    "docs/measured.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "results/README.md",
)
MEASURED, FAILURES = ROOT / "docs" / "measured.md", ROOT / "docs" / "failures.md"
POINTER = "docs/measured.md"


def without_code(markdown: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", markdown, flags=re.DOTALL)


def links(markdown: str) -> list[str]:
    """Return where the links lead, those by reference too; code has none."""
    text = without_code(markdown)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.M)


def anchors(markdown: str) -> set[str]:
    """Return the names by which GitHub links to the headings."""
    headings = re.findall(r"^#+ (.*)$", markdown, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def sections(markdown: str) -> dict[str, str]:
    """Return the text below each heading of the second level, by the heading without its backticks."""
    _, *parts = re.split(r"^## ", markdown, flags=re.M)
    return {part.partition("\n")[0].strip("`"): part for part in parts}


def table(markdown: str) -> list[list[str]]:
    """Return the rows of the section's first table, without its header."""
    rows = [line.strip("|").split("|") for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_is_written_in_short_sentences(document: str):
    text = (ROOT / document).read_text()
    assert sentences(text)
    assert too_long(text) == []


def test_sentences_are_those_of_paragraphs_and_lists_alone():
    text = "# A heading. Of two\n\nOne `x. y` is. [Two](z.md), et al. of\nit!\n\n    code. here\n\n- Three (3.5).\n- Four\n\n|a. b|\n|-|\n|c. d|\n"
    assert sentences(text) == ["One x._y is.", "Two, et al of it!", "Three (3.5).", "Four"]


def test_a_long_sentence_and_a_long_mean_are_told():
    assert too_long("A short one.") == []
    (of_the_mean,) = too_long(" ".join(["word"] * MOST_WORDS) + ".")
    assert of_the_mean.endswith("on average")
    longest, _ = too_long(" ".join(["word"] * (MOST_WORDS + 1)) + ".")
    assert longest.startswith(f"{MOST_WORDS + 1} words")


def test_the_method_is_of_what_the_page_can_show():
    shown = {"heading", "paragraph", "inline", "bullet_list", "list_item", "fence"}
    shown |= {"table", "thead", "tbody", "tr", "th", "td", "text", "softbreak", "code_inline", "link"}
    tokens = MarkdownIt("commonmark").enable("table").parse((ROOT / "docs" / "method.md").read_text())
    parts = [*tokens, *(child for token in tokens for child in token.children or ())]
    assert {part.type.removesuffix("_open").removesuffix("_close") for part in parts} <= shown
    assert {token.tag for token in tokens if token.type == "heading_open"} == {"h1", "h2", "h3"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_link_leads_to_a_file_or_a_heading(document: str):
    place, text = ROOT / document, (ROOT / document).read_text()
    for link in links(text):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (place.parent / name).resolve() if name else place
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_file_that_is_named_is_there(document: str):
    named = re.findall(r"`((?:bench|backends|tests|docs|results)/[\w./-]*\w)`", (ROOT / document).read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def pointers() -> Iterator[tuple[str, str, str]]:
    """Yield (file, name, sentence) for what has a docstring that points to docs/measured.md; '' where no name is found."""
    for path in sorted([*(ROOT / "bench").rglob("*.py"), *(ROOT / "backends").rglob("*.py")]):
        text, found = path.read_text(), 0
        for names, docstring in documented(ast.parse(text)):
            if POINTER in docstring:
                found += docstring.count(POINTER)
                yield from ((str(path.relative_to(ROOT)), name, docstring) for name in names)
        if text.count(POINTER) > found:
            yield str(path.relative_to(ROOT)), "", "a pointer outside a docstring of a constant, function or class"


def documented(tree: ast.AST) -> Iterator[tuple[list[str], str]]:
    """Yield (names, docstring) for every constant, function and class."""
    for node in ast.walk(tree):
        body = getattr(node, "body", [])
        for before, part in zip(body, body[1:], strict=False) if isinstance(body, list) else ():
            targets = getattr(before, "targets", [getattr(before, "target", None)])
            names = [name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)]
            if names and isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
                yield names, str(part.value.value)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (docstring := ast.get_docstring(node)):
            yield [node.name], docstring


def test_some_constants_point_to_what_was_measured():
    assert {"UNSTEADY", "FEW_STEPS", "FEW_STEPS_SECONDS", "place_heap", "Tuned"} <= {name for _, name, _ in pointers()}


@pytest.mark.parametrize(("file", "name"), [(file, name) for file, name, _ in pointers()])
def test_what_points_to_docs_measured_is_found_there_below_its_file(file: str, name: str):
    assert name, "say it in the docstring of what was measured"
    assert f"`{name}`" in sections(MEASURED.read_text()).get(file, ""), f"{name} is not below {file}"


def test_what_was_measured_stands_below_a_file_that_is_there():
    assert [heading for heading in sections(MEASURED.read_text()) if not (ROOT / heading).exists()] == []


def told_statuses() -> dict[str, set[str]]:
    """Return the exit codes by the status of a cell, as docs/failures.md has them."""
    found: dict[str, set[str]] = {}
    for _, status, code, _ in table(sections(FAILURES.read_text())["Cells"]):
        found.setdefault(status.strip("`"), set()).add(code)
    return found


def known_statuses() -> list[str]:
    """Return every status that a cell may have; those of a backend that cannot run here end with dots."""
    (pattern,) = (meta.pattern for meta in get_args(Status)[1:])
    plain = [
        word for word in pattern.removeprefix(r"\A(").removesuffix(r")\Z").split("|") if re.fullmatch(r"[a-z ]+", word)
    ]
    return [*plain, *(f"{beginning}..." for beginning in UNSUPPORTED)]


def test_every_status_of_a_cell_has_a_row():
    assert len(known_statuses()) > 12
    assert sorted(told_statuses()) == sorted(known_statuses())


@pytest.mark.parametrize("status", known_statuses())
def test_the_exit_code_of_a_status_is_the_harness_s(status: str):
    failed = Outcome(status.replace("...", "mlp")).failed
    code = exit.DISAGREEMENT if status == "disagrees" else exit.FAILED if failed else exit.GOOD
    assert told_statuses()[status] == {str(code)}


def test_every_status_of_a_record_and_every_exit_code_has_a_row():
    (of_records,) = [field.type for field in msgspec.structs.fields(Record) if field.name == "status"]
    rows = table(sections(FAILURES.read_text())["Runs and records"])
    assert set(get_args(of_records)) <= {row[1].strip("`") for row in rows}
    codes = [row[0] for row in table(sections(FAILURES.read_text())["Exit codes"])]
    assert sorted(map(int, codes)) == sorted([exit.GOOD, exit.DISAGREEMENT, exit.USAGE, exit.FAILED, exit.INTERRUPTED])
