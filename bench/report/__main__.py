"""python -m bench.report: what a record says, or how a second one differs from it."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from bench.console import exit
from bench.errors import UsageError
from bench.records import calibration, store
from bench.records.schema import Record
from bench.report import compare, markdown, run, sections, trust
from bench.report import summary as of_record
from bench.report.document import Items, Paths, Picture, Section
from bench.report.findings import groups_of
from bench.report.terminal import show

ROOT = Path(__file__).parents[2]
PUBLISHED, README = ROOT / "results", ROOT / "README.md"
LOCAL = PUBLISHED / "local"
MOST_WARNINGS = 5
WHERE = "Files go to results/local/, which git ignores, wherever the record lies, or to the DIR of --results."
FLAGS = {
    "--full": "print every section, not the answer alone",
    "--markdown": "print ten lines to paste into an issue, and write nothing",
    "--readme": "write the tables of README.md, and its pictures and the report of its record to results/",
    "--force": "show two records of unlike machines side by side, without verdicts",
    "--fail-on-regression": "exit with 1 when a cell of both records is slower in RECORD_B",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print and write the report.  0 good, 1 disagreement or regression, 2 wrong usage, 3 cells failed."""
    return exit.ended(lambda: _main(_options(arguments)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    what = "What a record says, or how a second one differs from it."
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=what, epilog=WHERE)
    newest = "default: the newest complete one of DIR; without --results that of results/local/, or else of results/"
    parser.add_argument("record", nargs="?", type=Path, metavar="RECORD", help=newest)
    parser.add_argument(
        "record_b",
        nargs="?",
        type=Path,
        metavar="RECORD_B",
        help=f"compared with RECORD; both need {compare.ENOUGH} generations",
    )
    parser.add_argument("--results", type=exit.folder, metavar="DIR", help="write to DIR (default: results/local/)")
    margin = "a difference that does not matter: within it two are level (default: as was raced)"
    parser.add_argument("--margin", type=exit.percentage, metavar="P", help=margin)
    for flag, what in FLAGS.items():
        parser.add_argument(flag, action="store_true", help=what)
    options = parser.parse_args(arguments)
    if options.record_b is None and (options.force or options.fail_on_regression):
        raise UsageError("--force and --fail-on-regression are for two records; give RECORD and RECORD_B")
    if options.record_b is not None and (options.markdown or options.readme):
        raise UsageError("--markdown and --readme are for one record; leave out RECORD_B")
    return options


def _main(options: argparse.Namespace) -> int:
    if options.record_b is not None:
        return _compare(options)
    path = options.record or (of_readme() if options.readme else _newest(options.results))
    record = _read(path, options)
    if not options.markdown:
        return _report(path, record, options)
    with exit.printing():
        print(markdown.to_paste(record))
    return of_record.exit_code(record)


def _newest(named: Path | None) -> Path:
    """Return the newest complete record of the named folder; without one the newest of one's own, or the published."""
    try:
        return store.newest(named or LOCAL, exit.warn)
    except UsageError:
        if named:
            raise
    return store.newest(PUBLISHED, exit.warn)


def _read(path: Path, options: argparse.Namespace) -> Record:
    record = store.read(path)
    return replace(record, settings=replace(record.settings, margin=options.margin or record.settings.margin))


def of_readme() -> Path:
    """Return the record that README links."""
    if found := re.search(r"\[record\]\((results/[^)]+\.json)\)", README.read_text()):
        return ROOT / found[1]
    raise UsageError("README.md links no record; give RECORD")


def calibration_of(path: Path) -> trust.Trials:
    """Return what lies beside the record, or else the published one; where it cannot be read, a sentence that says so."""
    try:
        return calibration.read(path.parent) or calibration.read(PUBLISHED)
    except UsageError:
        return "The harness's own error rates are not known: its calibration is of another version of the suite."


def _report(path: Path, record: Record, options: argparse.Namespace) -> int:
    # Here, not above: nothing else needs matplotlib, which takes long to import.
    from bench.report.pictures import draw

    trials, warned = calibration_of(path), trust.warnings(record, groups_of(record))
    shown, title = sections.report(record, trials, draw), f"Autodiff backends compared: {record.id}"
    summary, code = of_record.summary(record), of_record.exit_code(record)
    folder = options.results or (PUBLISHED if options.readme else LOCAL)
    written = _write(folder / "report", title, record, shown, summary)
    if options.readme:
        text = markdown.into(README.read_text(), markdown.for_readme(record, shown, trials))
        with store.writing(README.parent):
            store.write(README, text.encode())
    more = [f"and {len(warned) - MOST_WARNINGS} more, which --full shows"] * (len(warned) > MOST_WARNINGS)
    warnings = [Section("Warnings", [Items([*warned[:MOST_WARNINGS], *more])])] if warned and not options.full else []
    show(title, [*_chosen(shown, options.full), *warnings, written], summary, code)
    return code


def _chosen(shown: Sequence[Section], full: bool) -> list[Section]:
    return [section.visible(short=not full) for section in shown if full or section.short]


def _write(to: Path, title: str, record: Record, shown: Sequence[Section], summary: str) -> Section:
    """Write the page, the same as Markdown, and its pictures; return the section that names them."""
    from bench.report.page import page
    from bench.report.pictures import dark

    caveats, good = trust.caveats(record, groups_of(record)), of_record.exit_code(record) == exit.GOOD
    whole = [section.visible(short=False) for section in shown]
    html = page(title, whole, facts=run.facts(record), caveats=caveats, summary=summary, good=good)
    files = {f"{to.name}.html": html, f"{to.name}.md": markdown.markdown(title, whole).encode()}
    for panel in (p for section in shown for part in section.parts if isinstance(part, Picture) for p in part.panels):
        files |= {f"{panel.name}-light.svg": panel.svg.encode(), f"{panel.name}-dark.svg": dark(panel.svg).encode()}
    with store.writing(to.parent):
        for file, content in files.items():
            store.write(to.parent / file, content)
    drawn = [f"report-*.svg ({len(files) - 2} pictures)"] * (len(files) > 2)
    return Section("Written", [Paths([f"{to.parent.resolve()}/{file}" for file in [*list(files)[:2], *drawn]])])


def _compare(options: argparse.Namespace) -> int:
    a, b = (_read(path, options) for path in (options.record, options.record_b))
    unlike = "; ".join(compare.differences(a, b))
    if unlike and not options.force:
        raise UsageError(f"the records differ in {unlike}; run both on one machine, or see them both with --force")
    if unlike and options.fail_on_regression:
        raise UsageError("--fail-on-regression needs verdicts, which unlike records do not get; leave it out")
    found = compare.changes(a, b, judged=not unlike)
    shown, title, summary = compare.sections(a, b, found), f"{b.id} against {a.id}", compare.summary(found)
    theirs = [Section("All that follows is of B alone", []), *sections.report(b, calibration_of(options.record_b))]
    written = _write((options.results or LOCAL) / "comparison", title, b, [*shown, *theirs], summary)
    code = compare.exit_code(b, found, options.fail_on_regression)
    show(title, [*_chosen(shown, options.full), written], " ".join([summary, *compare.noticeable(found)[:1]]), code)
    return code


if __name__ == "__main__":
    sys.exit(main())
