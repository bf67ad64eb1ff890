"""A record is data: resuming one runs no code, and writes no file, that the person did not name."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import msgspec
import pytest

from bench import session
from bench.errors import UsageError
from bench.plan import new_record
from bench.plan.selection import RESULTS, Choice, choice_of
from bench.records.schema import Gpu, Race, Record
from bench.records.store import read, save, sole_writer
from tests.faults.backends import NAMED
from tests.running import QUICK, ROOT

FOREIGN = "tests.faults.leaves_a_trace:factory"


def begun(path: Path, *names: str) -> Record:
    """A record in `path` of a race that has only just been begun."""
    choice = Choice(names or ["numpy"], [QUICK], ["cpu"], operations=["loss"], pace="quick", generations=1)
    record, _ = new_record.new(choice)
    save(record, path)
    return record


def resumed(path: Path, named=()) -> Record:
    session.run(choice_of(path, named), path.parent / "elsewhere", lambda line: None, path)
    return read(path)


def pytest_bench(*options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "bench/", "--benchmark-only", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_foreign_code_in_a_record_is_not_run_unless_it_is_named_too(tmp_path, monkeypatch):
    monkeypatch.setenv(NAMED, str(tmp_path / "trace"))
    path = tmp_path / "given.json"
    begun(path, "numpy", FOREIGN)
    done = pytest_bench("--resume", str(path))
    assert done.returncode == 2
    said = f"{path} races code from outside this suite; if you trust it, give --backend {FOREIGN} too"
    assert done.stderr.strip() == f"Exit: {said}"
    assert not (tmp_path / "trace").exists()
    assert resumed(path, [FOREIGN]).status == "complete"
    assert (tmp_path / "trace").exists()


def test_entrants_that_are_not_those_of_the_settings_are_not_run(tmp_path, monkeypatch):
    monkeypatch.setenv(NAMED, str(tmp_path / "trace"))
    path = tmp_path / "given.json"
    record = begun(path)
    record.entrants[0].backend = FOREIGN
    save(record, path)
    with pytest.raises(UsageError, match="with other entrants; run anew"):
        resumed(path)
    assert not (tmp_path / "trace").exists()


def test_a_name_that_the_record_does_not_race_is_refused(tmp_path):
    begun(tmp_path / "given.json")
    with pytest.raises(UsageError, match="does not race jax-scan; start a new race"):
        choice_of(tmp_path / "given.json", ["jax-scan"])


def test_a_module_that_is_gone_is_not_passed_over(tmp_path, monkeypatch):
    (tmp_path / "mine.py").touch()
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        begun(tmp_path / "given.json", "numpy", "mine:factory")
    done = pytest_bench("--resume", str(tmp_path / "given.json"), "--backend", "mine:factory")
    assert done.returncode == 2
    assert done.stderr.strip().startswith(
        "Exit: no module 'mine' for the backend 'mine:factory'; give the name Python imports"
    )


@pytest.mark.parametrize("name", ["antigravity", "../evil", "os:system:x"])
def test_a_name_that_is_no_backend_is_no_module_to_import(tmp_path, name):
    record = begun(tmp_path / "given.json")
    record.settings.backends = [name]
    save(record, tmp_path / "given.json")
    with pytest.raises(UsageError, match="races code from outside|no backend"):
        choice_of(tmp_path / "given.json")
    with pytest.raises(UsageError, match="no backend"):
        choice_of(tmp_path / "given.json", [name])


@pytest.mark.parametrize("evil", ["../evil", "/tmp/evil", "a/b"])
def test_a_record_is_resumed_where_it_lies_whatever_it_calls_itself(tmp_path, evil):
    folder = tmp_path / "results"
    folder.mkdir()
    path = folder / "given.json"
    record = begun(path)
    record.id = evil
    save(record, path)
    assert resumed(path).status == "complete"
    assert {p.name for p in tmp_path.rglob("*.json")} == {"given.json"}
    assert not Path("/tmp/evil.json").exists()


def test_a_new_race_writes_over_nothing(tmp_path):
    """Not even over a file that has the very name it would have taken."""
    now = datetime.now(UTC)
    taken = [tmp_path / f"{now + timedelta(seconds=s):%Y-%m-%dT%H%M%SZ}.json" for s in range(30)]
    for path in taken:
        path.write_text("mine")
    choice = Choice(["numpy"], [QUICK], ["cpu"], operations=["loss"], pace="quick", generations=1)
    record = session.run(choice, tmp_path, lambda line: None)
    assert record.id.endswith("Z-2")
    assert read(tmp_path / f"{record.id}.json").id == record.id
    assert {path.read_text() for path in taken} == {"mine"}


def test_a_half_written_record_is_neither_resumed_nor_written_over(tmp_path):
    path = tmp_path / "given.json"
    begun(path)
    half = path.read_bytes()[:-100]
    path.write_bytes(half)
    with pytest.raises(UsageError, match="is not a record of this suite"):
        resumed(path)
    assert path.read_bytes() == half


def elsewhere(record):
    record.host.cpu = "Another CPU"


def on_a_gpu(record):
    record.host.gpu = Gpu(name="Another GPU", driver="1", memory_bytes=1)


def by_another_python(record):
    record.host.python = "3.10.1"


def by_another_library(record):
    record.entrants[0].versions = {"numpy": "1.26.4", "openblas": "known to no package index"}


def test_a_build_that_only_calls_itself_otherwise_goes_on(tmp_path):
    """PyPI's torch is 2.13.0+cu130 in its own words, and 2.13.0 in pip's."""
    record = begun(tmp_path / "given.json")
    record.entrants[0].versions = {"numpy": f"{metadata.version('numpy')}+cu999", "mkl": "of no package"}
    save(record, tmp_path / "given.json")
    assert resumed(tmp_path / "given.json").status == "complete"


def complete(record):
    record.status = "complete"


def other_data(record):
    record.problems[0].checksum = "0" * 64


def longer_calls(record):
    record.problems[0].timed_steps *= 2


def longer_descents(record):
    record.problems[0].num_steps *= 2


def no_plan(record):
    record.races = [Race(0, QUICK, "float32", 1, {"loss": 2}, {})]


def no_problem(record):
    record.problems, record.cells = [], []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (elsewhere, "was begun on another machine .Another CPU, .* cores.; resume it there"),
        (on_a_gpu, "was begun on another machine .*, Another GPU.; resume it there"),
        (
            by_another_python,
            r"was begun with Python 3\.10\.1, and here is 3\.\d+\.\d+; install 3\.10\.1 again, or run anew",
        ),
        (by_another_library, r"was begun with numpy 1\.26\.4, and here is .*; install 1\.26\.4 again, or run anew"),
        (complete, "is complete; there is nothing left to resume"),
        (other_data, "factorisation/24x6r2 has other data or another start"),
        (longer_calls, r"with calls of \d+ steps on factorisation/24x6r2, and here they are of \d+; run anew"),
        (longer_descents, r"with descents of \d+ steps on factorisation/24x6r2, and here they are of \d+; run anew"),
        (no_problem, "was begun by another version of the suite"),
        (no_plan, "has a race without its plan of rounds and calls; it was altered, run anew"),
    ],
)
def test_a_record_that_cannot_go_on_is_refused_and_left_as_it_is(tmp_path, change, why):
    path = tmp_path / "given.json"
    record = begun(path)
    change(record)
    save(record, path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=why):
        resumed(path)
    assert path.read_bytes() == before


def test_other_code_and_what_steers_a_library_are_told_of_as_in_a_new_record(tmp_path, monkeypatch):
    path = tmp_path / "given.json"
    record = begun(path)
    record.commit = "0123abc"
    save(record, path)
    monkeypatch.setattr(new_record, "steering", lambda entrant: {"OPENBLAS_CORETYPE": "Haswell"})
    told = [warning for warning in resumed(path).told() if warning not in record.told()]
    assert [line.split()[0] for line in told] == ["OPENBLAS_CORETYPE=Haswell", "It"]
    assert told[1].startswith(f"It was begun at commit 0123abc and resumed at {new_record.commit()}: ")


def test_a_report_that_lies_rewritten_is_no_other_code(tmp_path, monkeypatch):
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


def test_resuming_takes_what_races_from_the_record_alone(tmp_path):
    begun(tmp_path / "given.json")
    others = ("--results", str(tmp_path / "elsewhere"), "-k", "iris", "--backend", "numpy")
    done = pytest_bench("--resume", str(tmp_path / "given.json"), "--quick", "--problem", "mlp/iris", *others)
    assert done.returncode == 2
    assert "leave out --problem, --quick, --results, -k, --backend numpy" in done.stderr


def test_resuming_elsewhere_does_not_wait_for_a_run_in_the_usual_folder(tmp_path):
    record = begun(tmp_path / "given.json")
    complete(record)
    save(record, tmp_path / "given.json")
    with sole_writer(RESULTS):
        done = pytest_bench("--resume", str(tmp_path / "given.json"))
    assert "another run is writing" not in done.stdout + done.stderr
    assert "is complete; there is nothing left to resume" in done.stdout + done.stderr


def test_nothing_pickled_is_read_from_a_worker():
    """An array of objects would be unpickled by NumPy; it is refused before."""
    from bench.workers import messages

    with pytest.raises(msgspec.ValidationError, match="arrays of objects are not accepted"):
        array = {"losses": ["|O", [], b"cos\nsystem\n."]}
        messages.unpack_answer(msgspec.msgpack.encode({"type": "Evidence"} | array))
