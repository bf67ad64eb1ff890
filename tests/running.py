"""What the tests that run whole commands and races share."""

import re
from pathlib import Path

from bench.plan import selection
from bench.race import machine_limits
from bench.records.schema import Record
from bench.records.store import read
from bench.workers import messages

ROOT = Path(__file__).parents[1]
QUICK = "factorisation/24x6r2"
"""The problem that is raced where any would do."""


def race_little() -> None:
    """The machine's limit by products and copies of 0.02 s, not 0.7 to 1.7: nothing honest raced here comes near it.

    And a quick race begins its turns with a millisecond of untimed calls, or four calls: here nobody looks at its times.
    """
    machine_limits.PROBES["cpu"] = messages.Probe(side=512, copied_bytes=2**22)
    selection.WARM_UP["quick"] = 0.001


def published() -> Path:
    """The record that README is about: a run of one's own may lie beside it."""
    (link,) = re.findall(r"\]\((results/20[^)]*\.json)\)", (ROOT / "README.md").read_text())
    return ROOT / link


def the_record(folder: Path) -> Record:
    """The only one there; a test may have other JSON beside it."""
    (path,) = folder.glob("20*.json")
    return read(path)
