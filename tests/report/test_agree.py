"""The answer of `bench.agree`: the verdict, and the cells it was reached on."""

import contextlib
import io
import re

from bench import agree as agree


def test_every_cell_that_is_counted_has_a_row():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        agree.main(["--backend", "numpy", "--backend", "numpy-inplace", "--problem", "factorisation/12x8r2"])
    printed = out.getvalue()
    rows = re.findall(r"^([\w-]+) .* pass$", printed, re.MULTILINE)
    assert rows == ["numpy", "numpy-inplace"]
    assert f"{len(rows)} cells of {len(rows)} agree." in printed


def test_agree_says_its_verdict_first_and_last_in_eighty_columns():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = agree.main(["--backend", "numpy", "--problem", "factorisation/12x8r2"])
    lines = out.getvalue().splitlines()
    assert code == 0
    assert lines[:5] == ["Do the backends agree?", "", "Verdict", "=======", ""]
    assert lines[5] == lines[-1] == "1 cell of 1 agrees."
    assert max(map(len, lines)) <= 80
