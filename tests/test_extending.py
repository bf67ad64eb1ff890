"""An extension has one place: a mode is a row, a library a folder and a line, an operation or a kind of device a module.

Each is made up here in a copy of the suite, and checked or raced there as it stands.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT

SIZES = ["factorisation/12x8r2", "mlp/24x5-6-3"]

RAN = """
import json, sys
from pathlib import Path
from bench import session
from bench.plan.selection import Selection
from tests.running import race_little, raced

race_little()
names, problems, devices, operations = json.loads(sys.argv[1])
if operations:
    record = raced(Path(sys.argv[2]), names, problems, devices=devices, operations=operations)
else:
    record = session.agreement(Selection(names, problems, devices), lambda line: None)
print(json.dumps([
    [c.entrant, c.problem, c.outcome.status, c.outcome.reason, sorted({s.operation for s in c.samples}),
     [check.name for check in c.checks]]
    for c in record.cells
]))
"""


class Suite:
    """A copy of the suite that may be added to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("bench", "backends", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "results"))

    def add(self, path: str, text: str) -> None:
        """Make a new file; its folder may be new."""
        (self.folder / path).parent.mkdir(exist_ok=True)
        assert not (self.folder / path).exists()
        (self.folder / path).write_text(text)

    def insert(self, path: str, line: str, new: str) -> None:
        """Put text in the place of a line that is there once."""
        before = (self.folder / path).read_text()
        assert before.count(line) == 1
        (self.folder / path).write_text(before.replace(line, new))

    def cells(self, names, problems=SIZES, devices=("cpu",), operations=()) -> list[list]:
        """Return [entrant, problem, status, reason, timed operations, checks] of every cell; without operations none is timed."""
        asked = json.dumps([names, problems, devices, operations])
        done = subprocess.run(
            [sys.executable, "-c", RAN, asked, str(self.folder / "results")],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def test_a_mode_is_a_row(suite: Suite):
    row = """        Mode(
            name="numpy-again",
            mode="eager",
            runs="Plain",
            code="as numpy",
            marker="x",
            devices=("cpu",),
        ),
        Mode(
            name="numpy-inplace",
"""
    suite.insert("backends/numpy/modes.py", '        Mode(\n            name="numpy-inplace",\n', row)
    found = suite.cells(["numpy", "numpy-again"])
    assert [(name, status) for name, _, status, *_ in found] == [("numpy", "ok"), ("numpy-again", "ok")] * 2


LIST_MODES = """
from backends.library import Library, Mode

LIBRARY = Library(
    title="Lists",
    colour="#777777",
    modes=(Mode(name="lists", mode="eager", runs="Lists", code="p -= rate * g", marker="1", devices=("cpu",)),),
)
"""
LIST_LOOPS = """
from backends.library import formulas
from backends.numpy.loops import Plain


def make(mode, device, dtype):
    return Lists()


class Lists(Plain):
    versions = {"lists": "1.0"}
    package = "backends.lists"
"""


def test_a_library_is_a_folder_and_a_line(suite: Suite):
    """Its folder has formulas for one workload; for the other it says that it is not."""
    suite.insert("backends/__init__.py", '"torch", "jax")', '"torch", "jax", "lists")')
    formulas = (suite.folder / "backends" / "numpy" / "factorisation.py").read_text()
    for name, text in {"__init__": "", "modes": LIST_MODES, "loops": LIST_LOOPS, "factorisation": formulas}.items():
        suite.add(f"backends/lists/{name}.py", text)
    found = suite.cells(["numpy", "lists"])
    assert [(name, status) for name, _, status, *_ in found] == [
        ("numpy", "ok"),
        ("lists", "ok"),
        ("numpy", "ok"),
        ("lists", "not for mlp"),
    ]


HVP = """
from bench.operations import Operation

OPERATION = Operation(
    name="hvp",
    member="hvp",
    make=lambda backend, problem: backend.hvp(problem),
    returns="(loss, products)",
    losses=0,
    least_flops=lambda flops, steps: flops,
)
"""
IN_NUMPY = """
class Plain(NumPy):
    def hvp(self, problem):
        def hvp(params, batch):
            U, V, A = params["U"], params["V"], batch["A"]
            R = U @ V.T - A
            dR = R + 2 * (U @ V.T)
            return np.sum(R * R), {"U": 2 * (dR @ V), "V": 2 * (dR.T @ U)}

        return hvp

"""
WRONG = """
from backends.numpy.loops import Plain


class Wrong(Plain):
    def hvp(self, problem):
        right = super().hvp(problem)

        def hvp(params, batch):
            loss, products = right(params, batch)
            return loss, {key: 1.01 * product for key, product in products.items()}

        return hvp


def factory(device, dtype):
    return Wrong()
"""


def test_an_operation_is_a_module_and_a_function_in_each_library_that_has_it(suite: Suite):
    """It is the Hessian times the params.  It is checked and timed; a mode without it races at what it has."""
    suite.add("bench/operations/hvp.py", HVP)
    suite.insert("backends/numpy/loops.py", "class Plain(NumPy):\n", IN_NUMPY)
    suite.add("wrong.py", WRONG)
    names = ["numpy", "numpy-inplace", "wrong:factory"]
    found = suite.cells(names, SIZES[:1], operations=["train", "hvp"])
    told = {name: (status, reason, timed) for name, _, status, reason, timed, _ in found}
    assert told["numpy"] == told["control"] == ("ok", "", ["hvp", "train"])
    assert told["numpy-inplace"] == ("ok", "", ["train"])
    status, reason, timed = told["wrong:factory"]
    assert (status, timed) == ("disagrees", [])
    assert reason.startswith("hvp at the start: ")
    assert {"hvp at the start", "hvp of a decoy"} <= set(found[0][-1])


DEVICE = """
import dataclasses

from bench.devices import cpu

DEVICE = dataclasses.replace(cpu.DEVICE, name="{name}", is_the_cpu={is_the_cpu})
"""
ANYWHERE = """
from backends.numpy.loops import Plain


class Anywhere(Plain):
    def peak_device_bytes(self):
        return 1000


def factory(device, dtype):
    return Anywhere()
"""


def test_a_kind_of_device_is_a_module(suite: Suite):
    """Of two kinds one computes on the cores by another name; the other is taken for a device with memory of its own."""
    suite.add("bench/devices/abacus.py", DEVICE.format(name="abacus", is_the_cpu=True))
    suite.add("bench/devices/slate.py", DEVICE.format(name="slate", is_the_cpu=False))
    suite.add("mine.py", ANYWHERE)
    found = suite.cells(["numpy", "mine:factory"], SIZES[:1], ["cpu", "abacus", "slate"], ["train"])
    labels = ["numpy", "mine:factory", "mine:factory@abacus", "mine:factory@slate"]
    controls = ["control", "control@abacus", "control@slate"]
    told = {name: (status, reason, timed) for name, _, status, reason, timed, _ in found}
    assert told == dict.fromkeys(labels + controls, ("ok", "", ["train"]))
