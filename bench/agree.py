"""python -m bench.agree [--backend NAME]... [--problem NAME]... [--device DEVICE]... [--dtype DTYPE]... [--conformance]"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from bench import session
from bench.console import escaped, progress
from bench.console.exit import ended
from bench.plan.selection import Selection, add_options, there, with_twins
from bench.records.schema import Cell, Record
from bench.records.warnings import warnings
from bench.report import sections
from bench.report import summary as summaries
from bench.report.document import Items, Section
from bench.report.terminal import show

CONFORMANCE_PROBLEMS = ["factorisation/24x6r2", "factorisation/300x50r5", "mlp/24x5-6-3", "mlp/300x50-32-10"]
CONFORMANCE_DTYPES = ["float32", "float64"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every check's error beside its tolerance.  0: all agree, 1: one does not, 2: wrong usage, 3: one failed to run."""
    return ended(lambda: _agree(_options(arguments)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.agree", description="Do the backends agree, and how closely.")
    add_options(parser.add_argument)
    tries = f"try every promise of the protocol, too; by itself on {', '.join(CONFORMANCE_PROBLEMS)}, in float32 and float64"
    parser.add_argument("--conformance", action="store_true", help=tries)
    return parser.parse_args(arguments)


def _agree(options: argparse.Namespace) -> int:
    problems, dtypes = options.problem, options.dtype
    if options.conformance:
        problems, dtypes = problems or CONFORMANCE_PROBLEMS, dtypes or CONFORMANCE_DTYPES
    named = options.backend if options.no_by_hand else with_twins(options.backend)
    selection = Selection(named, problems, there(options.device), dtypes=dtypes, deadline=options.deadline)
    with progress.reporter() as say:
        record = session.agreement(selection, say, options.conformance)
    summary = summaries.agreement_summary(record)
    told = [Section("Verdict", [summary])]
    told += [Section("Promises", [Items(conformance(record))])] if options.conformance else []
    told += [Section("Warnings", [Items(list(map(escaped, warnings(record))))])] if warnings(record) else []
    code = summaries.exit_code(record)
    show("Do the backends agree?", [*told, *sections.agreement(record)], summary, code)
    return code


def conformance(record: Record) -> list[str]:
    """Return a line for each backend: how many promises it kept, or which it broke."""
    labels = dict.fromkeys(entrant.label for entrant in record.entrants)
    return [escaped(f"{label} {_kept([cell for cell in record.cells if cell.entrant == label])}.") for label in labels]


def _kept(cells: Sequence[Cell]) -> str:
    checks = [check for cell in cells for check in cell.checks]
    broken = dict.fromkeys(check.name for check in checks if not check.passed)
    promises = len({check.name for check in checks})
    # A cell that a check failed is told of by its check; every other status than ok is told here.
    statuses = Counter(c.outcome.status for c in cells if c.outcome.status != "ok" and all(x.passed for x in c.checks))
    said = [f"{status} on {times} of {len(cells)} cells" for status, times in statuses.items()]
    if broken:
        said.insert(0, f"BROKE {', '.join(broken)}")
    elif checks:
        said.insert(0, f"passed {promises} promises in {len(checks)} checks")
    return "; ".join(said)


if __name__ == "__main__":
    sys.exit(main())
