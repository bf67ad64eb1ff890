"""Each part knows only what it needs: bench/ no framework, backends/ no clock and no file."""

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import ROOT

FRAMEWORKS = {"autograd", "torch", "jax", "jaxlib"}

PLAIN = {"backends", "bench", "collections", "dataclasses", "functools", "importlib", "os", "types", "typing"}
NEEDED = {
    "": set(),
    "numpy": {"numpy", "threadpoolctl"},
    "autograd": {"autograd"},
    "torch": {"torch"},
    "jax": {"jax", "jaxlib"},
    "examples": {"numpy"},
}
"""By folder of backends/, what it may import beside PLAIN: neither a clock nor a file is among them."""

READS_OR_WRITES = {"open", "load", "loadtxt", "genfromtxt", "fromfile", "memmap", "save", "savez", "savetxt", "tofile"}
TELLS_TIME = {"Event", "Timer", "elapsed_time", "perf_counter", "perf_counter_ns", "monotonic", "time_ns", "profiler"}

SAY_WHAT_IS_LOADED = f"""
import json, sys
print(json.dumps([sorted({FRAMEWORKS} & set(sys.modules)), sys.path, [m for m in sys.modules if m.startswith("bench")]]))
"""


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module named in an import statement anywhere in the file, and every string given to an importer."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            found |= {str(a.value) for a in node.args if isinstance(a, ast.Constant)}
    return found


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def names(path: Path) -> set[str]:
    """Every name and attribute that the file's code uses."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute)} | {n.id for n in nodes if isinstance(n, ast.Name)}


def modules(folder: str) -> Iterator[str]:
    for path in python_files(folder):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def loaded_after(code: str) -> tuple[list[str], list[str], list[str]]:
    """(frameworks loaded, sys.path, modules of bench loaded) of a fresh interpreter that ran `code`."""
    done = subprocess.run(
        [sys.executable, "-c", code + SAY_WHAT_IS_LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tuple(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("path", python_files("bench"), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_of_bench_imports_a_framework(path: Path):
    roots = {name.partition(".")[0] for name in imported(path)}
    inside = {name.split(".")[1] for name in imported(path) if name.startswith("backends.")}
    assert not (roots | inside) & FRAMEWORKS


COMMANDS = {"agree/__main__.py", "calibrate.py", "conftest.py", "test_race.py"}
"""What prints what the report says; all else of bench/ races, and knows of no report."""


@pytest.mark.parametrize(
    "path", [p for p in python_files("bench") if "report" not in p.parts], ids=lambda p: str(p.relative_to(ROOT))
)
def test_no_file_of_bench_but_a_command_imports_the_report(path: Path):
    told = any(f"{name}.".startswith("bench.report.") for name in imported(path))
    assert told == (str(path.relative_to(ROOT / "bench")) in COMMANDS)


def test_no_framework_is_loaded_when_all_of_bench_is():
    wanted = list(modules("bench"))
    frameworks, _, loaded = loaded_after("".join(f"import {name}\n" for name in wanted))
    assert frameworks == []
    assert set(wanted) == set(loaded)


def test_the_parent_of_a_race_loads_no_framework(tmp_path: Path):
    race = f"""
from pathlib import Path
from bench import session
from bench.plan.selection import Choice
choice = Choice(["numpy", "jax-jit"], ["factorisation/12x8r2"], ["cpu"], operations=["train"], generations=1)
record = session.run(choice, Path({str(tmp_path)!r}), lambda line: None)
assert [e.outcome.status for e in record.entrants] == ["ok"] * 3, record.entrants
assert record.entrants[1].versions.keys() == {{"jax", "jaxlib"}}
assert [len(c.samples) for c in record.cells] == [1] * 3
"""
    frameworks, path, _ = loaded_after(race)
    assert frameworks == []
    assert not any(Path(entry).resolve() == ROOT / "backends" for entry in path)


@pytest.mark.parametrize("path", python_files("backends"), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_backend_imports_its_library_and_neither_a_clock_nor_a_file(path: Path):
    folder = path.relative_to(ROOT / "backends").parent
    allowed = PLAIN | NEEDED[folder.name]
    if path == ROOT / "backends" / "__main__.py":
        allowed |= {"subprocess", "sys"}  # it asks each library in a process of its own
    found = imported(path)
    assert {name.partition(".")[0] for name in found} <= allowed
    assert not names(path) & (READS_OR_WRITES | TELLS_TIME)
    meets = {name for name in found if name.startswith("bench.")}
    assert all(name.startswith(("bench.backend.", "bench.problem.")) for name in meets)


def test_the_folder_of_backends_is_not_on_the_path():
    """It holds folders named numpy, torch and jax, which would be imported in their stead."""
    assert not any(Path(entry or ".").resolve() == ROOT / "backends" for entry in sys.path)
    for name in ("numpy", *sorted(FRAMEWORKS)):
        found = importlib.util.find_spec(name)
        assert found is not None
        assert not Path(str(found.origin)).is_relative_to(ROOT / "backends")
