"""Tell what the interface costs: every mode raced against the best loop without it in its library.

`python -m tests.performance [--backend NAME]... [--results DIR]`, for the developers; half an hour.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import backends
from bench import session, statistics
from bench.console import exit, progress
from bench.errors import UsageError
from bench.plan.resume import selection_of
from bench.plan.selection import RESULTS, Selection
from bench.records.schema import LEFT_OUT, Record
from bench.records.store import read
from bench.report import summary as summaries
from bench.statistics import Estimate

BARE = {
    name: f"tests.performance.in_{backends.library_of(name)}:{name.replace('-', '_')}"
    for name, mode in backends.MODES.items()
    if "cpu" in mode.devices and not mode.on_request
}
"""The bare loop of each mode has its name, beside those of its library."""
PROBLEMS = ["factorisation/iris", "factorisation/2000x1000r32", "mlp/iris", "mlp/1000x100-64-10"]
"""Of `mlp` there is a bare loop for a gradient by hand alone; the other modes are held to theirs of the factorisation."""
ALLOWED = 1.05


def verdict(ratio: Estimate) -> str:
    """Return the verdict that the interval alone gives: all of it at most ALLOWED is `within`, all more `above`, else `unknown`.

    Where all of it is less than 1 / ALLOWED the loop is `no best loop`: the mode shows how to write a better one.
    """
    if ratio.low is None or ratio.high is None:
        return "unknown"
    if ratio.high < 1 / ALLOWED:
        return "no best loop"
    return "within" if ratio.high <= ALLOWED else "above" if ratio.low > ALLOWED else "unknown"


def lines(record: Record, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return for each mode and problem the ratio with its interval, and the verdict; `not measured` for a cell without."""
    found = []
    for problem in record.settings.problems:
        for name in names:
            ours, bare = (record.cell(label, problem, "float32") for label in (name, BARE[name]))
            if bare.outcome.status.startswith(LEFT_OUT):
                continue
            ratio = statistics.ratio(ours.results, bare.results)
            if ratio is None or ratio.low is None or ratio.high is None:
                status = next(
                    (c.outcome.status for c in (ours, bare) if c.outcome.status != "ok"), "too few generations"
                )
                found.append((f"{problem:28} {name:24} {status}", "not measured"))
            else:
                interval = f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"
                found.append((f"{problem:28} {name:24} {interval}", verdict(ratio)))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when no mode is known to be 5 % above its bare loop, 1 when one is or disagrees, 2 for wrong usage, 3 when cells
    failed."""
    return exit.ended(lambda: _raced(_options(arguments)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.performance", description="What the interface costs.")
    parser.add_argument(
        "--backend", action="append", default=[], metavar="NAME", help="default: every mode with a bare loop"
    )
    parser.add_argument(
        "--results",
        type=exit.folder,
        default=RESULTS / "performance",
        metavar="DIR",
        help="default: results/performance",
    )
    parser.add_argument("--resume", type=Path, metavar="RECORD", help="go on with a record that is unfinished")
    options = parser.parse_args(arguments)
    given = {"--backend": options.backend, "--results": options.results != RESULTS / "performance"}
    if options.resume and (extra := [name for name, value in given.items() if value]):
        raise UsageError(
            f"--resume goes on with what the record races, and where it lies; leave out {', '.join(extra)}"
        )
    for name in options.backend:
        if name not in BARE:
            raise UsageError(f"no bare loop for {name!r}; choose from {', '.join(BARE)}")
    options.backend = list(dict.fromkeys(options.backend))
    return options


def _begun(path: Path) -> Selection:
    """Return what the record in `path` races: every mode beside its bare loop, which is code of this repository."""
    raced = read(path).settings.backends
    modes = [name for name in raced if name in BARE]
    if set(raced) != {*modes, *(BARE[name] for name in modes)}:
        raise UsageError(f"{path} is no record of this command; resume it by the one that it names")
    return selection_of(path, raced)


def _raced(options: argparse.Namespace) -> int:
    if options.resume is None:
        names = options.backend or list(BARE)
        raced = [*names, *(BARE[name] for name in names)]
        selection = Selection(raced, PROBLEMS, ["cpu"], operations=["train"], pace="rigorous")
    else:
        selection = _begun(options.resume)
        names = [name for name in selection.backends if name in BARE]
    with progress.reporter() as say:
        record = session.run(selection, options.results, say, options.resume, summaries.progress)
    found = lines(record, names)
    counts = Counter(said for _, said in found)
    with exit.printing():
        print("time / time of the bare loop, with its 95 % interval")
        print("\n".join(f"{line}  {said}" for line, said in found))
        print(f"{', '.join(f'{n} {word}' for word, n in counts.items())}, where {ALLOWED - 1:.0%} is allowed.")
    missed = counts["above"] + counts["no best loop"]
    return exit.REGRESSION if missed else summaries.exit_code(record)


if __name__ == "__main__":
    sys.exit(main())
