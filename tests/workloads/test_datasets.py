"""A person's own data files: what can be read is read and described; the rest is refused with what to do."""

import io
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UsageError
from bench.workloads import files, pose

ROWS = "-0.8,1.3,0.4\n1.1,0.1,-0.7\n0.7,1.6,-1.2\n-0.9,1.6,0.2\n"
MATRIX = np.array([[-0.8, 1.3, 0.4], [1.1, 0.1, -0.7], [0.7, 1.6, -1.2], [-0.9, 1.6, 0.2]])
LABELS = [0, 1, 0, 1]
INDEXED = "".join(f"{i},{row}\n" for i, row in enumerate(ROWS.split()))
TOO_LARGE = r"needs \S+ GiB, and this machine has \S+; choose a smaller size"
BY_NUMBER = "number the classes: `y = np.unique(y, return_inverse=True)[1]`"


def saved(content: np.ndarray | dict) -> bytes:
    """Return what np.save writes of an array, and np.savez of a dict."""
    file = io.BytesIO()
    np.savez(file, **content) if isinstance(content, dict) else np.save(file, content)
    return file.getvalue()


def write(path: Path, content: str | bytes | np.ndarray | dict) -> Path:
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(content if isinstance(content, bytes) else saved(content))
    return path


def refusal(path: Path, read=files.matrix) -> str:
    """Return the sentence that refuses the file, without its folder."""
    with pytest.raises(UsageError) as error:
        read(str(path))
    said = str(error.value).replace(f"{path.parent}/", "")
    assert said.isprintable() and "; " in said
    return said


def promised(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """Return the header of an array and none of its numbers."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


SKIPPED = "4 x 3, first line skipped"
READABLE = {
    "plain": ("m.csv", ROWS, "4 x 3, no header"),
    "capitals": ("M.CSV", ROWS, "4 x 3, no header"),
    "a name is missing": ("m.csv", f"a,b,\n{ROWS}", SKIPPED),
    "names that Python reads as numbers": ("m.csv", f"2019_1,2019_2,2019_3\n{ROWS}", SKIPPED),
    "header in Latin-1": ("m.csv", f"größe,b,c\n{ROWS}".encode("latin-1"), SKIPPED),
    "blank lines": ("m.csv", f"\n \na,b,c\n\n{ROWS}\n  \n", SKIPPED),
    "quotes": ("m.csv", '"petal, cm", "b", "c"\n' + re.sub(r"[^,\n]+", r' "\g<0>"', ROWS), SKIPPED),
    "byte order mark": ("m.csv", b"\xef\xbb\xbf" + ROWS.encode(), "4 x 3, no header"),
    "Windows": ("m.csv", ROWS.replace("\n", "\r\n"), "4 x 3, no header"),
    "array in capitals": ("M.NPY", np.asfortranarray(MATRIX.astype(">f8")), "4 x 3"),
}


@pytest.mark.parametrize("kind", READABLE)
def test_a_matrix_is_read_and_described(tmp_path, kind):
    name, content, said = READABLE[kind]
    path = write(tmp_path / name, content)
    problem = f"factorisation/{path}:r2"
    assert pose(problem, "float64").batch["A"].tolist() == MATRIX.tolist()
    assert files.described(problem) == said


@pytest.mark.parametrize("text", ["0.0,1\n5,6\n", "0,5\n1,6\n", "1,2\n2,4\n3,6\n", "t,x\n0,5\n1,6\n2,8\n", "0\n1\n2\n"])
def test_a_number_that_may_be_data_is_data(tmp_path, text):
    A = files.matrix(str(write(tmp_path / "m.csv", text)))
    assert A.tolist() == np.loadtxt(io.StringIO(text), delimiter=",", skiprows=int(text[0] == "t"), ndmin=2).tolist()


INDEX = "column 1 of m.csv is the index of a data frame; write it by `df.to_csv(path, index=False)`, or give the column"
SEVERAL = "has several numbers in one cell"
NONE_IN = "line {} of m.csv has no finite number in column {}"
TEXTS = {
    "index": (f",a,b,c\n{INDEXED}", INDEX),
    "shuffled index": (',a\n7,1\n2,5\n"4",3\n', INDEX),
    "index saved twice": (f"Unnamed: 0,a,b,c\n{INDEXED}", INDEX),
    "index under numbered columns": (f",0,1,2\n{INDEXED}", INDEX),
    "index without a header": (INDEXED, INDEX),
    "integer header": (f"0,1,2\n{ROWS}", "line 1 of m.csv counts the columns; remove it if it is a header, or write"),
    "name and years": (f"region,2020,2021\n{ROWS}", "has text ('region') and a number ('2020'), but a header must"),
    "header of missing values": (f"NA,NA,NA\n{ROWS}", NONE_IN.format(1, 1) + " ('NA'); correct it, or remove the line"),
    "one missing value": ('""\n1\n2\n', NONE_IN.format(1, 1)),
    "infinite first row": ("inf,nan,-inf\n1,2,3\n", NONE_IN.format(1, 1)),
    "fewer names": (f"a,b\n{ROWS}", "lines 1 and 2 of m.csv have 2 and 3 columns; give both as many, and write 0.8"),
    "decimal commas": ("wert\n0,8\n1,1\n", "lines 1 and 2 of m.csv have 1 and 2 columns; give both as many, and write"),
    "a row of a column less": ("1,2,3\n\n4,5\n", "lines 1 and 3 of m.csv have 3 and 2 columns"),
    "missing under a blank line": (f"a,b,c\n\n{ROWS}\n1,,3\n", NONE_IN.format(8, 2) + " ('')"),
    "a word": (f"{ROWS}Source: us\n", NONE_IN.format(5, 1) + " ('Source: us')"),
    "a long word": (f"1,2\n1,{'x' * 99}", NONE_IN.format(2, 2) + " ('xxxxxxxxxxxx...xxxxxxxxxxxxx')"),
    "semicolons": (ROWS.replace(",", ";"), f"line 1 of m.csv {SEVERAL} ('-0.8;1.3;0.4'); write commas between numbers"),
    "semicolons and decimal commas": (ROWS.replace(",", ";").replace(".", ","), f"{SEVERAL} ('8;1')"),
    "spaces": (ROWS.replace(",", "  "), f"line 1 of m.csv {SEVERAL}"),
    "a wide row of semicolons": (";".join(["0.125"] * 40_000), SEVERAL),
    "quoted decimal commas": ('"0,8","1,1"\n1,2\n', f"{SEVERAL} ('0,8'); write commas between numbers, not semi"),
    "UTF-16": (ROWS.encode("utf-16"), "m.csv is in UTF-16; save it as UTF-8"),
    "empty": ("", "m.csv has no row of numbers; save the matrix by"),
    "header alone": ("a,b\n", "m.csv has no row of numbers"),
    "binary": (bytes(range(256)), "m.csv is not a .npy or .csv file"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_that_could_be_read_as_something_else_is_refused(tmp_path, kind):
    content, why = TEXTS[kind]
    assert why in refusal(write(tmp_path / "m.csv", content))


OTHERS = {
    "archive": ("m.npy", {"A": MATRIX}, "m.npy holds several arrays; save one by `np.save('matrix.npy', np"),
    "archive by its own name": (
        "m.npz",
        {"x": MATRIX},
        "m.npz holds several arrays; save one by `np.save('matrix.npy', np",
    ),
    "pointer": ("m.npy", "version https://git-lfs.github.com/spec/v1\n", "m.npy is a pointer of Git LFS and not"),
    "another ending": ("m.txt", ROWS, "m.txt is not a .npy or .csv file; save the matrix by `np.save('mat"),
    "array called text": ("m.csv", MATRIX, "m.csv is not a .npy or .csv file"),
    "text as examples": ("d.csv", ROWS, "d.csv is not a .npz file; save features and labels by `np.sav"),
    "other names": ("d.npz", {"A": MATRIX}, "d.npz has no arrays called x and y; save features and labels"),
    "half an array": ("m.npy", saved(MATRIX)[:150], "m.npy is damaged, or may not be read; save it again"),
    "changed": ("d.npz", saved({"x": MATRIX, "y": LABELS}).replace(MATRIX.tobytes(), b"7" * 96), "d.npz is damaged"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_kind_is_refused(tmp_path, kind):
    name, content, why = OTHERS[kind]
    assert refusal(write(tmp_path / name, content), files.labelled if name[0] == "d" else files.matrix).startswith(why)


def test_the_array_that_a_remedy_names_is_one_of_the_archive(tmp_path):
    path = write(tmp_path / "m.npz", {"x": MATRIX, "y": LABELS})
    assert refusal(path, files.matrix).endswith("['x'])`")


@pytest.mark.parametrize("workload, name, number", [("factorisation", "m.npy", ":r3"), ("mlp", "d.npz", ":h3")])
def test_a_file_without_its_number_is_told_what_to_add(tmp_path, monkeypatch, workload, name, number):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, MATRIX if workload == "factorisation" else {"x": MATRIX, "y": LABELS})
    with pytest.raises(UsageError, match=f"no {workload} size '{name}'; add the .*, as in {name}{number}"):
        pose(f"{workload}/{name}")


@pytest.mark.parametrize("path", ["none.csv", f"{'long' * 100}.csv", "/tmp", "none/m.npy"])
def test_what_is_no_file_is_not_there(path):
    assert refusal(Path(path)).startswith("there is no file")


NO_MATRIX = {
    "one dimension": (np.zeros(3), "has shape (3,), and must have rows and columns; save `A.reshape(len(A), -1)`"),
    "images": (np.zeros((4, 2, 2)), "has shape (4, 2, 2), and must have rows and columns; save `A.reshape(len(A)"),
    "no rows": (np.zeros((0, 3)), "has shape (0, 3), and must have rows and columns"),
    "text": (np.array([["1", "2"]]), "has dtype <U1; save real numbers, as by `A.astype(float)`"),
    "objects": (np.array([[1, 2.5]], object), "has dtype object; save real numbers"),
    "NaN": (np.array([[1, 2], [3, np.nan]]), "has nan at [1, 1], counted from 0; fill it or remove its row"),
}


@pytest.mark.parametrize("kind", NO_MATRIX)
def test_an_array_that_is_no_matrix_of_numbers_is_refused(tmp_path, kind):
    array, why = NO_MATRIX[kind]
    assert refusal(write(tmp_path / "m.npy", array)).startswith(f"m.npy {why}")
    path = write(tmp_path / "d.npz", {"x": array, "y": np.arange(len(array))})
    assert refusal(path, files.labelled).startswith(f"x in d.npz {why}")


def examples(folder: Path, x=MATRIX, y=LABELS, **others) -> Path:
    return write(folder / "d.npz", {"x": x, "y": y, **others})


@pytest.mark.parametrize("dtype", ["int64", "uint8", ">i4"])
def test_x_and_y_alone_are_read_from_an_archive(tmp_path, dtype):
    others = {"names": np.array(["a", None], object), "z": np.zeros((2, 2, 2))}
    path = examples(tmp_path, MATRIX.astype("float32"), np.array(LABELS, dtype), **others)
    x, y = files.labelled(str(path))
    assert files.described(f"mlp/{path}:h3") == "4 x 3, 2 classes, x and y alone read"
    assert (x.dtype, y.dtype) == (np.float64, np.int64)
    assert (x.tolist(), y.tolist()) == (MATRIX.astype("float32").tolist(), LABELS)


def test_a_fifth_of_the_examples_is_held_out_and_drawn_from_all_of_them(tmp_path):
    path = examples(tmp_path, np.random.default_rng(0).standard_normal((60, 4)), np.arange(60) // 12)
    problem = pose(f"mlp/{path}:h7")
    assert files.described(f"mlp/{path}:h7") == "60 x 4, 5 classes"
    assert (len(problem.batch["x"]), len(problem.held_out["x"])) == (48, 12)
    assert set(problem.held_out["y"]) == {0, 1, 2, 3, 4}


OF_OBJECTS = BY_NUMBER.replace("(y,", "(y.astype(str),")
BAD_LABELS = {
    "text": (["cat", "dog", "cat", "ant"], f"has dtype <U3 and not integers; {BY_NUMBER}"),
    "text in objects": (np.array(["b", "a", "b", None]), f"has dtype object and not integers; {OF_OBJECTS}"),
    "whole floats": ([0.0, 1.0, 0.0, 1.0], f"has dtype float64 and not integers; {BY_NUMBER}"),
    "one hot": (np.eye(4), "has 4 columns; if they are one-hot labels, save `y.argmax(axis=1)`"),
    "one column": ([[0], [1], [0], [1]], "has shape (4, 1) and x (4, 3); save one label for each row, as `y.ravel()`"),
    "too few": ([0, 1], "has shape (2,) and x (4, 3); save one label for each row"),
    "negative": ([-1, 0, 1, 0], f"has labels -1 to 1, and must have 0, 1, ... without a gap; {BY_NUMBER}"),
    "a class missing": ([0, 2, 2, 0], f"has labels 0 to 2, and must have 0, 1, ... without a gap; {BY_NUMBER}"),
    "huge": (np.array([0, 2**64 - 1, 0, 0], np.uint64), "has labels 0 to 18446744073709551615, and must have"),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_bad_labels_are_refused_and_what_is_said_makes_them_good(tmp_path, kind):
    labels, why = BAD_LABELS[kind]
    said = refusal(examples(tmp_path, y=labels), files.labelled)
    assert said.startswith(f"y in d.npz {why}")
    if kind != "too few":
        y = eval(re.search("`(?:y = )?(.*?)`", said)[1], {"np": np, "y": np.asarray(labels)})
        files.labelled(str(examples(tmp_path, y=y)))


def test_shape_and_dtype_come_before_the_cost_and_the_cost_before_the_numbers(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as arrays:
        arrays.writestr("x.npy", promised((10**6, 10**7)))
        arrays.writestr("y.npy", promised((10**6,)))
    assert re.search(TOO_LARGE, refusal(tmp_path / "d.npz", files.labelled))
    assert re.search(TOO_LARGE, refusal(write(tmp_path / "m.npy", promised((10**6, 10**7), "|u1"))))
    assert "has shape" in refusal(write(tmp_path / "m.npy", promised((10**6, 10, 10**7))))
    assert "has dtype" in refusal(write(tmp_path / "m.npy", promised((10**6, 10**7), "<c16")))


def test_a_text_far_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = write(tmp_path / "m.csv", ROWS * 40_000)
    os.truncate(path, 2**43)
    monkeypatch.setattr(files, "_is_header", None)
    assert re.search(TOO_LARGE, refusal(path))


def test_labels_of_too_many_classes_for_the_machine_are_refused(tmp_path):
    path = examples(tmp_path, np.zeros((200_000, 1)), np.arange(200_000))  # the logits are a square
    with pytest.raises(UsageError, match=TOO_LARGE):
        pose(f"mlp/{path}:h2")


@pytest.mark.parametrize("name", ["factorisation/iris", "mlp/9x4-3-2", "mlp/m.csv:r2", "factorisation/d.npz:h2"])
def test_of_built_in_data_no_file_is_described(name):
    assert files.described(name) == ""


@pytest.mark.parametrize("constant", [0.1, 5.9, 1e6 + 0.1, 0.0])
def test_a_constant_column_becomes_zero(tmp_path, constant):
    x = np.column_stack([np.random.default_rng(0).standard_normal(150), np.full(150, constant)])
    problem = pose(f"mlp/{examples(tmp_path, x, np.arange(150) % 3)}:h3")
    assert not any(part["x"][:, 1].any() for part in (problem.batch, problem.held_out))


UNFIT = [
    ("factorisation/{}/m.npy:r1", "float32", 1e20, "float32 does not hold"),
    ("factorisation/{}/m.npy:r1", "float64", 1e-30, "float32 does not hold"),
    ("factorisation/{}/m.npy:r1", "float64", 0.0, "nothing to factorise; give another"),
    ("mlp/{}/d.npz:h3", "float32", 1e200, "scale it first"),
]


@pytest.mark.parametrize(("name", "dtype", "scale", "why"), UNFIT)
def test_numbers_too_large_or_too_small_for_a_problem_are_refused(tmp_path, name, dtype, scale, why):
    numbers = scale * np.arange(1.0, 13).reshape(4, 3)
    write(tmp_path / "m.npy", numbers)
    examples(tmp_path, numbers)
    with pytest.raises(UsageError, match=why):
        pose(name.format(tmp_path), dtype)
