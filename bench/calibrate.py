"""The harness on trial, `python -m bench.calibrate [--backend NAME]... [--races N]`: how often its verdicts are wrong.

Identical code is raced against itself, and against itself with more work, as all else is: a race for each backend, with as
many entrants as the default run has.  Every race is added to calibration.json, so that a calibration can be ended at any time
and gone on with.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import clock
from bench.console import progress
from bench.console.exit import ended, folder, printing
from bench.errors import UsageError
from bench.plan.new_record import ROUNDS, commit, facts, new_record
from bench.plan.selection import GENERATIONS, RESULTS, WARM_UP, Selection
from bench.records import calibration, host
from bench.records.calibration import Calibration, Rate, Trial
from bench.records.schema import Entrant, Record, Samples
from bench.records.store import sole_writer
from bench.report import summary as summaries
from bench.resources import Resources
from bench.session import Pipeline
from bench.statistics import MARGIN, ratio, time_per_call, verdict
from bench.workers import cores

BACKENDS = ("numpy", "torch-eager", "torch-compile", "jax-jit", "jax-scan")
PROBLEMS = {
    "factorisation/iris": 200,
    "mlp/iris": 100,
    "mlp/300x50-32-10": 100,
}  # timed steps: 2 % of them are whole steps
COPIES = 8  # of the backend in a race; two and two are compared, so that no process stands in two comparisons
SLOWED = (2, 3, 5, 10)  # percent of more work; each slowed copy is compared with a copy of its own

# Races that were run under other conditions do not add up.
CONDITIONS = {"host": "machine", "code": "version of the code", "generations": "number of generations"}
CONDITIONS |= {"rounds": "number of rounds", "warm_up_seconds": "warm-up", "margin": "margin"}


def race(backend: str, seed: int, say: Callable[[str], None]) -> Record:
    """Return the record of one race: the reference and its control, copies of the backend, and slowed ones."""
    selection = Selection(["numpy"], list(PROBLEMS), ["cpu"], operations=["train"], seed=seed)
    record, problems = new_record(selection)
    problems = [p.replace(num_steps=PROBLEMS[p.name], timed_steps=PROBLEMS[p.name]) for p in problems]
    record.problems = [facts(problem) for problem in problems]
    slowed = [(_slowed(backend, p), f"backends.slowed:{backend.replace('-', '_')}_by_{p}") for p in SLOWED]
    named = [(_copy(backend, i), backend) for i in range(COPIES)] + slowed
    record.entrants += [Entrant(label, name, Resources(), "float32") for label, name in named]
    record.lay_out()
    with Pipeline.of(record, problems, selection, lambda line: say(f"race {seed} of {backend}, {line}")) as pipeline:
        pipeline.race()
    return record


def _copy(backend: str, number: int) -> str:
    return f"{backend}, copy {number}"


def _slowed(backend: str, percent: int) -> str:
    return f"{backend}, slowed by {percent} %"


def tally(record: Record, trial: Trial) -> None:
    """Count every comparison of the race by the verdict that a report would give; a failed cell is none."""

    def samples(label: str) -> list[Samples]:
        return record.cell(label, trial.problem, "float32").results

    control, backend = ratio(samples("control"), samples("numpy")), trial.backend
    for i in range(0, COPIES, 2):
        found = ratio(samples(_copy(backend, i)), samples(_copy(backend, i + 1)))
        if found and found.low and found.high and found.half_width is not None:
            trial.missed.add(not found.low <= 1 <= found.high)
            trial.false_verdicts.add(verdict(found, control) in ("faster", "slower"))
            trial.half_widths.append(found.half_width)
    for i, percent in enumerate(SLOWED):
        found = ratio(samples(_slowed(backend, percent)), samples(_copy(backend, i)))
        if found and found.error is not None:
            # A difference within the margin is called level: it is noticed where it would be called slower without one.
            noticed = verdict(found, control, margin=0.0) == "slower"
            trial.detected.setdefault(str(percent), Rate()).add(noticed)
            if percent >= 100 * MARGIN:
                trial.false_level.add(verdict(found, control) == "level")
    if samples(_copy(backend, 0)):
        trial.call_seconds = time_per_call(samples(_copy(backend, 0)))


def begun(results: Path) -> Calibration:
    """Return what the folder holds, or a new calibration; UsageError where it was made otherwise: such do not add up."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    new = Calibration(
        host=host.describe(),
        commit=commit(),
        code=calibration.code_checksum(),
        versions={},
        generations=GENERATIONS["default"],
        rounds=ROUNDS["default"],
        warm_up_seconds=WARM_UP["default"],
        margin=MARGIN,
        first=now,
        last=now,
        clock_overhead_seconds=clock.overhead_seconds(),
        trials=[Trial(backend, problem) for backend in BACKENDS for problem in PROBLEMS],
    )
    known = calibration.read(results) or new
    other = [what for field, what in CONDITIONS.items() if getattr(known, field) != getattr(new, field)]
    if [(x.backend, x.problem) for x in known.trials] != [(x.backend, x.problem) for x in new.trials]:
        other.append("choice of backends and problems")
    if other:
        made = f"{results / calibration.FILE} was made with another {' and another '.join(other)}"
        raise UsageError(f"{made}; give --results another folder, or remove it to begin anew")
    return known


def summary(found: Calibration) -> list[str]:
    """Return a line for each backend."""
    lines = []
    for backend in BACKENDS:
        trials = [trial for trial in found.trials if trial.backend == backend]
        missed, false = _sum(t.missed for t in trials), _sum(t.false_verdicts for t in trials)
        level = _sum(t.false_level for t in trials)
        slowed = [f"{p} %: {_sum(t.detected.get(str(p), Rate()) for t in trials)}" for p in SLOWED]
        told = f"{missed} intervals missed, {false} false verdicts, {level} falsely level"
        lines.append(f"{backend}: {told}; detected {', '.join(slowed)}")
    return lines


def _sum(of: Iterable[Rate]) -> str:
    rates = list(of)
    return f"{sum(rate.times for rate in rates)} of {sum(rate.trials for rate in rates)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when done, 1 for a disagreement, 2 for wrong usage, 3 when cells failed, 130 when interrupted."""
    return ended(lambda: _calibrate(_options(arguments)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.calibrate", description="The harness's own error rates.")
    comparisons = 5 * len(BACKENDS) * len(PROBLEMS) * COPIES // 2
    added = f"races of each backend to add (default: 5, which is {comparisons} comparisons)"
    add = parser.add_argument
    add("--races", type=int, default=5, metavar="N", help=added)
    add(
        "--backend",
        action="append",
        choices=BACKENDS,
        metavar="NAME",
        help=f"repeatable (default: {', '.join(BACKENDS)})",
    )
    add("--results", type=folder, default=RESULTS / "local", metavar="DIR", help="default: results/local/")
    options = parser.parse_args(arguments)
    if options.races < 1:
        raise UsageError(f"--races {options.races} adds nothing; give 1 or more")
    return options


def _calibrate(options: argparse.Namespace) -> int:
    with sole_writer(options.results), cores.reserved(cores.usable_cores()), progress.reporter() as say:
        found = begun(options.results)
        chosen = [backend for _ in range(options.races) for backend in options.backend or BACKENDS]
        codes = [_add_race(found, backend, options.results, say) for backend in chosen]
    with printing():
        print("\n".join(summary(found)))
        print(f"{len(codes)} races added, cells failed in {sum(map(bool, codes))} of them.")
    return summaries.worst(codes)


def _add_race(found: Calibration, backend: str, results: Path, say: Callable[[str], None]) -> int:
    """Count and save one more race of the backend, and return its exit code."""
    trials = [trial for trial in found.trials if trial.backend == backend]
    record = race(backend, trials[0].races + 1, say)
    for trial in trials:
        tally(record, trial)
        trial.races += 1
    found.versions |= record.versions
    found.last = datetime.now(UTC).isoformat(timespec="seconds")
    calibration.save(found, results)
    return summaries.exit_code(record)


if __name__ == "__main__":
    sys.exit(main())
