"""A person's own data files: what can be read is read and described; the rest is refused with what to type."""

import io
import re
import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.workloads import csv_matrix, datasets, files, pose

ROWS = "-0.8,1.3,0.4\n1.1,0.1,-0.7\n0.7,1.6,-1.2\n-0.9,1.6,0.2\n"
MATRIX = np.array([[-0.8, 1.3, 0.4], [1.1, 0.1, -0.7], [0.7, 1.6, -1.2], [-0.9, 1.6, 0.2]])
LABELS = [0, 1, 0, 1]


def write(path: Path, content: str | bytes | np.ndarray | dict) -> Path:
    """Write text or bytes as they are, an array by np.save, a dict by np.savez, whatever the name."""
    with path.open("wb") as file:
        if isinstance(content, dict):
            np.savez(file, **content)
        elif isinstance(content, np.ndarray):
            np.save(file, content)
        else:
            file.write(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, read=files.matrix) -> str:
    """Return the sentence that refuses the file, without its folder.  It must be short, and name a remedy."""
    with pytest.raises(UsageError) as error:
        read(str(path))
    said = str(error.value).replace(f"{path.parent}/", "")
    assert said.isprintable()
    assert re.search(r"\b(save|remove|give|run|fill|write|choose|unpack|close|must|number the classes)\b", said), said
    assert len(re.sub(r"`[^`]*`", "", said).split()) <= 32, said
    return said


def typed(said: str, folder: Path) -> None:
    """Type into a shell what the sentence says first to type."""
    subprocess.run(["sh", "-c", re.search("`(.*?)`", said)[1]], cwd=folder, check=True, timeout=10)


# What can be read.

READABLE = {
    "plain": ("m.csv", ROWS, "4 x 3, no header"),
    "capitals": ("M.CSV", ROWS, "4 x 3, no header"),
    "header": ("m.csv", f"a,b,c\n{ROWS}", "4 x 3, first line skipped"),
    "a name is missing": ("m.csv", f"a,b,\n{ROWS}", "4 x 3, first line skipped"),
    "names with spaces": ("m.csv", f"petal width,b 2,c\n{ROWS}", "4 x 3, first line skipped"),
    "header of np.savetxt": ("m.csv", f"# a,b,c\n{ROWS}", "4 x 3, first line skipped"),
    "header in Latin-1": ("m.csv", f"größe,b,c\n{ROWS}".encode("latin-1"), "4 x 3, first line skipped"),
    "blank lines": ("m.csv", f"\n \na,b,c\n\n{ROWS}\n  \n", "4 x 3, line 3 skipped"),
    "quotes": ("m.csv", '"a","b","c"\n' + re.sub(r"[^,\n]+", r'"\g<0>"', ROWS), "4 x 3, first line skipped"),
    "spaces": ("m.csv", ROWS.replace(",", " , "), "4 x 3, no header"),
    "byte order mark": ("m.csv", b"\xef\xbb\xbf" + ROWS.encode(), "4 x 3, no header"),
    "Windows": ("m.csv", f"a,b,c\n{ROWS}".replace("\n", "\r\n"), "4 x 3, first line skipped"),
    "old Mac": ("m.csv", f"a,b,c\n{ROWS}".replace("\n", "\r"), "4 x 3, first line skipped"),
    "no last line end": ("m.csv", ROWS.rstrip(), "4 x 3, no header"),
    "names like zip and Parquet": ("m.csv", f"PK1,PAR1,BZ\n{ROWS}", "4 x 3, first line skipped"),
    "array": ("m.npy", MATRIX, "4 x 3 of float64"),
    "array in capitals": ("M.NPY", MATRIX, "4 x 3 of float64"),
    "array by columns": ("m.npy", np.asfortranarray(MATRIX), "4 x 3 of float64"),
    "array of other bytes": ("m.npy", MATRIX.astype(">f8"), "4 x 3 of >f8"),
}


@pytest.mark.parametrize("kind", READABLE)
def test_a_matrix_is_read_and_described(tmp_path, kind):
    name, content, said = READABLE[kind]
    path = write(tmp_path / name, content)
    read = files.matrix(str(path))
    assert read.said == said
    assert read.arrays["A"].tolist() == MATRIX.tolist()
    assert read.arrays["A"].dtype == np.float64
    assert files.described(f"factorisation/{path}:r2") == said
    assert pose(f"factorisation/{path}:r2", "float64").batch["A"].tolist() == MATRIX.tolist()


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float16", "float32", "longdouble"])
def test_every_kind_of_real_number_is_read(tmp_path, dtype):
    path = write(tmp_path / "m.npy", np.arange(1, 7).reshape(3, 2).astype(dtype))
    read = files.matrix(str(path))
    assert (read.arrays["A"].dtype, read.said) == (np.float64, f"3 x 2 of {np.dtype(dtype)}")
    assert read.arrays["A"].tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    "text",
    [
        "2019,2020\n1.5,2\n",
        "0.0,1\n5,6\n",
        "0.0,5\n1,6\n2,8\n",
        "1,2,3\n2,4,6\n3,6,9\n",
        "t,x\n0,5\n1,6\n2,8\n",
        "id,x\n7,1\n3,2\n9,4\n",
        "id,x\n1,1\n1,2\n3,4\n",
    ],
)
def test_a_number_that_may_be_data_is_data(tmp_path, text):
    A = files.matrix(str(write(tmp_path / "m.csv", text))).arrays["A"]
    assert A.tolist() == np.loadtxt(io.StringIO(text), delimiter=",", skiprows=int(text[0].isalpha())).tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.booleans(), st.data())
def test_what_numpy_writes_is_read_bit_for_bit(tmp_path_factory, rows, columns, header, data):
    number = st.floats(allow_nan=False, allow_infinity=False)
    row = st.lists(number, min_size=columns, max_size=columns)
    A = np.array(data.draw(st.lists(row, min_size=rows, max_size=rows)))
    path = tmp_path_factory.getbasetemp() / "written.csv"
    names = ",".join("abcde"[:columns]) if header else ""
    np.savetxt(path, A, delimiter=",", header=names, comments="", fmt="%.17e")
    read = files.matrix(str(path))
    assert read.arrays["A"].tobytes() == A.tobytes()
    assert read.said == f"{rows} x {columns}, {'first line skipped' if header else 'no header'}"


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["m.csv", "m.npy", "m.npz"]),
    st.binary(max_size=60)
    | st.text("0123456789.,;\t \n\"'-eEnax_#", max_size=60).map(str.encode)
    | st.binary(max_size=60).map(b"\x93NUMPY\x01\0".__add__)
    | st.binary(max_size=60).map(b"PK\x03\x04".__add__),
)
def test_whatever_is_in_a_file_it_is_finite_numbers_or_refused(tmp_path_factory, name, content):
    path = write(tmp_path_factory.getbasetemp() / name, content)
    for read in (files.matrix, files.labelled):
        try:
            found = read(str(path))
        except UsageError:
            continue
        assert np.isfinite(found.arrays["A"]).all()
        assert found.arrays["A"].ndim == 2
        assert found.arrays["A"].size


# Files as they come, typed by name: twelve rows of four numbers, or sixty examples.

TWELVE = "".join(f"{row},{number}\n" for row in ROWS.split() for number in (0.5, -1.25, 2.75))
SIXTY = {"x": np.random.default_rng(0).standard_normal((60, 5)), "y": np.arange(60) // 12}
AS_THEY_COME = {
    "DATA.CSV": (TWELVE, "12 x 4, no header"),
    "quoted_all.csv": (
        '"a","b","c","d"\n' + re.sub(r"[^,\n]+", r'"\g<0>"', TWELVE),
        "12 x 4, first line skipped",
    ),
    "extra_obj.npz": (
        {**SIXTY, "feature_names": np.array(["a", None])},
        "60 x 5 of float64, 5 classes, feature_names not read",
    ),
    "sorted.npz": (SIXTY, "60 x 5 of float64, 5 classes"),
    "index_col.csv": (
        ",a,b,c,d\n" + "".join(f"{i},{row}\n" for i, row in enumerate(TWELVE.split())),
        "column 1 of index_col.csv has no name, as the index of a data frame; save it without the index, by"
        " `cut -d, -f1 --complement index_col.csv > index_col-mended.csv`, or give it a name",
    ),
    "int_header.csv": (
        f"0,1,2,3\n{TWELVE}",
        "line 1 of int_header.csv counts the columns; if it is a header, remove it by"
        " `sed 1d int_header.csv > int_header-mended.csv`, else write 0.0 for 0",
    ),
    "na_first.csv": (
        f"NA,NA,NA,NA\n{TWELVE}",
        "line 1 of na_first.csv has no value in column 1 ('NA'); fill it, or remove the line",
    ),
    "fewer_header.csv": (
        f"a,b\n{TWELVE}",
        "line 1 of fewer_header.csv has 2 names over 4 columns; give each column a name, or remove this line by"
        " `sed 1d fewer_header.csv > fewer_header-mended.csv`",
    ),
    "decimal_comma.csv": (
        "wert\n" + "0,8\n1,1\n0,7\n" * 4,
        "line 1 of decimal_comma.csv has 1 name over 2 columns; if 0,8 means 0.8, save it with points, by"
        " `sed s/,/./ decimal_comma.csv > decimal_comma-mended.csv`; else give each column a name",
    ),
    "mixed_header.csv": (
        f"region,2020,2021,2022\n{TWELVE}",
        "line 1 of mixed_header.csv has text ('region') and a number ('2020'), but a header must have no number; remove"
        " it by `sed 1d mixed_header.csv > mixed_header-mended.csv`",
    ),
    "missing_mid.csv": (
        f"a,b,c,d\n\n{TWELVE}\n1,2,,4\n{TWELVE}",
        "line 16 of missing_mid.csv has no value in column 3 (''); fill it, or remove the line",
    ),
    "utf16.csv": (
        f"a,b,c,d\n{TWELVE}".encode("utf-16"),
        "utf16.csv is in UTF-16; save it as UTF-8, by `iconv -f UTF-16 -t UTF-8 utf16.csv > utf16-mended.csv`",
    ),
    "npz_as.npy": (
        {"A": SIXTY["x"]},
        "npz_as.npy is an archive of arrays (A); save one of them by"
        " `np.save('matrix.npy', np.load('npz_as.npy')['A'])`",
    ),
    "lfs.npy": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
        "lfs.npy is a pointer of Git LFS and not the data; run `git lfs pull`",
    ),
}


@pytest.mark.parametrize("name", AS_THEY_COME)
def test_a_file_as_it_comes_is_described_or_refused_in_one_sentence(tmp_path, monkeypatch, name):
    content, said = AS_THEY_COME[name]
    monkeypatch.chdir(tmp_path)
    write(Path(name), content)
    problem = f"mlp/{name}:h3" if name.endswith(".npz") else f"factorisation/{name}:r1"
    if " x " in said:
        pose(problem)
        assert files.described(problem) == said
        return
    with pytest.raises(UsageError) as error:
        pose(problem)
    assert str(error.value) == said


# What could be read as something else, or not at all: text.

TO_TYPE = {
    "semicolons": (ROWS.replace(",", ";"), "line 1 of m.csv separates by semicolons;"),
    "semicolons under names": ("a;b;c\n" + ROWS.replace(",", ";"), "line 2 of m.csv separates by semicolons;"),
    "quotes and semicolons": (re.sub("([^,\n]+),?", r'"\1";', ROWS).replace(";\n", "\n"), "separates by semicolons;"),
    "semicolons and decimal commas": (
        "a;b;c\n" + ROWS.replace(",", ";").replace(".", ","),
        "line 2 of m.csv separates by semicolons and has decimal commas;",
    ),
    "tabs": (ROWS.replace(",", "\t"), "line 1 of m.csv separates by tabs;"),
    "tabs and decimal commas": (
        ROWS.replace(",", "\t").replace(".", ","),
        "line 1 of m.csv separates by tabs and has decimal commas;",
    ),
    "bars": (ROWS.replace(",", "|"), "line 1 of m.csv separates by bars;"),
    "spaces": ("  " + ROWS.replace(",", "  ").replace("\n", " \n  "), "line 1 of m.csv separates by spaces;"),
    "spaces on Windows": (ROWS.replace(",", " ").replace("\n", "\r\n"), "line 1 of m.csv separates by spaces;"),
    "comma at the end": (ROWS.replace("\n", ",\n"), "line 1 of m.csv has no value after its last comma;"),
    "comma at the end on Windows": (ROWS.replace("\n", ",\r\n"), "line 1 of m.csv has no value after its last comma;"),
    "index with an empty name": (
        ",a,b,c\n" + "".join(f"{i},{row}\n" for i, row in enumerate(ROWS.split())),
        "column 1 of m.csv has no name, as the index of a data frame;",
    ),
    "index that was shuffled": (
        '"","a","b","c"\n' + "".join(f"{i},{row}\n" for i, row in zip([7, 2, 5, 1], ROWS.split(), strict=True)),
        "column 1 of m.csv has no name, as the index of a data frame;",
    ),
    "index that was saved twice": (
        "Unnamed: 0,a,b,c\n" + "".join(f"{i},{row}\n" for i, row in enumerate(ROWS.split())),
        "column 1 of m.csv has no name, as the index of a data frame;",
    ),
    "index with a name": (
        "ID,a,b,c\n" + "".join(f"{i},{row}\n" for i, row in enumerate(ROWS.split(), 1)),
        "column 1 of m.csv counts the rows, as the index of a data frame;",
    ),
    "index without a header": (
        "".join(f"{i},{row}\n" for i, row in enumerate(ROWS.split())),
        "column 1 of m.csv counts the rows, as the index of a data frame;",
    ),
    "index of words": (
        ",a,b,c\n" + "".join(f"row {i},{row}\n" for i, row in enumerate(ROWS.split())),
        "line 2 of m.csv has 'row 0' in column 1, which is not a finite number;",
    ),
    "header of integers": (f"0,1,2\n{ROWS}", "line 1 of m.csv counts the columns;"),
    "header of quoted integers": (f'"0", "1", "2"\n{ROWS}', "line 1 of m.csv counts the columns;"),
    "header of a name and years": (
        f"region,2020,2021\n{ROWS}",
        "line 1 of m.csv has text ('region') and a number ('2020'), but a header must have no number;",
    ),
    "header with fewer names": (f"a\n{ROWS}", "line 1 of m.csv has 1 name over 3 columns;"),
    "header with more names": (f"a,b,c,d\n{ROWS}", "line 1 of m.csv has 4 names over 3 columns;"),
    "title": (f"Sales\n\n{ROWS}", "line 1 of m.csv has 1 name over 3 columns;"),
    "second header": (f"a,b,c\ncm,cm,kg\n{ROWS}", "line 2 of m.csv has no number ('cm');"),
    "footer": (f"{ROWS}Source: us\n", "line 5 of m.csv has no number ('Source: us');"),
    "labels": (
        "a,b,c,kind\n" + ROWS.replace("\n", ",cat\n"),
        "line 2 of m.csv has 'cat' in column 4, which is not a finite number;",
    ),
    "UTF-16": (f"a,b,c\n{ROWS}".encode("utf-16"), "m.csv is in UTF-16;"),
    "UTF-16 of a Mac": (b"\xfe\xff" + ROWS.encode("utf-16-be"), "m.csv is in UTF-16;"),
    "UTF-16 without a mark": (ROWS.encode("utf-16-le"), "m.csv is in UTF-16LE;"),
    "UTF-16 the other way without a mark": (ROWS.encode("utf-16-be"), "m.csv is in UTF-16BE;"),
    "UTF-32": (ROWS.encode("utf-32"), "m.csv is in UTF-32;"),
}


@pytest.mark.parametrize("kind", TO_TYPE)
def test_what_a_sentence_says_to_type_mends_the_file(tmp_path, kind):
    content, why = TO_TYPE[kind]
    path = write(tmp_path / "m.csv", content)
    before, said = path.read_bytes(), refusal(path)
    assert why in said
    typed(said, tmp_path)
    assert path.read_bytes() == before
    assert files.matrix(str(tmp_path / "m-mended.csv")).arrays["A"].tolist() == MATRIX.tolist()


def test_what_is_to_be_typed_holds_for_names_with_spaces_and_quotes(tmp_path):
    path = write(tmp_path / "a b's.csv", ROWS.replace(",", ";"))
    typed(refusal(path), tmp_path)
    assert files.matrix(str(tmp_path / "a b's-mended.csv")).said == "4 x 3, no header"


REFUSED = {
    "empty": ("", "m.csv: the file is empty"),
    "blank": ("\n \n", "m.csv: the file is empty"),
    "header alone": ("a,b\n", "m.csv has a header and no row"),
    "decimal comma alone": ("wert\n0,8\n1,1\n", "has 1 name over 2 columns; if 0,8 means 0.8, save it with points, by"),
    "decimal commas between commas": ("a,b\n0,8,1,1\n", "has 2 names over 4 columns; if 0,8 means 0.8, save it with"),
    "quoted decimal comma": ('"0,8","1,1"\n', "line 1 of m.csv has a comma inside the number '0,8' in column 1"),
    "thousands": ('1,"1,234.5"\n', "line 1 of m.csv has a comma inside the number '1,234.5' in column 2"),
    "row names without a name": ("a,b\n1,0.5,0.6\n2,0.1,0.2\n", "has 2 names over 3 columns; save it without the row"),
    "labels without a header": (
        "5.1,setosa\n4.9,setosa\n",
        "line 1 of m.csv has text ('setosa') and a number ('5.1'), but a header must have no number; remove it by "
        "`sed 1d m.csv > m-mended.csv`, or, if it is a row, column 2 by `cut -d, -f2 --complement m.csv > m-mended.csv`",
    ),
    "both numbered": (",0,1\n0,0.5,0.6\n1,0.1,0.2\n", "line 1 of m.csv numbers columns, and column 1 rows"),
    "a row of a column less": ("a,b,c\n1,2,3\n\n4,5\n", "line 4 of m.csv has 2 columns, and line 2 has 3"),
    "a row of a column more": ("1,2\n4,5,6\n", "line 2 of m.csv has 3 columns, and line 1 has 2"),
    "a word": ("a,b\n1,x\n", "line 2 of m.csv has 'x' in column 2, which is not a finite number"),
    "a row that begins with #": ("1,2,3\n#4,5,7\n", "line 2 of m.csv has '#4' in column 1"),
    "a word below a name of two lines": ('"a\nb",c\n1,x\n', "line 3 of m.csv has 'x' in column 2"),
    "a long word": ("1,2\n1," + "x" * 99, "has 'xxxxxxxxxxxxxxxxxxxx...' in column 2"),
    "an underscore": ("1,2\n1_000,2\n", "line 2 of m.csv has '1_000' in column 1, which is not a finite number"),
    "infinite": ("1,2\n3,inf\n", "line 2 of m.csv has 'inf' in column 2, which is not a finite number"),
    "too large": ("1,2\n3,1e999\n", "line 2 of m.csv has '1e999' in column 2, which is not a finite number"),
    "an open quote": ('a,b\n"1,2\n' + "3,4\n" * 40_000, "line 2 of m.csv cannot be read (field larger"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bad_csv_is_refused_by_line_and_reason(tmp_path, kind):
    content, why = REFUSED[kind]
    assert why in refusal(write(tmp_path / "m.csv", content))


@pytest.mark.parametrize("missing", ["", " ", "NA", "na", "N/A", "NaN", "nan", "null", "None", "?", "-", '""'])
@pytest.mark.parametrize(
    "text, line, column", [("1,{},3\n4,5,6\n", 1, 2), ("a,b,c\n\n1,2,3\n\n{},5,6\n", 5, 1), ("{0},{0}\n1,2\n", 1, 1)]
)
def test_a_missing_value_is_told_by_the_line_of_the_file(tmp_path, missing, text, line, column):
    said = refusal(write(tmp_path / "m.csv", text.format(missing)))
    assert f"line {line} of m.csv has no value in column {column} (" in said
    assert said.endswith("; fill it, or remove the line")


# Files of another kind than their name says.


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def saved(save, content) -> bytes:
    file = io.BytesIO()
    save(file, **content) if isinstance(content, dict) else save(file, content)
    return file.getvalue()


ARRAY, ARRAYS = saved(np.save, MATRIX), saved(np.savez, {"A": MATRIX, "b": MATRIX})
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
OF_ANOTHER_KIND = [
    *[(name, LFS, "is a pointer of Git LFS and not the data; run `git lfs pull`") for name in ("m.npy", "m.csv")],
    ("m.csv", b"/annex/objects/SHA256E-s3--0.csv\n", "is a pointer of git-annex"),
    ("m.csv.gz", b"\x1f\x8b\x08\0", "is compressed; unpack it"),
    ("m.csv", b"BZh91AY&SY", "is compressed; unpack it"),
    ("m.npy", b"\x89HDF\r\n", "is an HDF5, Parquet or MATLAB file"),
    ("m.csv", b"PAR1\x15\x04", "is an HDF5, Parquet or MATLAB file"),
    ("m.xls", b"\xd0\xcf\x11\xe0\xa1", "is an Excel workbook"),
    ("m.xlsx", archive(**{"xl/workbook.xml": b""}), "is a zip archive or an Excel workbook"),
    ("m.csv", b"<!DOCTYPE html>", "is a web page"),
    ("m.npy", b"\x80\x04\x95", "is a pickle"),
    *[
        (name, ARRAYS, "is an archive of arrays (A, b); save one of them by `np.save('matrix.npy', np.load('")
        for name in ("m.npz", "m.npy", "m.csv", "m.zip")
    ],
    ("m.csv", ARRAY, "has the content of a .npy file; give it a name that ends in .npy"),
    ("m.npy", ROWS.encode(), "is not a .npy or .csv file; save the matrix by `np.save('matrix.npy', A)`, or give"),
    ("m.txt", ROWS.encode(), "is not a .npy or .csv file; save the matrix by `np.save('matrix.npy', A)`, or give"),
    ("m.csv", bytes(range(256)), "is not a .npy or .csv file"),
    ("m.npy", b"", "m.npy: the file is empty"),
]


@pytest.mark.parametrize("name, content, why", OF_ANOTHER_KIND)
def test_a_file_of_another_kind_is_told_from_its_first_bytes(tmp_path, name, content, why):
    assert why in refusal(write(tmp_path / name, content))


@pytest.mark.parametrize(
    "name, content, why",
    [
        ("d.npz", LFS, "is a pointer of Git LFS"),
        (
            "d.npz",
            ARRAY,
            "is not a .npz file; save features and labels by `np.savez('data.npz', x=features, y=labels)`",
        ),
        ("d.csv", ROWS.encode(), "is not a .npz file; save features and labels by"),
        ("d.zip", ARRAYS, "has the content of a .npz file; give it a name that ends in .npz"),
        ("d.npz", ARRAYS, "d.npz holds A, b, and not x and y; save features and labels by"),
        (
            "d.npz",
            saved(np.savez, dict.fromkeys("abcdef", MATRIX)),
            "d.npz holds a, b, c, d and 2 more, and not x and y",
        ),
        ("d.npz", archive(readme=b""), "d.npz holds no arrays, and not x and y"),
    ],
)
def test_examples_of_another_kind_are_told_from_their_content(tmp_path, name, content, why):
    assert why in refusal(write(tmp_path / name, content), files.labelled)


def test_what_is_said_of_an_archive_saves_the_matrix(tmp_path, monkeypatch):
    said = refusal(write(tmp_path / "m.npy", {"my matrix": MATRIX}))
    monkeypatch.chdir(tmp_path)
    exec(re.search("`(.*?)`", said)[1], {"np": np})
    assert files.matrix("matrix.npy").arrays["A"].tolist() == MATRIX.tolist()


@pytest.mark.parametrize("path", ["none.csv", f"{'long' * 100}.csv", "/tmp", "none/m.npy"])
def test_what_is_no_file_is_not_there(path):
    assert "there is no file" in refusal(Path(path))


def test_a_file_that_the_system_does_not_give_is_said_with_its_reason(tmp_path):
    (tmp_path / "m.csv").symlink_to("/proc/self/mem")
    assert "m.csv cannot be read (Input/output error)" in refusal(tmp_path / "m.csv")


def crop(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


DAMAGED = [
    ("m.npy", crop(ARRAY), files.matrix),
    ("m.npy", ARRAY[:9], files.matrix),
    ("m.npy", ARRAY.replace(b"'shape'", b"'shade'"), files.matrix),
    ("m.npy", ARRAY[:6] + b"\x09" + ARRAY[7:], files.matrix),
    ("m.npz", crop(ARRAYS), files.matrix),
    ("d.npz", crop(ARRAYS), files.labelled),
    (
        "d.npz",
        saved(np.savez, {"x": MATRIX, "y": LABELS}).replace(MATRIX.tobytes(), MATRIX[::-1].tobytes()),
        files.labelled,
    ),
    ("d.npz", archive(**{"x.npy": ARRAY, "y.npy": b"no array"}), files.labelled),
]


@pytest.mark.parametrize("name, content, read", DAMAGED)
def test_a_damaged_file_is_called_damaged(tmp_path, name, content, read):
    said = refusal(write(tmp_path / name, content), read)
    assert said == f"{name} is damaged, or NumPy did not write it; save its arrays again"


# Arrays that are no matrix of finite numbers, in a .npy file and as x.

BAD_ARRAYS = {
    "one dimension": (np.zeros(3), "has shape (3,), and it must be a matrix; save `{}.reshape(-1, 1)`"),
    "no dimension": (np.float64(3), "has shape (), and it must be a matrix; save `{}.reshape(-1, 1)`"),
    "images": (np.zeros((4, 2, 2)), "has shape (4, 2, 2), and it must be a matrix; save `{}.reshape(len({}), -1)`"),
    "no rows": (np.zeros((0, 3)), "has shape (0, 3); it must have at least one row and one column"),
    "text": (np.array([["1", "2"]]), "holds text; save numbers, as `{}.astype(float)`"),
    "bytes": (np.array([[b"1", b"2"]]), "holds text; save numbers, as `{}.astype(float)`"),
    "objects": (np.array([[1, 2.5]], object), "holds Python objects; save numbers, as `{}.astype(float)`"),
    "booleans": (np.eye(2) > 0, "holds booleans; save numbers, as `{}.astype(float)`"),
    "complex": (np.eye(2) * 1j, "holds complex numbers; save real ones, as `{}.real`"),
    "dates": (np.zeros((2, 2), "M8[s]"), "has dtype datetime64[s]; save numbers, as `{}.astype(float)`"),
    "columns with names": (np.zeros(2, "f8,f8"), "has columns by name; save `numpy.lib.recfunctions.structured_to_"),
    "NaN": (np.array([[1, 2], [3, np.nan]]), "has nan at [1, 1], counted from 0; fill it or remove its row"),
    "infinite": (np.array([[1, -np.inf], [1, 2]]), "has -inf at [0, 1], counted from 0; fill it or remove its row"),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_an_array_that_is_no_matrix_of_numbers_is_refused(tmp_path, kind):
    array, why = BAD_ARRAYS[kind]
    said = refusal(write(tmp_path / "m.npy", np.asarray(array)))
    assert said.startswith(f"m.npy {why.replace('{}', 'A')}")
    said = refusal(
        write(tmp_path / "d.npz", {"x": array, "y": np.arange(len(array) if array.shape else 0)}), files.labelled
    )
    assert said.startswith(f"x in d.npz {why.replace('{}', 'x')}")


@pytest.mark.parametrize("kind", ["one dimension", "no dimension", "images", "text", "bytes", "objects", "booleans"])
def test_what_is_said_of_an_array_makes_it_a_matrix(tmp_path, kind):
    array = np.asarray(BAD_ARRAYS[kind][0])
    line = re.search("`(.*?)`", refusal(write(tmp_path / "m.npy", array)))[1]
    files.matrix(str(write(tmp_path / "m.npy", eval(line, {"A": array}))))


# Features and labels.


def examples(folder: Path, x=MATRIX, y=LABELS, **others) -> Path:
    return write(folder / "d.npz", {"x": x, "y": y, **others})


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint64", ">i4"])
def test_examples_are_read_and_described(tmp_path, dtype):
    path = examples(tmp_path, MATRIX.astype("float32"), np.array(LABELS, dtype))
    read = files.labelled(str(path))
    assert read.said == files.described(f"mlp/{path}:h3") == "4 x 3 of float32, 2 classes"
    assert read.arrays["x"].tolist() == MATRIX.astype("float32").tolist()
    assert (read.arrays["y"].tolist(), read.arrays["y"].dtype) == (LABELS, np.int64)


def test_a_fifth_of_the_examples_is_held_out_and_drawn_from_all_of_them(tmp_path):
    path = examples(tmp_path, np.random.default_rng(0).standard_normal((60, 4)), np.arange(60) // 12)
    problem = pose(f"mlp/{path}:h7")
    assert problem.params["W1"].shape == (4, 7)
    assert (len(problem.batch["x"]), len(problem.held_out["x"])) == (48, 12)
    assert set(problem.held_out["y"]) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("other", [np.array(["a", None], object), np.zeros((2, 2, 2)), np.array(["a"])])
def test_x_and_y_alone_are_read_from_an_archive(tmp_path, other):
    path = examples(tmp_path, feature_names=other, z=other)
    assert files.labelled(str(path)).said == "4 x 3 of float64, 2 classes, feature_names, z not read"


def test_a_compressed_archive_is_read(tmp_path):
    path = write(tmp_path / "D.NPZ", saved(np.savez_compressed, {"x": MATRIX, "y": LABELS}))
    assert files.labelled(str(path)).said == "4 x 3 of float64, 2 classes"


BY_NUMBER = "number the classes: `y = np.unique(y, return_inverse=True)[1]`"
BAD_LABELS = {
    "text": (["cat", "dog", "cat", "ant"], f"holds text; {BY_NUMBER}"),
    "bytes": ([b"cat", b"dog", b"cat", b"ant"], f"holds text; {BY_NUMBER}"),
    "text in objects": (
        np.array(["cat", "dog", "cat", "ant"], object),
        "holds Python objects; number the classes: `y = np.unique(y.astype(str), return_inverse=True)[1]`",
    ),
    "anything in objects": (
        np.array([0, 1, None, 1]),
        "holds Python objects; number the classes: `y = np.unique(y.ast",
    ),
    "one hot": (np.eye(4, dtype=int), "has 4 columns; if they are one-hot labels, save `y.argmax(axis=1)`"),
    "one hot in floats": (np.eye(4)[:, 1:], "has 3 columns; if they are one-hot labels, save `y.argmax(axis=1)`"),
    "one column": ([[0], [1], [0], [1]], "has shape (4, 1); save it with one dimension, as `y.ravel()`"),
    "one row": ([[0, 1, 0, 1]], "has shape (1, 4); save it with one dimension, as `y.ravel()`"),
    "too few": ([0, 1], "has shape (2,) and x (4, 3); save one label for each row of x"),
    "one number": (1, "has shape () and x (4, 3); save one label for each row of x"),
    "one for each column": (
        [0, 1, 1],
        "has shape (3,) and x (4, 3); save one label for each row of x, or save `x.T`",
    ),
    "whole floats": ([0.0, 1.0, 0.0, 1.0], f"has dtype float64 and not integers; {BY_NUMBER}"),
    "floats": ([0.5, 1, 0, 1], "has 0.5, which is no class; save whole numbers, one for each class"),
    "missing": ([0, 1, np.nan, 1], "has no label at [2], counted from 0; remove this row of x and y"),
    "booleans": ([False, True, False, True], f"has dtype bool and not integers; {BY_NUMBER}"),
    "complex": ([0j, 1, 0, 1], f"has dtype complex128; {BY_NUMBER}"),
    "negative": ([-1, 0, 1, 0], f"has 3 classes from -1 to 1, and not 0 to 2; {BY_NUMBER}"),
    "from one": ([1, 2, 1, 2], f"has 2 classes from 1 to 2, and not 0 to 1; {BY_NUMBER}"),
    "a class missing": ([0, 2, 2, 0], f"has 2 classes from 0 to 2, and not 0 to 1; {BY_NUMBER}"),
    "unsigned and huge": (
        np.array([0, 2**64 - 1, 0, 0], np.uint64),
        f"has 2 classes from 0 to 18446744073709551615, and not 0 to 1; {BY_NUMBER}",
    ),
    "one class": ([0, 0, 0, 0], "has only one class; give examples of two or more"),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_every_kind_of_bad_labels_has_its_own_sentence(tmp_path, kind):
    labels, why = BAD_LABELS[kind]
    assert refusal(examples(tmp_path, y=labels), files.labelled).startswith(f"y in d.npz {why}")


@pytest.mark.parametrize("kind", [kind for kind, (_, why) in BAD_LABELS.items() if "`y" in why])
def test_what_is_said_of_bad_labels_makes_them_good(tmp_path, kind):
    labels = np.asarray(BAD_LABELS[kind][0])
    said = refusal(examples(tmp_path, y=labels), files.labelled)
    y = eval(re.search("`(?:y = )?(.*?)`", said)[1], {"np": np, "y": labels})
    if y.max() + 1 > len(set(y.tolist())):  # of the one-hot columns one is empty
        y = np.unique(y, return_inverse=True)[1]
    assert files.labelled(str(examples(tmp_path, y=y))).said.endswith("classes")


# Sizes.


@pytest.fixture
def small_machine(monkeypatch):
    monkeypatch.setattr(datasets.psutil, "virtual_memory", lambda: SimpleNamespace(total=2**20))


def promised(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """Return the header of an array and none of its numbers."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    "name, content, read",
    [
        ("m.npy", promised((10**6, 10**7)), files.matrix),
        ("m.npy", promised((10**6, 10**7), "|u1"), files.matrix),
        ("d.npz", archive(**{"x.npy": promised((10**6, 10**7)), "y.npy": promised((10**6,))}), files.labelled),
    ],
)
def test_an_array_too_large_for_the_machine_is_refused_by_its_header(tmp_path, name, content, read):
    assert re.search(
        r"needs \S+ GiB, and this machine has \S+; choose a smaller size",
        refusal(write(tmp_path / name, content), read),
    )


def test_shape_and_dtype_come_before_the_size(tmp_path):
    assert "has shape" in refusal(write(tmp_path / "m.npy", promised((10**6, 10, 10**7))))
    assert "complex" in refusal(write(tmp_path / "m.npy", promised((10**6, 10**7), "<c16")))


def test_a_text_far_too_large_is_not_read(tmp_path):
    path = write(tmp_path / "m.csv", ROWS * 40)
    with path.open("r+b") as file:
        file.truncate(2**43)
    assert re.search(r"needs \S+ GiB, and this machine has", refusal(path))


def test_a_text_of_more_numbers_than_fit_is_refused_before_it_is_parsed(tmp_path, small_machine, monkeypatch):
    path = write(tmp_path / "m.csv", "1,2\n" * 25_000)
    monkeypatch.setattr(csv_matrix, "_lines", None)
    assert "needs 0.00112 GiB, and this machine has 0.000977" in refusal(path)


def test_labels_of_too_many_classes_for_the_machine_are_refused(tmp_path):
    """With a class for each example the logits are a square."""
    path = examples(tmp_path, np.zeros((200_000, 1)), np.arange(200_000))
    with pytest.raises(UsageError, match="GiB, and this machine has"):
        pose(f"mlp/{path}:h2")


# What was read.


@pytest.mark.parametrize(
    "name",
    ["factorisation/iris", "mlp/digits", "factorisation/30x20r2", "mlp/9x4-3-2", "mlp/m.csv:r2", "none/m.csv:r2"],
)
def test_of_built_in_data_no_file_is_described(name):
    assert files.described(name) == ""


def test_a_file_is_not_read_again_to_be_described(tmp_path, monkeypatch):
    path = write(tmp_path / "m.csv", ROWS)
    assert files.described(f"factorisation/{path}:r1") == "4 x 3, no header"
    monkeypatch.setattr(files, "_kind", None)
    assert files.described(f"factorisation/{path}:r2") == "4 x 3, no header"


def test_what_was_read_cannot_be_changed(tmp_path):
    read = files.matrix(str(write(tmp_path / "m.csv", ROWS)))
    with pytest.raises(AttributeError):
        read.said = "all"


# Numbers that a file may hold, and a problem may not.


@pytest.mark.parametrize("constant", [0.1, 5.9, 1e6 + 0.1, 0.0])
def test_a_constant_column_becomes_zero(tmp_path, constant):
    x = np.column_stack([np.random.default_rng(0).standard_normal(150), np.full(150, constant)])
    problem = pose(f"mlp/{examples(tmp_path, x, np.arange(150) % 3)}:h3")
    assert not problem.batch["x"][:, 1].any()
    assert not problem.held_out["x"][:, 1].any()


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("float32", 1e20), ("float32", 1e-30)] + [("float64", s) for s in (1e200, 1e40, 1e20, 1e-30, 1e-200)],
)
def test_a_matrix_whose_squares_float32_cannot_hold_is_said_in_one_sentence(tmp_path, dtype, scale):
    """In float64, too: its tolerances are measured in float32."""
    write(tmp_path / "m.npy", scale * np.arange(1.0, 13).reshape(4, 3))
    with pytest.raises(UsageError, match="which float32 does not hold; scale the matrix"):
        pose(f"factorisation/{tmp_path}/m.npy:r1", dtype)


def test_a_matrix_of_zeros_is_said_in_one_sentence(tmp_path):
    write(tmp_path / "m.npy", np.zeros((3, 3)))
    with pytest.raises(UsageError, match="is zero, and there is nothing to factorise; give another"):
        pose(f"factorisation/{tmp_path}/m.npy:r1")


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_columns_that_cannot_be_standardised_are_said_in_one_sentence(tmp_path, scale):
    path = examples(tmp_path, scale * np.arange(1.0, 13).reshape(4, 3))
    with pytest.raises(UsageError, match="scale it first"):
        pose(f"mlp/{path}:h3")
