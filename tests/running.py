"""What the tests that run whole commands and races share."""

import gc
import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import session
from bench.devices import DEVICES, Probe
from bench.plan import selection
from bench.plan.selection import Selection
from bench.race import refusals
from bench.records.schema import Entrant, Record
from bench.records.store import read
from bench.workers import cores, messages
from bench.workers.environment import USUAL_LAYOUT, Layout
from bench.workers.process import Failed, Remote
from bench.workers.worker import Worker, answer

ROOT = Path(__file__).parents[1]
QUICK = "factorisation/24x6r2"
"""The problem that is raced where any would do."""


OWN_LOCK = f"tests-{os.getpid()}-core-"
"""The name of the cores' locks in a race whose times nobody looks at: others may race beside it."""


def race_little() -> None:
    """Make races short, because here nobody looks at their times.

    The machine's limit is that of products and copies of 0.02 s, not 0.7 to 1.7: nothing honest raced here comes near it.  A
    quick race begins its turns with a millisecond of untimed calls, or four calls.
    """
    DEVICES["cpu"] = replace(DEVICES["cpu"], probe=Probe(side=512, copied_bytes=2**22))
    selection.WARM_UP["quick"] = 0.001


class Here:
    """A worker without a process of its own: it is asked and answers in the same messages, in this process."""

    loaded: messages.Loaded | None = None

    def __init__(self, entrant: Entrant, cores: Sequence[int], cache: Path, layout: Layout = USUAL_LAYOUT) -> None:
        self._worker, self.alive = _Unpinned(), True

    def ask(self, deadline: float) -> Remote:
        return Remote(self._answer)

    def _answer(self, method: str, *given: Any) -> Any:
        request = messages.pack(messages.Request(method, list(given)))
        found = messages.unpack(answer(self._worker, request), type=messages.Answer)
        if found.outcome.status != "ok":
            raise Failed(found.outcome.status, found.outcome.reason)
        return messages.unpack(found.found, type=getattr(Worker, method).__annotations__["return"])

    def kill(self) -> None:
        self.alive = False

    end = kill


class _Unpinned(Worker):
    """It leaves the threads of the tests where they are."""

    def pin(self, cores: list[int]) -> None:
        pass

    def _tidy(self) -> None:
        pass


@contextmanager
def without_processes() -> Iterator[None]:
    """Race in this process alone, which is ten times as fast; it cannot show who computes out of turn or is starved."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.workers.pool.Process", Here)
        patch.setattr(refusals, "MOST_IDLE_CPU_SHARE", math.inf)
        patch.setattr(refusals, "FEWEST_CORES_USED", 0.0)
        patch.setattr(cores, "LOCK", OWN_LOCK)
        gc.collect()
        gc.freeze()  # or every turn looks through all that the tests have loaded
        try:
            yield
        finally:
            gc.unfreeze()


def raced(
    folder: Path, names: Sequence[str] = ("numpy",), problems: Sequence[str] = (QUICK,), **selected: Any
) -> Record:
    """Return the record of a short race, read back from the disk; none is starved where others use the core, too."""
    asked = {"devices": ["cpu"], "pace": "quick", "generations": 1} | selected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusals, "FEWEST_CORES_USED", 0.0)
        patch.setattr(cores, "LOCK", OWN_LOCK)
        made = session.run(Selection(list(names), list(problems), **asked), folder, lambda line: None)
    return read(folder / f"{made.id}.json")


def found(record: Record, name: str, problem: str = QUICK) -> tuple[str, str]:
    """Return the status and the reason of a cell."""
    outcome = record.cell(name, problem, record.settings.dtypes[0]).outcome
    return outcome.status, outcome.reason


def published() -> Path:
    """Return the record that README is about: a run of one's own may lie beside it."""
    (link,) = re.findall(r"\]\((results/20[^)]*\.json)\)", (ROOT / "README.md").read_text())
    return ROOT / link


def the_record(folder: Path) -> Record:
    """Return the only record there; a test may have other JSON beside it."""
    (path,) = folder.glob("20*.json")
    return read(path)
