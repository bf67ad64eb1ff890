"""What the tests that run whole commands and races share."""

import re
from pathlib import Path

from bench.record import Record
from bench.store import read

ROOT = Path(__file__).parents[1]
QUICK = "factorisation/24x6r2"
"""The problem that is raced where any would do."""


def published() -> Path:
    """The record that README is about: a run of one's own may lie beside it."""
    (link,) = re.findall(r"\]\((results/20[^)]*\.json)\)", (ROOT / "README.md").read_text())
    return ROOT / link


def the_record(folder: Path) -> Record:
    """The only one there; a test may have other JSON beside it."""
    (path,) = folder.glob("20*.json")
    return read(path)
