"""What the tests of the page share: a page written, a browser's view of it."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.records.schema import Record
from bench.records.store import save
from tests.reported import called

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

try:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import Page, sync_playwright
except ImportError:
    sync_playwright, Axe, Page = None, None, Any

MISSING = [] if sync_playwright else ["playwright and axe (pip install -e '.[page]')"]
MISSING += [] if CHROMIUM else ["chromium (apt install chromium)"]
IN_A_BROWSER = [
    pytest.mark.page,
    # In CI nothing may be missing: there, what is not run is not green.
    pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {' and '.join(MISSING)}"),
]


def written(record: Record, folder: Path) -> Path:
    """Return report.html of the record, with its pictures."""
    save(record, folder / "a.json")
    called(folder / "a.json", "--results", folder / "out", drawn=True)
    return folder / "out" / "report.html"


def violations(page: Page, **options: Any) -> list[str]:
    """Return what axe-core has against the page, asked with its own `options`."""
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found]


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = true; })")


def shown(page: Page, selector: str) -> list[str]:
    """Return the words of what is to be seen."""
    return page.locator(f"{selector} >> visible=true").all_inner_texts()
