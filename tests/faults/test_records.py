"""A record is read whole and exactly as it must be, or refused in a sentence; sizes likewise."""

import copy
import json
import math

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.problem import Problem
from bench.records import store
from bench.records.schema import SCHEMA, Record
from bench.records.store import read, save
from bench.report.__main__ import main as report
from bench.workloads import WORKLOADS, pose
from tests.sample_record import fail, sample_record

GOOD = sample_record(("numpy",), ("factorisation/iris",), generations=3, rounds=2, control=False)
# By far the longest parts, of plain numbers; every byte of the rest is tried.
GOOD.lab, GOOD.cells[0].losses = None, GOOD.cells[0].losses[:3]
MANY = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def encoded() -> bytes:
    return msgspec.json.encode(GOOD)


def parts() -> dict:
    return json.loads(encoded())


def refused(path, content: bytes) -> str:
    """The sentence with which `content` is refused as a record."""
    path.write_bytes(content)
    with pytest.raises(UsageError) as told:
        read(path)
    assert "\n" not in str(told.value)
    return str(told.value)


def changed(**changes) -> bytes:
    return json.dumps(parts() | changes).encode()


def within(first: str, **changes) -> bytes:
    """With the first of the list `first` changed."""
    given = parts()
    given[first][0] |= changes
    return json.dumps(given).encode()


def without(key: str) -> bytes:
    return json.dumps({k: v for k, v in parts().items() if k != key}).encode()


HOSTILE = {
    "empty": (b"", "is not a record"),
    "not JSON": (b"\x89PNG\r\n", "is not a record"),
    "a list": (b"[]", "is not a record"),
    "null": (b"null", "is not a record"),
    "nested too deep": (b"[" * 200_000, "is not a record"),
    "with a BOM": (b"\xef\xbb\xbf" + encoded(), "is not a record"),
    "in UTF-16": (encoded().decode().encode("utf-16"), "is not a record"),
    "two in one file": (encoded() * 2, "Extra data"),
    "NaN": (within("host_states", load=math.nan), "is not a record"),
    "infinite": (within("host_states", load=math.inf), "is not a record"),
    "1e999": (within("host_states", load=-12345).replace(b"-12345", b"1e999"), "is not a record"),
    "a number as text": (within("host_states", load="0.5"), "Expected `float`"),
    "true for a number": (within("host_states", load=True), "Expected `float`"),
    "a time of zero": (within("host_states", seconds=0), "Expected `float` > 0"),
    "a negative time": (within("host_states", seconds=-1.0), "Expected `float` > 0"),
    "null for a list": (changed(cells=None), "Expected `array`"),
    "an unknown key": (changed(evil=1), "unknown field `evil`"),
    "a missing key": (without("warnings"), "a key is missing"),
    "a missing key that must be given": (without("id"), "missing required field `id`"),
    "a key twice": (encoded()[:-1] + b',"id":"another"}', "a key stands twice: 'id'"),
    "an outcome that is no word": (within("entrants", outcome={"word": "fine", "reason": ""}), "regex"),
    "an entrant twice": (changed(entrants=2 * parts()["entrants"]), "entrant numpy float32 stands twice"),
    "a cell twice": (changed(cells=[*parts()["cells"], parts()["cells"][0]]), "stands twice"),
    "no problems": (changed(problems=[]), "names an entrant or a problem that the record does not have"),
    "ok without its gates": (within("cells", checks=[]), "is ok and has not passed every gate"),
    "a gate that its error belies": (
        within("cells", checks=[parts()["cells"][0]["gates"][0] | {"error": 1.0}]),
        "has a gate whose error does not say whether it was passed",
    ),
    "samples twice": (within("cells", samples=2 * parts()["cells"][0]["samples"]), "in one generation twice"),
    "a time beyond all numbers": (
        within("cells", samples=[parts()["cells"][0]["samples"][0] | {"nanoseconds": [10**30]}]),
        "is not a record",
    ),
    "a generation too many": (changed(settings=parts()["settings"] | {"generations": 1}), "that was not asked for"),
    "a schema that is text": (changed(schema=str(SCHEMA)), "is not a record"),
    "a schema that is true": (changed(schema=True), "is not a record"),
    "an older schema": (changed(schema=SCHEMA - 1), f"record schema {SCHEMA - 1}, this version reads {SCHEMA}"),
    "a newer schema": (changed(schema=SCHEMA + 1), f"record schema {SCHEMA + 1}, this version reads {SCHEMA}"),
    "a number of 5000 digits": (within("host_states", load=-12345).replace(b"-12345", b"9" * 5000), "is not a record"),
}


def test_a_good_record_is_read_as_it_was_written(tmp_path):
    save(GOOD, tmp_path / "good.json")
    assert read(tmp_path / "good.json") == GOOD


def test_a_record_cut_off_at_any_byte_is_refused(tmp_path):
    whole = encoded()
    for length in range(len(whole)):
        assert "is not a record of this suite" in refused(tmp_path / "cut.json", whole[:length])


@pytest.mark.parametrize("how", HOSTILE)
def test_a_record_that_is_not_one_is_refused_in_a_sentence(tmp_path, how):
    content, why = HOSTILE[how]
    assert why in refused(tmp_path / "hostile.json", content)


@pytest.mark.parametrize("where", ["no such file.json", "."])
def test_a_path_that_holds_no_record_is_refused_with_a_remedy(tmp_path, where):
    with pytest.raises(UsageError, match="give the path of a record"):
        read(tmp_path / where)


@pytest.mark.parametrize("how", ["NaN", "a key twice", "a newer schema"])
def test_the_report_ends_with_2_and_one_line(tmp_path, capsys, how):
    (tmp_path / "hostile\x1b[31m.json").write_bytes(HOSTILE[how][0])
    assert report([str(tmp_path / "hostile\x1b[31m.json"), "--results", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_the_newest_record_is_the_newest_good_one(tmp_path):
    save(GOOD, tmp_path / "2024-01-01.json")
    (tmp_path / "2024-01-02.json").write_bytes(encoded()[:-1])
    assert store.newest(tmp_path) == tmp_path / "2024-01-01.json"


def test_a_newer_record_without_a_good_cell_is_passed_over_and_told_of(tmp_path):
    save(GOOD, tmp_path / "2024-01-01.json")
    save(fail(sample_record(["numpy"], control=False), "numpy", "crashed"), tmp_path / "2024-01-02.json")
    told = []
    assert store.newest(tmp_path, told.append) == tmp_path / "2024-01-01.json"
    assert told == [f"passed over: in {tmp_path / '2024-01-02.json'} no cell is good; name it to see why"]


def test_of_two_runs_within_one_second_the_second_is_the_newer(tmp_path):
    for name in ("2024-01-01T000000Z-2", "2024-01-01T000000Z"):
        save(GOOD, tmp_path / f"{name}.json")
    assert store.newest(tmp_path) == tmp_path / "2024-01-01T000000Z-2.json"


@pytest.mark.parametrize(
    ("how", "why"), [("a newer schema", "has record schema"), ("no problems", "does not fit together")]
)
def test_the_report_says_that_it_passed_over_a_record_that_it_refuses(tmp_path, capsys, how, why):
    save(GOOD, tmp_path / "2024-01-01.json")
    (tmp_path / "2024-01-02.json").write_bytes(HOSTILE[how][0])
    report(["--results", str(tmp_path)])
    said = capsys.readouterr().err
    assert said.startswith("passed over: ")
    assert f"2024-01-02.json {why}" in said


def test_what_could_not_be_read_again_does_not_take_the_place_of_what_is_there(tmp_path):
    path = tmp_path / "good.json"
    save(GOOD, path)
    bad = copy.deepcopy(GOOD)
    bad.host_states[0].load = math.nan
    with pytest.raises(msgspec.ValidationError):
        save(bad, path)
    assert read(path) == GOOD
    assert list(tmp_path.iterdir()) == [path]


# Anything at all.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoilt(draw) -> bytes:
    """The good record with one value somewhere in it replaced, taken away or renamed; or with bytes spoilt."""
    if draw(st.booleans()):
        content, at = encoded(), draw(st.integers(0, len(encoded())))
        return content[:at] + draw(st.binary(max_size=4)) + content[at + draw(st.integers(0, 4)) :]
    whole = spot = parts()
    while True:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if isinstance(spot[key], dict | list) and spot[key] and draw(st.integers(0, 4)):
            spot = spot[key]
            continue
        match draw(st.sampled_from(["replaced", "gone", "renamed"])):
            case "replaced":
                spot[key] = draw(JSON)
            case "gone":
                del spot[key]
            case "renamed" if isinstance(spot, dict):
                spot[draw(st.text(max_size=8))] = spot.pop(key)
        break
    return json.dumps(whole).encode()


@MANY
@given(st.binary(max_size=200) | spoilt())
def test_whatever_is_in_a_file_it_is_a_good_record_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "anything.json"
    path.write_bytes(content)
    try:
        found = read(path)
    except UsageError:
        return
    assert isinstance(found, Record)
    save(found, path)
    assert read(path) == found
    assert json.loads(path.read_bytes()) == json.loads(content)


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ("\udcc3\udcbc.csv:r2", "is not text in this locale; give it a plain name"),
        (f"{'long' * 100}.csv:r2", "there is no file"),
        ("a\0b.csv:r2", "there is no file"),
    ],
    ids=["no text", "too long", "with a NUL"],
)
def test_a_name_that_no_file_can_have_is_refused_with_a_remedy(size, why):
    with pytest.raises(UsageError, match=why):
        pose(f"factorisation/{size}")


# All small or all absurd: what lies between is drawn, and takes its time.
SMALL, ABSURD = st.integers(0, 40), st.integers(10**6, 10**12)
SIZES = st.one_of(
    st.text(max_size=30),
    st.text("0123456789xr-:h.csvnpz/ ", max_size=12),
    st.from_regex(r"\A\w{0,300}\.(csv|npy|npz):[rh]\d{0,8}\Z"),
    *(st.builds("{}x{}r{}".format, n, n, n) for n in (SMALL, ABSURD)),
    *(st.builds("{}x{}-{}-{}".format, n, n, n, n) for n in (SMALL, ABSURD)),
)


@MANY
@given(st.sampled_from([f"{w}/" for w in WORKLOADS]) | st.text(max_size=10), SIZES)
def test_whatever_is_given_as_a_size_is_a_problem_or_refused(workload, size):
    try:
        problem = pose(workload + size)
    except UsageError as refused:
        assert str(refused)
        return
    assert isinstance(problem, Problem)
    assert problem.name == workload + size
    assert problem.flops > 0
    assert all(array.size for array in problem.params.values())
