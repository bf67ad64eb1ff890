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


def written(record: Record, folder: Path, *more: Record) -> Path:
    """report.html of the record; of two, comparison.html."""
    paths = [folder / f"{i}.json" for i in range(1 + len(more))]
    for path, each in zip(paths, (record, *more), strict=True):
        save(each, path)
    called(*map(str, paths), "--results", str(folder / "out"), *(["--force"] if more else []))
    return folder / "out" / ("comparison.html" if more else "report.html")


def violations(page: Page, **options: Any) -> list[str]:
    """What axe-core has against the page, asked with its own `options`; not what it likes, which takes as long again."""
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found]


def overflow(page: Page) -> int:
    """Pixels that the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def shown(page: Page, selector: str) -> list[str]:
    """The words of what is to be seen."""
    return page.locator(f"{selector} >> visible=true").all_inner_texts()
