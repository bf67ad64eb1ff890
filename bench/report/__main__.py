"""python -m bench.report [RECORD [RECORD_B]] [--results DIR] [--force] [--fail-on-regression]"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.console import exit
from bench.errors import UsageError
from bench.plan.selection import RESULTS
from bench.records import calibration, store
from bench.report import compare, page, words
from bench.report.findings import all_findings
from bench.report.text import markdown, show


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints and writes the report.  0 good, 1 disagreement or regression, 2 wrong usage, 3 cells failed."""
    return exit.ended(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    options = _options(arguments)
    if options.record_b is None:
        return _report(options.record or store.newest(options.results, exit.warn), options.results)
    return _compare(options)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.report", description="What a record says, or how a second differs from it."
    )
    parser.add_argument(
        "record", nargs="?", type=Path, metavar="RECORD", help="default: the newest complete one in the results"
    )
    parser.add_argument("record_b", nargs="?", type=Path, metavar="RECORD_B", help="compared with RECORD")
    parser.add_argument(
        "--results",
        type=exit.folder,
        default=RESULTS,
        metavar="DIR",
        help="where the report goes (default: results/)",
    )
    parser.add_argument(
        "--force", action="store_true", help="show two records of unlike machines side by side, without verdicts"
    )
    parser.add_argument(
        "--fail-on-regression", action="store_true", help="exit with 1 when a cell of RECORD_B is slower"
    )
    options = parser.parse_args(arguments)
    if options.record_b is None and (options.force or options.fail_on_regression):
        raise UsageError("--force and --fail-on-regression are for two records; give RECORD and RECORD_B")
    return options


def _report(path: Path, results: Path) -> int:
    record = store.read(path)
    found = all_findings(record)
    trials, title = calibration.read(path.parent), page.title(record)
    # Here, not above: nothing else needs matplotlib and jinja2, which take a second to import.
    from bench.report import downloads, html, parts, pictures

    with store.writing(results):
        drawn = pictures.draw(found, results)
        sections = page.page(record, found, trials, drawn)
        written = markdown(title, sections).encode()
        store.write(results / "report.md", written)
        files = [
            downloads.of_record(record, path.read_bytes()),
            downloads.of_samples(record),
            downloads.download("report.md", "this page as Markdown", written),
        ]
        whole = html.page(title, record, found, parts.parts(record, found, trials, drawn), files)
        store.write(results / "report.html", html.render(whole))
    code = words.exit_code(found)
    show(title, sections, words.summary(record, found), code)
    return code


def _compare(options: argparse.Namespace) -> int:
    a, b = store.read(options.record), store.read(options.record_b)
    if not options.force:
        compare.refuse_unlike(a, b)
    judged = not compare.differences(a, b)
    if options.fail_on_regression and not judged:
        raise UsageError(
            "--fail-on-regression needs verdicts, and unlike records get none; compare records of one machine"
        )
    found = compare.changes(a, b, judged)
    sections = compare.page(a, b, found, judged)
    title = f"{b.id} against {a.id}"
    from bench.report import downloads, html, parts, pictures

    with store.writing(options.results):
        written = markdown(title, sections).encode()
        store.write(options.results / "comparison.md", written)
        theirs, trials = all_findings(b), calibration.read(options.record_b.parent)
        drawn = pictures.draw(theirs, None)
        files = [
            downloads.of_record(a, options.record.read_bytes()),
            downloads.of_record(b, options.record_b.read_bytes()),
            downloads.of_samples(b),
            downloads.download("comparison.md", "the comparison as Markdown", written),
        ]
        shown = [parts.comparison(sections), *parts.parts(b, theirs, trials, drawn)]
        lead = [*sections[0].paragraphs, "The findings, and all that follows What changed, are of B alone."]
        whole = html.page(title, b, theirs, shown, files, lead=lead)
        store.write(options.results / "comparison.html", html.render(whole))
    code = compare.exit_code(b, found, options.fail_on_regression)
    show(title, sections, compare.summary(found), code)
    return code


if __name__ == "__main__":
    sys.exit(main())
