"""A browser, and the page of a whole record in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.records.schema import Record
from tests.browser import CHROMIUM, Page, sync_playwright, written
from tests.sample_record import sample_record

FLAGS = ["--no-sandbox", "--disable-gpu"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]

LAY_OUT = """
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("main > section { content-visibility: visible !important }");
    document.adoptedStyleSheets = [sheet];
"""
"""What is off the screen too: neither its words nor its barriers could be found otherwise."""


@pytest.fixture(scope="session")
def file(whole: Record, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html; the record lies beside its folder as 0.json."""
    return written(whole, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def small() -> Record:
    """Whatever a page can hold, in a quarter of the elements."""
    backends = ("numpy", "torch-eager", "torch-eager-by-hand", "jax-scan", "jax-scan-by-hand")
    return sample_record(backends, ["factorisation/iris", "factorisation/1000x100r10", "mlp/iris"], rounds=2)


@pytest.fixture(scope="session")
def small_file(small: Record, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(small, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Page]]:
    """A function that opens a file as a reader would; afterwards, nothing was said, asked or fetched behind their back."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_page(file: Path, hash: str = "", laid_out: bool = True, **settings: Any) -> Page:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: complaints.append(request.url) if _leaves(request.url, file) else None)
        if laid_out:
            page.add_init_script(LAY_OUT)
        page.goto(f"{file.as_uri()}{hash}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _leaves(url: str, file: Path) -> bool:
    return not url.startswith(("data:", "blob:")) and url.partition("#")[0] != file.as_uri()
