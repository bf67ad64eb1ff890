"""What the tests of the report share: the program called, the findings of one record."""

import contextlib
import io
from pathlib import Path

from bench.record import Entrant, Record
from bench.report import units
from bench.report.__main__ import main
from bench.report.findings import Findings, all_findings
from bench.store import save

IRIS, MLP = "factorisation/iris", "mlp/iris"
PAIR = ("torch-eager", "torch-eager-by-hand")


def only(record: Record) -> Findings:
    (found,) = all_findings(record)
    return found


def entrant(f: Findings, backend: str) -> Entrant:
    found = f.named(backend)
    assert found is not None
    return found


def reported(record: Record, folder: Path, *more: str) -> tuple[int, str, str]:
    """Exit code, what was printed, and report.md."""
    path = folder / f"{units.slug(record.id)}.json"
    save(record, path)
    code, printed, _ = called(str(path), "--results", str(folder / "out"), *more)
    return code, printed, (folder / "out" / "report.md").read_text()


def called(*arguments: str, terminal: bool = False) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the program."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    out, err = Screen(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def without_samples(record: Record) -> Record:
    for cell in record.cells:
        cell.samples, cell.first_calls, cell.losses, cell.runs = [], [], [], []
    return record
