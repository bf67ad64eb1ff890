"""A record is data: resuming one runs no code, and writes no file, that the person did not name."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench import session
from bench.agreement.answers import Computed
from bench.errors import UsageError
from bench.plan import new_record
from bench.plan.resume import selection_of
from bench.plan.selection import RESULTS, Selection
from bench.records.schema import Gpu, Race, Record
from bench.records.store import read, save, sole_writer
from bench.records.warnings import warnings
from bench.workers import messages
from tests.running import QUICK, ROOT, raced, without_processes

FOREIGN = "tests.faults.leaves_a_trace:factory"


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path at which the foreign code leaves a file when it is imported."""
    monkeypatch.setenv("FAULTS_TRACE", str(tmp_path / "trace"))
    monkeypatch.delitem(sys.modules, FOREIGN.partition(":")[0], raising=False)
    return tmp_path / "trace"


def begun(path: Path, *names: str) -> Record:
    """Return a record in `path` of a race that has only just been begun."""
    selection = Selection(names or ["numpy"], [QUICK], ["cpu"], operations=["loss"], pace="quick", generations=1)
    record, _ = new_record.new_record(selection)
    save(record, path)
    return record


def resumed(path: Path, *named: str) -> Record:
    with without_processes():
        session.run(selection_of(path, named), path.parent / "elsewhere", lambda line: None, path)
    return read(path)


def pytest_bench(*options: str) -> str:
    """Return what the command said that ended with 2."""
    command = [sys.executable, "-m", "pytest", "bench/", "--benchmark-only", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    return done.stdout + done.stderr


def test_foreign_code_in_a_record_is_not_run_unless_it_is_named_too(tmp_path: Path, trace: Path):
    path = tmp_path / "given.json"
    begun(path, "numpy", FOREIGN)
    with pytest.raises(UsageError) as refused:
        resumed(path)
    said = f"{path} races code from outside this suite; if you trust it, give --backend {FOREIGN} too"
    assert str(refused.value) == said
    assert not trace.exists()
    assert resumed(path, FOREIGN).status == "complete"
    assert trace.exists()


def test_a_name_that_the_record_does_not_race_is_refused(tmp_path: Path):
    begun(tmp_path / "given.json")
    with pytest.raises(UsageError, match="does not race jax-scan; start a new race"):
        selection_of(tmp_path / "given.json", ["jax-scan"])


def test_a_module_that_is_gone_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine.py").touch()
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        begun(tmp_path / "given.json", "numpy", "mine:factory")
    with pytest.raises(UsageError, match="no module 'mine' for the backend 'mine:factory'; give the name Python"):
        resumed(tmp_path / "given.json", "mine:factory")


@pytest.mark.parametrize("name", ["antigravity", "../evil", "os:system:x"])
def test_a_name_that_is_no_backend_is_no_module_to_import(tmp_path: Path, name: str):
    record = begun(tmp_path / "given.json")
    record.settings.backends = [name]
    save(record, tmp_path / "given.json")
    for named, why in (([], "races code from outside"), ([name], "no backend")):
        with pytest.raises(UsageError, match=why):
            selection_of(tmp_path / "given.json", named)


def test_a_record_is_resumed_where_it_lies_whatever_it_calls_itself(tmp_path: Path):
    folder = tmp_path / "results"
    folder.mkdir()
    path = folder / "given.json"
    record = begun(path)
    record.id = "../evil"
    save(record, path)
    assert resumed(path).status == "complete"
    assert {p.name for p in tmp_path.rglob("*.json")} == {"given.json"}


def test_a_new_race_writes_over_nothing(tmp_path: Path):
    """It takes another name where a file has the very name that it would have taken."""
    now = datetime.now(UTC)
    taken = [tmp_path / f"{now + timedelta(seconds=s):%Y-%m-%dT%H%M%SZ}.json" for s in range(30)]
    for path in taken:
        path.write_text("mine")
    with without_processes():
        record = raced(tmp_path, operations=["loss"])
    assert record.id.endswith("Z-2")
    assert {path.read_text() for path in taken} == {"mine"}


def test_a_half_written_record_is_neither_resumed_nor_written_over(tmp_path: Path):
    path = tmp_path / "given.json"
    begun(path)
    half = path.read_bytes()[:-100]
    path.write_bytes(half)
    with pytest.raises(UsageError, match="is not a record of this suite"):
        resumed(path)
    assert path.read_bytes() == half


def test_a_build_that_only_calls_itself_otherwise_goes_on(tmp_path: Path):
    """PyPI's torch is 2.13.0+cu130 in its own words, and 2.13.0 in pip's."""
    record = begun(tmp_path / "given.json")
    record.entrants[0].versions = {"numpy": f"{metadata.version('numpy')}+cu999", "mkl": "of no package"}
    save(record, tmp_path / "given.json")
    assert resumed(tmp_path / "given.json").status == "complete"


# What may not have changed.


def another_processor(record: Record) -> None:
    record.host.cpu = "Another CPU"


def another_gpu(record: Record) -> None:
    record.host.gpu = Gpu(name="Another GPU", driver="1", memory_bytes=1)


def another_python(record: Record) -> None:
    record.host.python = "3.10.1"


def another_library(record: Record) -> None:
    record.entrants[0].versions = {"numpy": "1.26.4", "openblas": "known to no package index"}


def complete(record: Record) -> None:
    record.status = "complete"


def other_entrants(record: Record) -> None:
    record.entrants[0].backend = FOREIGN


def other_data(record: Record) -> None:
    record.problems[0].checksum = "0" * 64


def longer_calls(record: Record) -> None:
    record.problems[0].timed_steps *= 2


def longer_descents(record: Record) -> None:
    record.problems[0].num_steps *= 2


def no_plan(record: Record) -> None:
    record.races = [Race(0, QUICK, "float32", 1, {"loss": 2}, {})]


def no_problem(record: Record) -> None:
    record.problems, record.cells = [], []


OTHERWISE = "was begun with other entrants, data or steps, or by another version; run anew"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (another_processor, "was begun on another machine .Another CPU, .* cores.; resume it there"),
        (another_gpu, "was begun on another machine .*, Another GPU.; resume it there"),
        (another_python, r"with Python 3\.10\.1, and here is 3\.\d+\.\d+; install 3\.10\.1 again, or run anew"),
        (another_library, r"was begun with numpy 1\.26\.4, and here is .*; install 1\.26\.4 again, or run anew"),
        (complete, "is complete; there is nothing left to resume"),
        (other_entrants, OTHERWISE),
        (other_data, OTHERWISE),
        (longer_calls, OTHERWISE),
        (longer_descents, OTHERWISE),
        (no_problem, OTHERWISE),
        (no_plan, "has a race without its plan of rounds and calls; it was altered, run anew"),
    ],
)
def test_a_record_that_cannot_go_on_is_refused_and_left_as_it_is(tmp_path: Path, trace: Path, change, why: str):
    path = tmp_path / "given.json"
    record = begun(path)
    change(record)
    save(record, path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=why):
        resumed(path)
    assert path.read_bytes() == before
    assert not trace.exists()


@pytest.mark.parametrize("name", ["factorisation/my.csv:r1", "mlp/my.npz:h2"])
def test_a_record_of_own_data_is_resumed_where_the_data_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    np.savetxt(tmp_path / "my.csv", np.eye(10, 3), delimiter=",")
    np.savez(tmp_path / "my.npz", x=np.eye(10, 3), y=np.arange(10) % 2)
    path = tmp_path / "begun.json"
    monkeypatch.chdir(tmp_path)
    selection = Selection(["numpy"], [name], ["cpu"], operations=["train"], pace="quick", generations=1)
    save(new_record.new_record(selection)[0], path)
    before = path.read_bytes()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(
        UsageError, match="races my.*, which is not here; resume it in the folder in which it was begun"
    ):
        resumed(path)
    assert path.read_bytes() == before
    monkeypatch.chdir(tmp_path)
    assert resumed(path).status == "complete"


# What is told.


def test_other_code_and_what_steers_a_library_are_told_of_as_in_a_new_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "given.json"
    record = begun(path)
    record.commit = "0123abc"
    save(record, path)
    monkeypatch.setattr(new_record, "steering", lambda entrants: {"OPENBLAS_CORETYPE": "Haswell"})
    told = [line for line in warnings(resumed(path)) if line not in warnings(record)]
    assert [line.split()[0] for line in told] == ["OPENBLAS_CORETYPE=Haswell", "It"]
    assert told[1].startswith(f"It was begun at commit 0123abc and resumed at {new_record.commit()}: ")


def test_a_report_that_lies_rewritten_is_no_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "results").mkdir()
    files = [tmp_path / "results" / "report.md", tmp_path / "code.py"]
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for file in files:
        file.write_text("as committed")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(new_record, "RESULTS", tmp_path / "results")
    committed = new_record.commit()
    assert committed[-1] in "0123456789abcdef"
    for file, said in zip(files, (committed, f"{committed}+"), strict=True):
        file.write_text("rewritten")
        assert new_record.commit() == said


def test_resuming_takes_what_races_from_the_record_alone(tmp_path: Path):
    begun(tmp_path / "given.json")
    others = ("--results", str(tmp_path / "elsewhere"), "-k", "iris", "--backend", "numpy")
    said = pytest_bench("--resume", str(tmp_path / "given.json"), "--quick", "--problem", "mlp/iris", *others)
    assert "leave out --quick, --problem, --results, -k, --backend numpy" in said


def test_resuming_elsewhere_does_not_wait_for_a_run_in_the_usual_folder(tmp_path: Path):
    record = begun(tmp_path / "given.json")
    complete(record)
    save(record, tmp_path / "given.json")
    with sole_writer(RESULTS / "local"):
        said = pytest_bench("--resume", str(tmp_path / "given.json"))
    assert "another run is writing" not in said
    assert "is complete; there is nothing left to resume" in said


def test_nothing_pickled_is_read_from_a_worker():
    """NumPy would unpickle an array of objects; it is refused before."""
    answer = {"losses": ["|O", [], b"cos\nsystem\n."]}
    with pytest.raises(msgspec.ValidationError, match="arrays of objects are not accepted"):
        messages.unpack(msgspec.msgpack.encode(answer), type=Computed)
