"""What lies in the working folder, or is set in the environment, is not taken for a library and is told of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.plan import new_record
from bench.plan.selection import Selection
from bench.session import agreement
from tests.running import QUICK, ROOT, found, without_processes

LITTLE = ["-m", "bench.agree", "--no-by-hand", "--problem", "factorisation/12x8r2", "--backend", "numpy"]


def agree(*backends: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str]:
    """Return the exit code, and what was said as one line."""
    chosen = [x for name in backends for x in ("--backend", name)]
    given = {"cwd": cwd, "env": os.environ | environment, "stdin": subprocess.DEVNULL}
    done = subprocess.run([sys.executable, *LITTLE, *chosen], capture_output=True, text=True, **given)
    return done.returncode, " ".join(f"{done.stdout} {done.stderr}".split())


@pytest.mark.parametrize("safe", [{}, {"PYTHONSAFEPATH": "1"}], ids=["", "safe path"])
def test_a_backend_in_the_working_folder_is_found_and_a_script_there_hides_no_library(tmp_path: Path, safe: dict):
    for library in ("numpy", "autograd", "psutil", "torch"):
        (tmp_path / f"{library}.py").write_text("print('my script')\nraise SystemExit\n")
    mine = "import backends\n\ndef factory(device, dtype):\n    return backends.load('autograd')\n"
    (tmp_path / "mine.py").write_text(mine)
    code, said = agree("mine:factory", cwd=tmp_path, PYTHONPATH=str(ROOT), **safe)
    assert (code, "2 cells of 2 agree." in said, "my script" in said) == (0, True, False), said


def test_a_script_on_the_path_that_hides_a_library_is_named_and_fails_the_cell(tmp_path: Path):
    backend = {"jax": "jax-jit", "torch": "torch-eager", "autograd": "autograd"}
    for library in backend:
        text = "print('my script')\n" if library == "jax" else "raise AttributeError('mine')\n"
        (tmp_path / f"{library}.py").write_text(text)
    code, said = agree(*backend.values(), PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert code == 3, said
    for library in backend:
        assert re.search(rf"{library} was imported from \S+{library}\.py, which is not the library; rename it", said)
    assert "not installed" not in said


def test_a_compiler_that_is_switched_off_from_outside_fails_the_compiled_cells_and_is_named():
    compiled = {"torch-compile": "TORCHDYNAMO_DISABLE", "jax-jit": "JAX_DISABLE_JIT"}
    code, said = agree(*compiled, **dict.fromkeys(compiled.values(), "1"))
    assert code == 3, said
    assert "its compiler is switched off: it compiled no program" in said
    for backend, variable in compiled.items():
        assert f"{backend} failed" in said
        assert f"{variable}=1 may be the cause, unset it" in said
        assert f"{variable}=1 was set, which may change what a library computes with" in said


def test_a_compiled_mode_that_ends_in_an_error_names_the_variables_that_steer_it(monkeypatch: pytest.MonkeyPatch):
    """So does torch-scan where its compiler is switched off."""
    monkeypatch.setattr(new_record, "steering", lambda entrants: {"SWITCHED_OFF": "1"})
    names = [f"tests.faults.in_calls:{name}" for name in ("Raising", "RaisingCompiled")]
    with without_processes():
        record = agreement(Selection(names, [QUICK], ["cpu"], operations=["train"]), lambda line: None)
    named = ["SWITCHED_OFF=1 may be the cause, unset it" in found(record, name)[1] for name in names]
    assert named == [False, True]
