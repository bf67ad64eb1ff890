"""python -m bench.agree [--backend NAME]... [--problem NAME]... [--device DEVICE]... [--dtype DTYPE]... [--conformance]"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from bench import session
from bench.console import exit, progress
from bench.console.escape import escaped
from bench.plan.selection import Choice, add_options
from bench.records.schema import Cell, Record
from bench.report import lab, tables, units, words
from bench.report.findings import all_findings
from bench.report.text import Section, show

CONFORMANCE_PROBLEMS = [
    "factorisation/24x6r2",
    "factorisation/300x50r5",
    "mlp/24x5-6-3",
    "mlp/300x50-32-10",
]
CONFORMANCE_DTYPES = ["float32", "float64"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints every gate's error beside its tolerance.  0 all agree, 1 one does not, 2 usage, 3 one failed to run."""
    return exit.ended(lambda: _agree(_options(arguments)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.agree", description="Do the backends agree, and how closely."
    )
    add_options(parser.add_argument)
    parser.add_argument(
        "--conformance",
        action="store_true",
        help=f"try every promise of the protocol, too; by itself on {', '.join(CONFORMANCE_PROBLEMS)}, in float32 and float64",
    )
    return parser.parse_args(arguments)


def _agree(options: argparse.Namespace) -> int:
    problems, dtypes = options.problem, options.dtype
    if options.conformance:
        problems, dtypes = problems or CONFORMANCE_PROBLEMS, dtypes or CONFORMANCE_DTYPES
    choice = Choice(options.backend, problems, options.device, dtypes, deadline=options.deadline)
    with progress.reporter() as say:
        record = session.agreement(choice, say, options.conformance)
    found = all_findings(record)
    summary, code = words.agreement_summary(found), words.exit_code(found)
    sections = [section for f in found for section in (tables.agreeing_in_full(f), lab.section(f)) if section]
    sections += [s for f in found for s in tables.reasons(f)]
    told = [Section("Warnings", items=[escaped(line) for line in record.told()])] if record.told() else []
    passed = [Section("Promises", items=conformance(record))] if options.conformance else []
    show("Do the backends agree?", [Section("Verdict", [summary]), *passed, *told, *sections], summary, code)
    return code


def conformance(record: Record) -> list[str]:
    """Return a line for each backend: how many promises it passed, or which it broke."""
    labels = dict.fromkeys(entrant.label for entrant in record.entrants)
    return [escaped(f"{label} {_passed([cell for cell in record.cells if cell.entrant == label])}.") for label in labels]


def _passed(cells: Sequence[Cell]) -> str:
    checks = [check for cell in cells for check in cell.checks]
    broken = dict.fromkeys(check.name for check in checks if not check.passed)
    promises = units.plural(len({check.name for check in checks}), "promise")
    # What broke a check has said so; every other status than ok is told.
    statuses = Counter(c.outcome.status for c in cells if c.outcome.status != "ok" and all(x.passed for x in c.checks))
    said = [f"{status} on {times} of {len(cells)} cells" for status, times in statuses.items()]
    if broken:
        said.insert(0, f"BROKE {', '.join(broken)}")
    elif checks:
        said.insert(0, f"passed {promises} in {units.plural(len(checks), 'check')}")
    return "; ".join(said)


if __name__ == "__main__":
    sys.exit(main())
