"""What the tests of the report share: the program called, the report of one record."""

import contextlib
import io
from pathlib import Path

import pytest

from bench.records.schema import Record
from bench.records.store import save
from bench.report import pictures
from bench.report.__main__ import main
from bench.report.document import Section, Table

IRIS, MLP = "factorisation/iris", "mlp/iris"
PAIR = ("torch-eager", "torch-eager-by-hand")
FEW = ("numpy", *PAIR, "jax-scan", "jax-scan-by-hand")


def called(*arguments: object, terminal: bool = False, drawn: bool = False) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of the program; its pictures, half of the work, are left out unless asked for."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    out, err = Screen(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr(pictures, "draw", lambda what, groups: [])
        code = main(list(map(str, arguments)))
    return code, out.getvalue(), err.getvalue()


def reported(record: Record, folder: Path, *more: str) -> tuple[int, str, str]:
    """Return exit code, what was printed, and report.md."""
    save(record, folder / "a.json")
    code, printed, _ = called(folder / "a.json", "--results", folder / "out", *more)
    return code, printed, (folder / "out" / "report.md").read_text()


def compared(a: Record, b: Record, folder: Path, *more: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of two records compared."""
    for record, name in ((a, "a"), (b, "b")):
        save(record, folder / f"{name}.json")
    return called(folder / "a.json", folder / "b.json", "--results", folder / "out", *more)


def tables(sections: list[Section]) -> list[Table]:
    return [part for section in sections for part in section.parts if isinstance(part, Table)]


def table(sections: list[Section], title: str) -> Table:
    """Return the first table whose title begins so."""
    return next(t for t in tables(sections) if t.title.startswith(title))


def texts(table: Table) -> dict[str, list[str]]:
    """Return the texts of each row, by that of its first cell."""
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def sentences(sections: list[Section]) -> list[str]:
    """Return every sentence and note that is no table's cell."""
    found = []
    for section in sections:
        for part in section.parts:
            found += [part] if isinstance(part, str) else getattr(part, "sentences", [getattr(part, "note", "")])
    return [sentence for sentence in found if sentence]
