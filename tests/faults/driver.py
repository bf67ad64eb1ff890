"""A short race as a process of its own, to be killed: `python -m tests.faults.driver FOLDER [MOMENT NUMBER]`.

It goes on with the record in FOLDER where there is one.  When it comes to the MOMENT for the NUMBERth time it kills itself.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from bench import session
from bench.console import exit
from bench.plan.resume import selection_of
from bench.plan.selection import Selection
from bench.race.rounds import Rounds
from bench.records.schema import Record
from bench.session import Pipeline
from tests.running import QUICK, race_little, without_processes

PROBLEMS = ["factorisation/12x8r2", QUICK]
GENERATIONS = 2
MOMENTS: dict[str, tuple[Any, str]] = {
    "checking": (Pipeline, "_check"),
    "a turn": (Rounds, "_turn"),
    "before renaming": (os, "replace"),
    "after renaming": (os, "replace"),
}
"""By name, the function in which it happens."""


def race(folder: Path, say: Callable[[str], None] = print) -> Record:
    """Race in this process, or go on with the record in the folder."""
    (path,) = [*folder.glob("20*.json")] or [None]
    begun = {"operations": ["train"], "pace": "quick", "generations": GENERATIONS, "seed": 0}
    selection = selection_of(path) if path else Selection(["numpy"], PROBLEMS, ["cpu"], **begun)
    with without_processes():
        return session.run(selection, folder, say, path)


def kill_at(moment: str, number: int) -> None:
    """Let this process kill itself when it comes to the moment for the `number`th time."""
    place, name = MOMENTS[moment]
    right, calls = getattr(place, name), count(1)

    def killing(*given: Any, **named: Any) -> Any:
        if next(calls) == number:
            if moment.startswith("after"):
                right(*given, **named)
            os.kill(os.getpid(), signal.SIGKILL)
        return right(*given, **named)

    setattr(place, name, killing)


def main(folder: str, moment: str = "", number: str = "1") -> int:
    race_little()
    if moment:
        kill_at(moment, int(number))
    race(Path(folder), lambda line: print(line, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(exit.ended(lambda: main(*sys.argv[1:])))
