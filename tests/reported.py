"""What the tests of the report share: the program called, the findings of one record."""

import contextlib
import io
from pathlib import Path

import pytest

from bench.records.schema import Entrant, Record
from bench.records.store import save
from bench.report import pictures, units
from bench.report.__main__ import main
from bench.report.findings import Findings, all_findings
from bench.report.look import Sheet

IRIS, MLP = "factorisation/iris", "mlp/iris"
PAIR = ("torch-eager", "torch-eager-by-hand")


def only(record: Record) -> Findings:
    (found,) = all_findings(record)
    return found


def entrant(f: Findings, backend: str) -> Entrant:
    found = f.named(backend)
    assert found is not None
    return found


def reported(record: Record, folder: Path, *more: str, png: bool = False) -> tuple[int, str, str]:
    """Exit code, what was printed, and report.md."""
    path = folder / f"{units.slug(record.id)}.json"
    save(record, path)
    code, printed, _ = called(str(path), "--results", str(folder / "out"), *more, png=png)
    return code, printed, (folder / "out" / "report.md").read_text()


def called(*arguments: str, terminal: bool = False, png: bool = False) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the program; its PNG files, a third of the work, are empty unless asked for."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    out, err = Screen(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        if not png:
            patch.setattr(Sheet, "png", lambda sheet: b"")
        # A process in which JAX has been loaded is not to be forked.
        patch.setattr(pictures, "_cores", lambda: 1)
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def without_samples(record: Record) -> Record:
    for cell in record.cells:
        cell.samples, cell.first_calls, cell.losses, cell.runs = [], [], [], []
    return record
