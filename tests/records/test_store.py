"""Records on disk: written whole or not at all, found by their age, one writer to a folder."""

import copy
import math
from pathlib import Path

import msgspec
import pytest

from bench.errors import UsageError
from bench.records import store
from bench.records.schema import SCHEMA, Record
from bench.records.store import newest, read, save, sole_writer
from tests.sample_record import fail, sample_record


@pytest.fixture(scope="module")
def good() -> Record:
    return sample_record(("numpy",), ("factorisation/iris",), generations=3, rounds=2, control=False)


def test_a_record_that_could_not_be_read_again_does_not_take_the_place_of_the_one_there(good: Record, tmp_path: Path):
    path = tmp_path / "good.json"
    save(good, path)
    for bad, error in ((copy.deepcopy(good), msgspec.ValidationError), (copy.deepcopy(good), ValueError)):
        if error is ValueError:
            bad.cells = 2 * bad.cells
        else:
            bad.host_states = [msgspec.structs.replace(bad.host_states[0], load=math.nan)]
        with pytest.raises(error):
            save(bad, path)
    assert read(path) == good
    assert list(tmp_path.iterdir()) == [path]


def test_the_newest_record_is_the_newest_complete_one_with_a_good_cell(good: Record, tmp_path: Path):
    older = tmp_path / "2024-01-01.json"
    save(good, older)
    (tmp_path / "2024-01-02.json").write_bytes(older.read_bytes()[:-1])
    save(fail(sample_record(["numpy"], control=False), "numpy", "crashed"), tmp_path / "2024-01-03.json")
    unfinished = copy.deepcopy(good)
    unfinished.status = "unfinished"
    save(unfinished, tmp_path / "2024-01-04.json")
    changed = older.read_text().replace(f'"schema":{SCHEMA}', f'"schema":{SCHEMA + 1}')
    (tmp_path / "2024-01-05.json").write_text(changed)
    (tmp_path / "2024-01-06.json").write_text(older.read_text().replace('"problems":[', '"problems":[],"x":['))
    told: list[str] = []
    assert newest(tmp_path, told.append) == older
    said = [line.removeprefix(f"passed over: {tmp_path}/") for line in told[:1]]
    assert said[0].startswith(f"2024-01-05.json has record schema {SCHEMA + 1}, this version reads {SCHEMA}")
    assert told[1].endswith("2024-01-04.json is unfinished; name it to see what it holds, or go on with --resume")
    assert told[2].endswith("2024-01-03.json no cell is good; name it to see why")
    assert len(told) == 3


def test_of_two_runs_within_one_second_the_second_is_the_newer(good: Record, tmp_path: Path):
    for name in ("2024-01-01T000000Z-2", "2024-01-01T000000Z"):
        save(good, tmp_path / f"{name}.json")
    assert newest(tmp_path) == tmp_path / "2024-01-01T000000Z-2.json"


def test_a_folder_without_a_record_is_told_what_makes_one(tmp_path: Path):
    with pytest.raises(UsageError, match="no complete record in .*; run `pytest bench/ --benchmark-only` to make one"):
        newest(tmp_path)


def test_a_second_run_in_the_folder_is_refused_until_the_first_ends(tmp_path: Path):
    with sole_writer(tmp_path):
        said = "another run is writing to .*; wait for it, or give --results another folder"
        with pytest.raises(UsageError, match=said), sole_writer(tmp_path):
            pass
        with sole_writer(tmp_path / "not" / "there yet"):
            pass
    with sole_writer(tmp_path):
        pass


@pytest.mark.parametrize("where", ["taken", "taken/below"])
def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path, where: str):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match="give --results a folder you can write to"), sole_writer(tmp_path / where):
        pass
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    store.write(path, b"first")

    def full(descriptor: int) -> None:
        assert path.read_bytes() == b"first"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(path, b"second")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"first")]
