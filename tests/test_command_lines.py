"""The commands, run as a person runs them: each mistake is one sentence with the remedy and exit code 2."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.devices import available
from bench.records.store import save
from tests.running import QUICK, ROOT, the_record
from tests.sample_record import sample_record

RACE = ("-m", "pytest", str(ROOT / "bench"), "--benchmark-only")
AGREE = ("-m", "bench.agree")
REPORT = ("-m", "bench.report")


def run(folder: Path, *arguments: str | Path, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """In `folder`, another than the repository's, with the repository on the path as `pip install -e .` puts it."""
    entries = os.pathsep.join(dict.fromkeys([str(path), str(ROOT)]))
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": entries},
        capture_output=True,
        text=True,
        timeout=120,
    )


def race(folder: Path, *arguments: str | Path, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A small one; what it measures goes to `folder`."""
    few = ("--quick", "--results", folder, "--device", "cpu")
    return run(folder, *RACE, *few, *arguments, path=path)


# Mistakes.

DATA = {
    "empty.csv": "",
    "words.csv": "a,b\n1,x\n",
    "nan.csv": "1,2\n3,nan\n",
    "vector.npy": np.zeros(3),
    "labels.npz": {"x": np.eye(4), "y": np.array([0, 2, 2, 0])},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data that cannot be used, files that are no records, and one that is."""
    made = tmp_path_factory.mktemp("data")
    for name, content in DATA.items():
        if isinstance(content, str):
            (made / name).write_text(content)
        elif isinstance(content, dict):
            np.savez(made / name, **content)
        else:
            np.save(made / name, content)
    (made / "foreign.json").write_text('{"benchmarks": []}')
    (made / "truncated.json").write_text('{"schema": 1, "id": "2026')
    (made / "empty.json").write_text("")
    save(sample_record(["numpy"], [QUICK]), made / "whole.json")
    return made


MISTAKES = {
    "backend": (*AGREE, "--backend", "numpi"),
    "problem": (*AGREE, "--problem", "factorisatoin/iris"),
    "device": (*AGREE, "--device", "gpu"),
    "dtype": (*AGREE, "--dtype", "float16"),
    "no rows": (*AGREE, "--problem", "factorisation/0x4r2"),
    "rank": (*AGREE, "--problem", "factorisation/4x4r9"),
    "no size": (*AGREE, "--problem", "mlp/axb"),
    "missing file": (*AGREE, "--problem", "factorisation/none.csv:r1"),
    "empty file": (*AGREE, "--problem", "factorisation/empty.csv:r1"),
    "not numeric": (*AGREE, "--problem", "factorisation/words.csv:r1"),
    "nan": (*AGREE, "--problem", "factorisation/nan.csv:r1"),
    "one dimension": (*AGREE, "--problem", "factorisation/vector.npy:r1"),
    "labels": (*AGREE, "--problem", "mlp/labels.npz:h3"),
    "race backend": (*RACE, "--backend", "numpi"),
    "module": (*AGREE, "--backend", "tests.outsidres:Keeper"),
    "race module": (*RACE, "--backend", "outsiders.keeper:Keeper"),
    "race size": (*RACE, "--problem", "factorisation/axb"),
    "race labels": (*RACE, "--problem", "mlp/labels.npz:h3"),
    "race pace": (*RACE, "--quick", "--rigorous"),
    "race generations": (*RACE, "--quick", "--generations", "0"),
    "race precision": (*RACE, "--quick", "--generations", "4", "--half-width", "2%"),
    "race resumed precision": (*RACE, "--resume", "whole.json", "--half-width", "2%"),
    "race results": (*RACE, "--quick", "--backend", "numpy", "--results", "empty.csv/below"),
    "race resumed": (*RACE, "--resume", "truncated.json"),
    "foreign record": (*REPORT, "foreign.json"),
    "truncated record": (*REPORT, "truncated.json"),
    "empty record": (*REPORT, "empty.json"),
    "no record": (*REPORT, "none.json"),
    "report results": (*REPORT, "whole.json", "--results", "empty.csv/below"),
    "calibrate results": ("-m", "bench.calibrate", "--results", "/proc/none"),
    "performance results": ("-m", "tests.performance", "--results", "empty.csv/below"),
    "performance backend": ("-m", "tests.performance", "--backend", "numpi"),
    "calibrate races": ("-m", "bench.calibrate", "--races", "0", "--results", "new"),
}


@pytest.mark.parametrize("command, code", [(REPORT, 2), ((*RACE, "--quick"), 4)])
def test_an_empty_path_is_not_the_current_folder(command: tuple[str, ...], code: int, tmp_path: Path):
    done = run(tmp_path, *command, "--results", "")
    assert done.returncode == code
    assert "argument --results: an empty path names no folder; give the one that results go to" in done.stderr
    assert not list(tmp_path.iterdir())


NO_MARGIN = "argument --margin: {!r} is not a percentage between 0% and 100%; write it as 3%"


@pytest.mark.parametrize("margin", ["0%", "0", "3", "x%", "100%", "nan%"])
@pytest.mark.parametrize("command, code", [((*REPORT, "whole.json"), 2), ((*RACE, "--quick"), 4)])
def test_a_margin_is_a_percentage(command: tuple[str, ...], code: int, margin: str, folder: Path):
    done = run(folder, *command, "--margin", margin)
    assert done.returncode == code
    assert NO_MARGIN.format(margin) in done.stderr


REMEDY = r"choose|give|leave out|save|run|remove|number the classes|must"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_with_the_remedy_and_changes_nothing(mistake: str, folder: Path):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    done = run(folder, *MISTAKES[mistake])
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert re.search(REMEDY, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.strip() == ""
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


# Races.


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """An honest backend, one that disagrees, and one that is not installed, by a name from outside the repository."""
    folder = tmp_path_factory.mktemp("raced")
    own = tmp_path_factory.mktemp("own")
    (own / "mine.py").write_text("import backends\n\ndef factory(device, dtype):\n    return backends.load('numpy')\n")
    (own / "sitecustomize.py").write_text(
        "import sys\n"
        "class NoJax:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'jax':\n"
        "            raise ModuleNotFoundError(\"No module named 'jax'\")\n"
        "sys.meta_path.insert(0, NoJax())\n"
    )
    named = ("numpy", "mine:factory", "jax-jit", "tests.faults.backends:SignFlipped")
    chosen = [word for name in named for word in ("--backend", name)]
    done = race(folder, "--problem", QUICK, "-k", "loss", *chosen, "--benchmark-json", folder / "b.out", path=own)
    return folder, done


def test_a_backend_from_outside_races_and_others_do_although_a_framework_is_missing(raced):
    record = the_record(raced[0])
    words = {cell.entrant: cell.outcome.status for cell in record.cells}
    assert words["numpy"] == words["mine:factory"] == "ok"
    assert words["jax-jit"] == "not installed"
    done = run(raced[0], *REPORT, "--results", raced[0])
    assert "not installed" in done.stdout
    assert "Traceback" not in done.stderr


TIMED = ("numpy", "mine:factory")


def test_a_backend_that_disagrees_fails_and_leaves_no_timing(raced):
    folder, done = raced
    assert done.returncode == 1, done.stdout
    assert re.search(r"(FAILED|ERROR) .*SignFlipped", done.stdout)
    assert "disagrees: gradient at the start" in done.stdout
    timed = json.loads((folder / "b.out").read_text())["benchmarks"]
    assert {b["fullname"] for b in timed} == {f"bench/test_race.py::test_race[loss-{QUICK}-{who}]" for who in TIMED}
    assert the_record(folder).cell("tests.faults.backends:SignFlipped", QUICK, "float32").samples == []


def test_a_cell_that_failed_is_told_in_a_sentence_and_by_no_source(tmp_path):
    done = race(tmp_path, "--problem", QUICK, "--backend", "tests.faults.breaks_on_import:factory", "-k", "loss")
    assert done.returncode == 3
    assert "failed: ImportError: libcudart.so.99" in done.stdout
    assert "conftest.py" not in done.stdout


def test_the_record_tells_the_command_as_it_is_typed(raced):
    assert the_record(raced[0]).command.startswith(f"python -m pytest {ROOT / 'bench'} --benchmark-only --quick ")


def test_k_selects_what_races(raced):
    record = the_record(raced[0])
    assert record.settings.operations == {QUICK: ["loss"]}
    assert {s.operation for cell in record.cells for s in cell.samples} == {"loss"}


@pytest.mark.skipif("cuda" in available(), reason="this machine has a GPU")
@pytest.mark.parametrize("command", [("-m", "pytest", ROOT / "bench", "--benchmark-only"), AGREE])
def test_a_device_that_is_not_there_is_refused_at_once(tmp_path: Path, command):
    done = run(tmp_path, *command, "--device", "cuda")
    assert done.returncode == 2
    assert "no driver on this machine tells of a cuda device; leave out --device cuda" in done.stderr


def test_the_json_of_pytest_benchmark_holds_exactly_the_samples_of_the_record(raced):
    folder, _ = raced
    for timed in json.loads((folder / "b.out").read_text())["benchmarks"]:
        label = timed["name"]
        samples = the_record(folder).cell(label, QUICK, "float32").samples
        expected = [n / s.calls / 1e9 for s in samples for n in s.nanoseconds]
        assert timed["stats"]["data"] == pytest.approx(expected, rel=1e-6)
        assert timed["stats"]["rounds"] == len(expected) > 0


def test_pytest_benchmark_compares_it(raced):
    folder, _ = raced
    (folder / "b.out").rename(folder / "b.json")
    done = run(folder, "-m", "pytest_benchmark", "compare", folder / "b.json")
    (folder / "b.json").rename(folder / "b.out")
    assert done.returncode == 0, done.stderr
    assert f"benchmark 'loss {QUICK} float32'" in done.stdout
    assert all(re.search(rf"^{name} ", done.stdout, re.MULTILINE) for name in TIMED), done.stdout


def test_a_reader_of_the_progress_who_leaves_ends_no_race(tmp_path: Path):
    few = ("--quick", "--results", tmp_path, "--device", "cpu", "--problem", QUICK, "--backend", "numpy")
    command = [sys.executable, *map(str, (*RACE, *few))]
    racing = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert racing.stderr is not None
    assert "generation 1" in racing.stderr.readline()
    racing.stderr.close()
    assert racing.wait(timeout=120) == 0
    assert the_record(tmp_path).status == "complete"


@pytest.mark.parametrize("left", ["| head -n 1 > /dev/null", "> /dev/full"])
def test_who_reads_no_more_of_what_pytest_says_ends_no_race(left: str, tmp_path: Path):
    few = ("--quick", "--results", tmp_path, "--device", "cpu", "--problem", QUICK, "--backend", "numpy")
    command = f"set -o pipefail; {shlex.join([sys.executable, *map(str, (*RACE, *few))])} {left}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert the_record(tmp_path).status == "complete"
    assert done.stderr.count("cannot write the output") == ("full" in left)


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_stream_that_is_closed_takes_no_answer_away(closed: str, tmp_path: Path):
    save(sample_record(["numpy"], [QUICK]), tmp_path / "whole.json")
    command = shlex.join([sys.executable, *REPORT, str(tmp_path / "whole.json"), "--results", str(tmp_path / "out")])
    done = subprocess.run(["bash", "-c", f"{command} {closed}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (closed == "2>&-")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--sweep", "-k", "loss"), "nothing was selected, so nothing raced; give -k a part of a name"),
        (("-n", "2"), "leave out -n"),
    ],
)
def test_what_cannot_be_raced_starts_nothing(more: tuple[str, ...], why: str, folder: Path, tmp_path: Path):
    done = run(folder, *RACE, "--problem", QUICK, "--backend", "numpy", "--results", str(tmp_path), *more)
    assert done.returncode == 2
    assert why in done.stderr
    assert not list(tmp_path.glob("*.json"))


def test_a_full_disk_under_the_output_is_one_sentence(tmp_path: Path):
    save(sample_record(["numpy"], [QUICK]), tmp_path / "whole.json")
    command = [sys.executable, *REPORT, str(tmp_path / "whole.json"), "--results", str(tmp_path / "out")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.stderr.startswith("cannot write the output (No space left on device); make room for it")
    assert "Traceback" not in done.stderr
