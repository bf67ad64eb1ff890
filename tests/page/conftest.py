"""A browser, and a page in it which asks nothing, fetches nothing and says nothing behind the reader's back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import CHROMIUM, Page, sync_playwright, written
from tests.reported import FEW, IRIS, MLP
from tests.sample_record import hostile, sample_record

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whatever a page can hold, in few elements."""
    return written(
        sample_record(FEW, [IRIS, "factorisation/1000x100r10", MLP], rounds=2), tmp_path_factory.mktemp("small")
    )


@pytest.fixture(scope="session")
def harm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(hostile(), tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Page]]:
    """A function that opens a file as a reader would."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_page(file: Path, **settings: Any) -> Page:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: complaints.append(request.url) if request.url != file.as_uri() else None)
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
