"""python -m bench.report [RECORD [RECORD_B]] [--results DIR] [--full] [--markdown] [--readme] [--force] [--fail-on-regression]"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.console import exit
from bench.errors import UsageError
from bench.records import calibration, store
from bench.records.calibration import Calibration
from bench.records.schema import Record
from bench.report import compare, run, sections, trust, verdict
from bench.report.document import Items, Section, pictures
from bench.report.findings import groups_of
from bench.report.markdown import for_readme, into, markdown, to_paste
from bench.report.terminal import show

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results"
LOCAL = PUBLISHED / "local"
README = ROOT / "README.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print and write the report.  0 good, 1 disagreement or regression, 2 wrong usage, 3 cells failed."""
    return exit.ended(lambda: _main(_options(arguments)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.report",
        description="What a record says, or how a second differs from it.",
        epilog="Files are written to results/local/, which git ignores, whichever folder the record lies in. Another"
        " folder is written to only where --results names it.",
    )
    add = parser.add_argument
    add("record", nargs="?", type=Path, metavar="RECORD", help="default: the newest complete one of --results DIR,"
        " or else of results/local/, or else of results/")  # fmt: skip
    add("record_b", nargs="?", type=Path, metavar="RECORD_B", help="compared with RECORD")
    add("--results", type=exit.folder, metavar="DIR", help="write the report to DIR (default: results/local/)")
    add("--full", action="store_true", help="print every section, not the answer alone")
    add("--markdown", action="store_true", help="print ten lines to paste into an issue, and write nothing")
    add("--readme", action="store_true", help="write the tables and pictures of README.md, and the report in results/")
    add("--force", action="store_true", help="show two records of unlike machines side by side, without verdicts")
    add(
        "--fail-on-regression",
        action="store_true",
        help="exit with 1 when a cell of both records is slower in RECORD_B",
    )
    options = parser.parse_args(arguments)
    if options.record_b is None and (options.force or options.fail_on_regression):
        raise UsageError("--force and --fail-on-regression are for two records; give RECORD and RECORD_B")
    if options.record_b is not None and (options.markdown or options.readme):
        raise UsageError("--markdown and --readme are for one record; leave out RECORD_B")
    return options


def _main(options: argparse.Namespace) -> int:
    if options.record_b is not None:
        return _compare(options)
    path = options.record or (_of_readme() if options.readme else _newest(options.results))
    record = store.read(path)
    if options.markdown:
        with exit.printing():
            print(to_paste(record))
        return verdict.exit_code(record)
    return _report(path, record, options)


def _newest(results: Path | None) -> Path:
    """Return the newest complete record of the folder, or of the person's own, or of the published ones."""
    if results is None and LOCAL.is_dir() and any(LOCAL.glob("*.json")):
        results = LOCAL
    return store.newest(results or PUBLISHED, exit.warn)


def _of_readme() -> Path:
    """Return the record that README names."""
    found = re.search(r"\((results/[^)]+\.json)\)", README.read_text())
    if not found:
        raise UsageError(f"{README} names no record; give RECORD")
    return ROOT / found[1]


def _calibration(path: Path) -> Calibration | str | None:
    """Return what lies beside the record, or else the published one; where it cannot be read, a sentence that says so."""
    for folder in (path.parent, PUBLISHED):
        try:
            if found := calibration.read(folder):
                return found
        except UsageError as error:
            return f"The harness's own error rates are not known: {error}."
    return None


def _report(path: Path, record: Record, options: argparse.Namespace) -> int:
    # Here, not above: nothing else needs matplotlib, which takes long to import.
    from bench.report.pictures import draw

    shown, groups = sections.report(record, _calibration(path), draw), groups_of(record)
    summary, code, title = verdict.summary(record), verdict.exit_code(record), sections.title(record)
    folder = options.results or (PUBLISHED if options.readme else LOCAL)
    first = {"lead": sections.lead(record), "caveats": trust.caveats(record, groups)}
    written = _write(folder / "report", title, shown, facts=run.facts(record), summary=summary, good=not code, **first)
    if options.readme:
        with store.writing(README.parent):
            store.write(README, into(README.read_text(), for_readme(record, shown)).encode())
        written.append(README)
    told = [Section("Verdict", [summary]), *_chosen(shown, options.full)]
    if not options.full and (warned := trust.warnings(record, groups)):
        told.append(Section("Warnings", [Items(warned)]))
    show(title, [*told, _files(written)], summary, code)
    return code


def _chosen(shown: Sequence[Section], full: bool) -> list[Section]:
    return [section.visible(short=not full) for section in shown if full or section.short]


def _write(to: Path, title: str, shown: Sequence[Section], **told: Any) -> list[Path]:
    """Write the page, the same as Markdown, and its pictures; return what a person opens."""
    from bench.report.page import page
    from bench.report.pictures import dark

    text = markdown(title, [section.visible(short=False) for section in shown])
    files = {f"{to.name}.html": page(title, shown, **told), f"{to.name}.md": text.encode()}
    for panel in (panel for picture in pictures(shown) for panel in picture.panels):
        files[f"{panel.name}-light.svg"], files[f"{panel.name}-dark.svg"] = panel.svg.encode(), dark(panel.svg).encode()
    with store.writing(to.parent):
        for file, content in files.items():
            store.write(to.parent / file, content)
    return [(to.parent / file).resolve() for file in files]


def _files(written: Sequence[Path]) -> Section:
    """Return the paths of what a person reads, whole; pictures lie beside it."""
    return Section("Written", [Items([str(path) for path in written if path.suffix != ".svg"])])


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
    shown, title, summary = compare.sections(a, b, found, judged), f"{b.id} against {a.id}", compare.summary(found)
    code = compare.exit_code(b, found, options.fail_on_regression)
    whole = [*shown, Section("All that follows is of B alone", []), *sections.report(b, _calibration(options.record_b))]
    told = {"lead": [summary, *compare.noticeable(found)], "caveats": [], "facts": run.facts(b), "summary": summary}
    written = _write((options.results or LOCAL) / "comparison", title, whole, good=not code, **told)
    show(title, [*_chosen(shown, options.full), _files(written)], " ".join(told["lead"]), code)
    return code


if __name__ == "__main__":
    sys.exit(main())
