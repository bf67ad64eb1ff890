"""A short race as a process of its own, to be interrupted: `python -m tests.faults.driver FOLDER [RECORD]`."""

import sys
from pathlib import Path

from bench import session
from bench.console import exit
from bench.plan.selection import Choice, choice_of
from tests.running import QUICK, race_little

PROBLEMS = [QUICK, "factorisation/12x8r2"]
GENERATIONS = 2


def main(folder: str, resume: str = "") -> int:
    race_little()
    if resume:
        choice = choice_of(Path(resume))
    else:
        settings = {"operations": ["train"], "pace": "quick", "generations": GENERATIONS, "seed": 0}
        choice = Choice(["numpy"], PROBLEMS, ["cpu"], **settings)
    session.run(choice, Path(folder), lambda line: print(line, flush=True), Path(resume) if resume else None)
    return 0


if __name__ == "__main__":
    sys.exit(exit.ended(lambda: main(*sys.argv[1:])))
