"""Each part knows only what it needs, and stands above all that it knows."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import backends
from bench.backend import REFERENCE
from bench.race.check import Checked
from bench.race.prepare import Prepared
from bench.race.rounds import Raced
from bench.records import schema
from tests.running import ROOT

LAYERS = [
    ("bench.errors", "bench.problem", "bench.resources", "bench.clock", "bench.backend", "bench.operations"),
    ("backends",),
    ("bench.records.schema", "bench.statistics"),
    ("bench.console", "bench.workloads", "bench.devices"),
    ("bench.records",),
    ("bench.agreement",),
    ("bench.workers",),
    ("bench.plan",),
    ("bench.race",),
    ("bench.session",),
    ("bench.report",),
    ("bench.precision",),
    ("bench.agree", "bench.calibrate", "bench.conftest", "bench.test_race", "bench.__main__"),
]
"""The parts of the suite, the lowest first: a part knows those of its own line and of the lines before."""

FLOORS, FUNCTION_LINES, FILE_LINES = 12, 40, 300

LIBRARIES = set(backends.LIBRARIES) - {REFERENCE} | {"jaxlib"}
"""The libraries of the comparison."""

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


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """Return the name by which Python imports the file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for folder in ("bench", "backends") for path in python_files(folder)}


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def imported(path: Path) -> set[str]:
    """Return the names in every import statement of the file, those for type checkers too, and what importers are given."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            found |= {str(a.value) for a in node.args if isinstance(a, ast.Constant)}
    return found


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def known_by(module: str) -> set[str]:
    """Return the modules of the suite that a module imports.

    The folders whose modules are found by their place, as `bench.operations`, import them by no statement.
    """
    names = imported(MODULES[module])
    found = {name if name in MODULES else name.rpartition(".")[0] for name in names}
    return (found & set(MODULES)) - {module}


# Who knows whom.


def test_no_imports_go_in_a_circle():
    try:
        TopologicalSorter({module: known_by(module) for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


def test_the_longest_chain_of_imports_has_twelve_modules():
    @cache
    def chain(module: str) -> tuple[str, ...]:
        return (module, *max((chain(other) for other in known_by(module)), key=len, default=()))

    longest = max((chain(module) for module in MODULES), key=len)
    assert len(longest) <= FLOORS, " -> ".join(longest)


def layer(module: str) -> int:
    """Return the line of LAYERS that names the module or a folder around it; the narrowest name counts."""
    parts = [(len(part), line) for line, of in enumerate(LAYERS) for part in of if f"{module}.".startswith(f"{part}.")]
    return max(parts)[1] if parts else -1


def test_every_module_has_its_layer():
    assert {module for module in MODULES if layer(module) < 0} == {"bench"}


def test_no_module_knows_one_of_a_higher_layer():
    upward = [f"{m} -> {other}" for m in MODULES for other in known_by(m) if layer(other) > layer(m)]
    assert upward == []


def test_the_report_reads_records_and_knows_no_stage_of_a_race():
    stages = ("bench.agreement.", "bench.workers.", "bench.plan.", "bench.race.", "bench.session.")
    inside = [module for module in MODULES if f"{module}.".startswith("bench.report.")]
    assert [f"{m} -> {other}" for m in inside for other in known_by(m) if f"{other}.".startswith(stages)] == []


# Who knows a library.


def test_no_file_of_bench_imports_a_library_of_the_comparison():
    for path in python_files("bench"):
        roots = {name.partition(".")[0] for name in imported(path)}
        inside = {name.split(".")[1] for name in imported(path) if name.startswith("backends.")}
        assert not (roots | inside) & LIBRARIES, path


def test_the_code_of_bench_names_no_library_but_the_reference():
    """Comments and docstrings may.  A calibration alone chooses whom it races."""
    named = re.compile(rf"(?:\b|_)(?:{'|'.join(LIBRARIES)})(?:\b|_)", re.IGNORECASE)
    for path in python_files("bench"):
        said = [text for text in strings(path) if named.search(text)]
        assert said == [] or path.name == "calibrate.py" or "report" in path.parts, path


def strings(path: Path) -> Iterator[str]:
    """Yield every name and every string of the file's code, but for strings that stand alone: those are docstrings."""
    alone = {id(node.value) for node in nodes(path) if isinstance(node, ast.Expr)}
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value
        elif isinstance(node, ast.Name | ast.Attribute):
            yield getattr(node, "id", getattr(node, "attr", ""))


def test_a_backend_imports_its_library_and_neither_a_clock_nor_a_file():
    for path in python_files("backends"):
        folder = path.relative_to(ROOT / "backends").parent
        allowed = PLAIN | NEEDED[folder.name]
        if path == ROOT / "backends" / "__main__.py":
            allowed |= {"subprocess", "sys"}  # it asks each library in a process of its own
        found = imported(path)
        assert {name.partition(".")[0] for name in found} <= allowed, path
        assert not used(path) & (READS_OR_WRITES | TELLS_TIME), path
        meets = {name for name in found if name.startswith("bench.")}
        assert all(name.startswith(("bench.backend.", "bench.problem.")) for name in meets), path


def used(path: Path) -> set[str]:
    """Return the names and attributes that the file's code uses, but for `backends.load`."""
    own = {id(n) for n in nodes(path) if isinstance(n, ast.Attribute) and ast.unparse(n) == "backends.load"}
    found = [n for n in nodes(path) if isinstance(n, ast.Name | ast.Attribute) and id(n) not in own]
    return {getattr(n, "id", getattr(n, "attr", "")) for n in found}


RACE = """
import json, sys
from pathlib import Path
from tests.running import race_little, raced

race_little()
record = raced(Path(sys.argv[1]), ["numpy", "autograd"], operations=["train"])
cells = [(cell.entrant, cell.outcome.status, len(cell.samples)) for cell in record.cells]
for module in sys.argv[2:]:
    __import__(module)
print(json.dumps([cells, sys.path, sorted(sys.modules)]))
"""


def test_the_parent_of_a_race_loads_no_library_nor_does_any_module_of_bench(tmp_path: Path):
    modules = [module for module in MODULES if module.startswith("bench")]
    asked = [sys.executable, "-c", RACE, str(tmp_path), *modules]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    cells, path, loaded = json.loads(done.stdout.splitlines()[-1])
    assert cells == [["numpy", "ok", 1], ["autograd", "ok", 1], ["control", "ok", 1]]
    assert set(modules) <= set(loaded)
    assert not LIBRARIES & set(loaded)
    assert not any(Path(entry).resolve() == ROOT / "backends" for entry in path)


def test_the_folder_of_backends_is_not_on_the_path():
    """It holds folders named numpy, torch and jax, which would be imported in their stead."""
    assert not any(Path(entry or ".").resolve() == ROOT / "backends" for entry in sys.path)
    for name in (REFERENCE, *sorted(LIBRARIES)):
        found = importlib.util.find_spec(name)
        assert found is not None
        assert not Path(str(found.origin)).is_relative_to(ROOT / "backends")


# Who writes a record.

PARTS = {
    kind.__name__: set(kind.__struct_fields__)
    for kind in schema.Strict.__subclasses__()
    if kind.__module__ == schema.__name__
}
"""The fields of every part of a record that can be changed; all other parts are frozen."""
NAMED = {"record", "cell", "_cell", "entrant", "facts", "host"}
"""What variables and finders of such a part are called."""
CHANGES = {"append", "extend", "insert", "clear", "pop", "remove", "update", "setdefault", "sort", "reverse"}


def changed_parts(path: Path) -> list[str]:
    """Return the lines that assign to a field of a record's part, or change it by a method.

    A part is what is reached through a name of NAMED, or through an argument that is annotated as one.
    """
    arguments = {a.arg for a in nodes(path) if isinstance(a, ast.arg) and _annotation(a) in PARTS}
    fields = set().union(*PARTS.values())
    return [
        f"line {target.lineno}: {ast.unparse(target)}"
        for target in _targets(path)
        if target.attr in fields and _reached_through(target.value) & (NAMED | arguments)
    ]


def _annotation(argument: ast.arg) -> str:
    return ast.unparse(argument.annotation) if argument.annotation else ""


def _targets(path: Path) -> Iterator[ast.Attribute]:
    """Yield the attributes that are assigned to, also by an item, or on which a method is called that changes them."""
    for node in nodes(path):
        changed = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
        if isinstance(node, ast.AugAssign | ast.AnnAssign):
            changed = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            changed = [node.func.value]
        for target in changed:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                part = part.value if isinstance(part, ast.Subscript) else part
                if isinstance(part, ast.Attribute):
                    yield part


def _reached_through(node: ast.AST) -> set[str]:
    return {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(node)}


def test_the_session_alone_writes_what_stages_found_into_the_record():
    """Two others finish a record before they hand it to the session: one that is resumed, and that of a calibration."""
    writers = {str(path.relative_to(ROOT / "bench")) for path in python_files("bench") if changed_parts(path)}
    assert writers == {"session.py", "plan/resume.py", "calibrate.py"}


@pytest.mark.parametrize("found", [Prepared, Checked, Raced])
def test_what_a_stage_found_is_frozen(found: type):
    assert found.__dataclass_params__.frozen


# What a person can read at once.


@pytest.mark.parametrize("folder", ["bench", "backends"])
def test_no_function_has_more_than_forty_lines(folder: str):
    functions = [(path, n) for path in python_files(folder) for n in nodes(path) if isinstance(n, ast.FunctionDef)]
    assert functions
    assert [f"{p}: {n.name}" for p, n in functions if n.end_lineno - n.lineno >= FUNCTION_LINES] == []


def test_no_file_of_bench_has_more_than_three_hundred_lines():
    lengths = {path.name: len(path.read_text().splitlines()) for path in python_files("bench")}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}
