"""The harness on trial: `python -m bench.calibrate [--races N] [--results DIR]`.

Identical code is raced against itself, and against itself with more work on purpose, through the
very same path as everything else: processes, generations, turns, control, intervals, verdicts.  How
often it is called different, wrongly and rightly, is added to results/calibration.json after every
race, so a run can be ended at any time and gone on with.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import backends
from bench import clock, statistics
from bench.console import exit, progress
from bench.devices import cpu
from bench.errors import UsageError
from bench.plan import new_record
from bench.plan.selection import DEADLINE, GENERATIONS, RESULTS, ROUNDS, WARM_UP, Choice
from bench.race.generation import Runner
from bench.records import calibration, host
from bench.records.calibration import Calibration, Rate, Trial
from bench.records.schema import Entrant, Record, Samples
from bench.records.store import sole_writer
from bench.report import words
from bench.report.findings import all_findings
from bench.workers.process import usable_cores

PROBLEMS = {"factorisation/300x50r5": 200, "factorisation/1000x200r15": 100}
"""Steps of a timed call, about 5 and 50 ms where they were first tried; 2 % more work is a whole number of steps."""

PAIRS = 12
"""Pairs of identical entrants in a race, "a0" against "b0" and so on; each gives one comparison on each problem."""

SLOWED = {2: ("a0", "a1", "a2"), 5: ("b3", "b4", "b5"), 10: ("a6", "a7")}
"""By percent of more work, all of it whole steps: whom each of the slowed processes is held
against.  No process stands in two of these trials, so that but for the control they are as independent as processes are."""


def race(seed: int, say: Callable[[str], None]) -> Record:
    """One race: the reference and its control, PAIRS pairs alike, and the slowed."""
    choice = Choice(["numpy"], list(PROBLEMS), ["cpu"], ["float32"], ["train"], seed=seed)
    record, problems = new_record.new(choice)
    problems = [p.replace(num_steps=PROBLEMS[p.name], timed_steps=PROBLEMS[p.name]) for p in problems]
    for facts in record.problems:
        facts.num_steps = facts.timed_steps = PROBLEMS[facts.name]
    named = [(f"{side}{i}", "numpy") for i in range(PAIRS) for side in "ab"]
    named += [(_slowed(p, against), f"backends.slowed:by_{p}") for p in SLOWED for against in SLOWED[p]]
    record.entrants += [Entrant(label=label, backend=name, device="cpu", dtype="float32") for label, name in named]
    record.lay_out()
    with tempfile.TemporaryDirectory() as cache:
        Runner(record, problems, Path(cache), DEADLINE, say).run()
    return record


def _slowed(percent: int, against: str) -> str:
    return f"{against}, slowed by {percent} %"


def tally(record: Record, trial: Trial) -> None:
    """Every comparison of the race, by the verdicts that the report would give; what a failed cell leaves out is none."""

    def samples(label: str) -> list[Samples]:
        return record.cell(label, trial.problem, "float32").results

    control = statistics.ratio(samples("control"), samples("numpy"))
    for i in range(PAIRS):
        found = statistics.ratio(samples(f"a{i}"), samples(f"b{i}"))
        if found is None or found.low is None or found.high is None or found.half_width is None:
            continue
        trial.false_verdicts.add(statistics.verdict(found, control) != "undecided")
        trial.outside.add(not found.low <= 1 <= found.high)
        trial.half_widths.append(found.half_width)
    for percent, against in SLOWED.items():
        for other in against:
            found = statistics.ratio(samples(_slowed(percent, other)), samples(other))
            if found is not None:
                trial.detected.setdefault(str(percent), Rate()).add(statistics.verdict(found, control) == "slower")
    if samples("numpy"):
        trial.call_seconds = statistics.spread(samples("numpy")).median


def begun(folder: Path) -> Calibration:
    """What the folder holds, or a new one; UsageError when it was made otherwise, for such races cannot be counted in."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    new = Calibration(
        host=host.describe(),
        commit=new_record.commit(),
        versions=dict(backends.load("numpy").versions),
        generations=GENERATIONS["default"],
        rounds=ROUNDS,
        warm_up_seconds=WARM_UP["default"],
        first=now,
        last=now,
        clock_overhead_seconds=clock.overhead_seconds(),
        trials=[Trial(problem=problem) for problem in PROBLEMS],
    )
    known = calibration.read(folder) or new
    if other := [what for what, value in _conditions(new).items() if _conditions(known)[what] != value]:
        raise UsageError(
            f"{folder / calibration.FILE} was made with another {' and another '.join(other)};"
            " give --results another folder, or remove it to begin anew"
        )
    return known


def _conditions(of: Calibration) -> dict[str, Any]:
    return {
        "machine": of.host,
        "commit": of.commit,
        "set of versions": of.versions,
        "number of generations": of.generations,
        "number of rounds": of.rounds,
        "warm-up": of.warm_up_seconds,
        "choice of problems": [trial.problem for trial in of.trials],
    }


def summary(found: Calibration) -> list[str]:
    lines = []
    for trial in found.trials:
        detected = ", ".join(f"{p} %: {t.times}/{t.tried}" for p, t in trial.detected.items())
        false = trial.false_verdicts
        lines.append(
            f"{trial.problem} ({trial.call_seconds * 1e3:.1f} ms): {false.times} false verdicts of {false.tried},"
            f" slowdowns detected {detected or 'none tried'}"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when done, 1 for a disagreement, 2 for wrong usage, 3 when cells failed, 130 when interrupted; what was done is kept."""
    return exit.ended(lambda: _calibrate(_options(arguments)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.calibrate", description="The harness's own error rates.")
    parser.add_argument(
        "--races", type=int, default=9, metavar="N", help="races to add (default: 9, which is 216 comparisons)"
    )
    parser.add_argument("--results", type=exit.folder, default=RESULTS, metavar="DIR", help="default: results/")
    options = parser.parse_args(arguments)
    if options.races < 1:
        raise UsageError(f"--races {options.races} adds nothing; give 1 or more")
    return options


def _calibrate(options: argparse.Namespace) -> int:
    with sole_writer(options.results), cpu.reserved(usable_cores()), progress.reporter() as say:
        found = begun(options.results)
        codes = [_add_race(found, options.results, say) for _ in range(options.races)]
    with exit.printing():
        print("\n".join(summary(found)))
        print(f"{len(codes)} races added, cells failed in {sum(map(bool, codes))} of them.")
    return words.worst(codes)


def _add_race(found: Calibration, folder: Path, say: Callable[[str], None]) -> int:
    """One more race, counted and saved; its exit code."""
    number = found.races + 1
    record = race(number, lambda line: say(f"race {number}, {line}"))
    for trial in found.trials:
        tally(record, trial)
    found.races, found.last = number, datetime.now(UTC).isoformat(timespec="seconds")
    calibration.save(found, folder)
    say("; ".join(summary(found)))
    return words.exit_code(all_findings(record))


if __name__ == "__main__":
    sys.exit(main())
