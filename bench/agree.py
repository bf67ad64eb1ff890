"""python -m bench.agree [--backend NAME]... [--problem NAME]... [--device DEVICE]... [--dtype DTYPE]... [--conformance]"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from bench import session
from bench.console import escaped, progress
from bench.console.exit import ended
from bench.plan.selection import Selection, add_options, there, with_twins
from bench.records import schema
from bench.records.schema import Record
from bench.records.warnings import warnings
from bench.report import lab, sections, units
from bench.report import summary as summaries
from bench.report.document import Cell, Error, Items, Name, Section, Status, Table
from bench.report.findings import groups_of, name
from bench.report.terminal import show

CHECKS = "Every check's error and tolerance: a small multiple of what rounding does to the reference, NumPy in float64."
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
    summary = verdict(record)
    told = [Section("Verdict", [summary])]
    told += [Section("Promises", [Items(conformance(record))])] if options.conformance else []
    told += [Section("Warnings", [Items(list(map(escaped, warnings(record))))])] if warnings(record) else []
    code = summaries.exit_code(record)
    show("Do the backends agree?", [*told, *agreement(record)], summary, code)
    return code


def verdict(record: Record) -> str:
    """Return how many cells agree, and why others do not."""
    ok, cells, others = summaries.counted(record)
    said = f"{units.plural(ok, 'cell')} of {cells} {'agrees' if ok == 1 else 'agree'}"
    return ", ".join([said, *others]) + "."


def agreement(record: Record) -> list[Section]:
    """Return every check's error beside its tolerance, cell by cell, then why cells have no numbers."""
    groups, headers, found = groups_of(record), ["backend", "check", "error", "tolerance", "verdict"], []
    for g in groups:
        tables: dict[str, list[list[Cell]]] = {problem: [] for problem in g.problems}
        for e, problem in ((e, problem) for problem in g.problems for e in g.entrants):
            checks = cell.checks if (cell := g.cell(e, problem)) else []
            for check in checks:
                error = Status("not finite") if check.error is None else Error(check.error)
                told = [Cell(check.name), error, Error(check.tolerance), Cell("pass" if check.passed else "FAIL")]
                tables[problem].append([Name(name(e)), *told])
            tables[problem] += [] if checks else [[Name(name(e)), *[Status.of(g.outcome(e, problem))] * 4]]
        found.append(Section(f"Checks ({g.title})", [CHECKS, *(Table(p, headers, rows) for p, rows in tables.items())]))
    others = [*[s for g in groups if (s := lab.section(g))][:1], sections.empty_cells(record)]
    return [*found, *(section for section in others if section)]


def conformance(record: Record) -> list[str]:
    """Return a line for each backend: how many promises it kept, or which it broke."""
    labels = dict.fromkeys(entrant.label for entrant in record.entrants)
    return [escaped(f"{label} {_kept([cell for cell in record.cells if cell.entrant == label])}.") for label in labels]


def _kept(cells: Sequence[schema.Cell]) -> str:
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
