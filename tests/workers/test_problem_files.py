"""Workers map a problem's file: they have the same bits as the parent, and can change none of them."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bench.workers import problem_files
from bench.workers.problem_files import ProblemFiles
from bench.workloads import pose
from tests.conftest import SMALL, bits


@pytest.mark.parametrize("name", [*SMALL.values(), "mlp/iris"])
def test_a_problem_is_read_as_it_was_written(tmp_path: Path, name: str):
    problem = pose(name, "float64")
    problem_files.write(problem, tmp_path / "problem")
    found = problem_files.read(str(tmp_path / "problem"))
    assert found.checksum == problem.checksum
    for group in ("params", "batch", "held_out"):
        assert bits(getattr(found, group)) == bits(getattr(problem, group))
    scalars = [field for field in problem.__struct_fields__ if not isinstance(getattr(problem, field), dict)]
    assert [getattr(found, field) for field in scalars] == [getattr(problem, field) for field in scalars]


def test_arrays_of_any_shape_and_layout_return(tmp_path: Path):
    odd = {"empty": np.zeros((0, 3)), "scalar": np.array(2.5), "turned": np.arange(6.0).reshape(2, 3).T}
    problem = pose(SMALL["mlp"]).replace(batch=odd)
    problem_files.write(problem, tmp_path / "problem")
    assert bits(problem_files.read(str(tmp_path / "problem")).batch) == bits(odd)


def test_the_arrays_are_mapped_from_the_file_aligned_and_cannot_be_written_to(tmp_path: Path):
    problem_files.write(pose(SMALL["mlp"]), tmp_path / "problem")
    found = problem_files.read(str(tmp_path / "problem"))
    for array in (found.params | found.batch).values():
        assert array.ctypes.data % 64 == 0
        assert not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_a_problem_is_written_once_and_two_that_differ_have_two_files(tmp_path: Path):
    files, problem = ProblemFiles(tmp_path), pose(SMALL["mlp"])
    assert files.path(problem) == files.path(problem) != files.path(problem.replace(learning_rate=0.5))
    assert len(list(tmp_path.iterdir())) == 2


def test_entrants_that_ask_at_once_get_one_file_and_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files, problem, right = ProblemFiles(tmp_path), pose(SMALL["mlp"]), problem_files.write

    def slowly(problem, folder):
        time.sleep(0.05)
        right(problem, folder)

    monkeypatch.setattr(problem_files, "write", slowly)
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(files.path, [problem] * 4))) == 1
