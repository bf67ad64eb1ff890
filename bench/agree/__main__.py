"""python -m bench.agree [--backend NAME]... [--problem NAME]... [--device DEVICE]... [--dtype DTYPE]..."""

import argparse
import sys
from collections.abc import Sequence

from bench import command, progress, session
from bench.choice import Choice, add_options
from bench.report import lab, tables, words
from bench.report.findings import all_findings
from bench.report.text import Section, show


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints every gate's error beside its tolerance.  0 all agree, 1 one does not, 2 usage, 3 one failed to run."""
    return command.ended(lambda: _agree(_options(arguments)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.agree", description="Do the backends agree, and how closely."
    )
    add_options(parser.add_argument)
    return parser.parse_args(arguments)


def _agree(options: argparse.Namespace) -> int:
    choice = Choice(options.backend, options.problem, options.device, options.dtype, deadline=options.deadline)
    with progress.reporter() as say:
        record = session.agreement(choice, say)
    found = all_findings(record)
    summary, code = words.agreement_summary(found), words.exit_code(found)
    sections = [section for f in found for section in (tables.agreeing_in_full(f), lab.section(f)) if section]
    sections += [s for f in found for s in tables.reasons(f)]
    show("Do the backends agree?", [Section("Verdict", [summary]), *sections], summary, code)
    return code


if __name__ == "__main__":
    sys.exit(main())
