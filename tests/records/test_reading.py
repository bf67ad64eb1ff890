"""A record is read whole and exactly as it must be, or refused in a sentence."""

import json
import math

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.plan.selection import RESULTS
from bench.records.schema import SCHEMA, Race, Record
from bench.records.store import read, save
from tests.sample_record import sample_record

GOOD = sample_record(("numpy",), ("factorisation/iris",), generations=3, rounds=2, control=False)
# By far the longest parts, of plain numbers; every byte of the rest is tried.
GOOD.lab, GOOD.cells[0].losses = None, GOOD.cells[0].losses[:3]
MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def encoded() -> bytes:
    return msgspec.json.encode(GOOD)


def parts() -> dict:
    return json.loads(encoded())


def refused(path, content: bytes) -> str:
    """Return the sentence with which `content` is refused as a record."""
    path.write_bytes(content)
    with pytest.raises(UsageError) as told:
        read(path)
    assert "\n" not in str(told.value)
    return str(told.value)


def changed(**changes) -> bytes:
    return json.dumps(parts() | changes).encode()


def within(first: str, **changes) -> bytes:
    """Return the record with the first of the list `first` changed."""
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
    "a status that is none": (within("entrants", outcome={"status": "fine", "reason": ""}), "regex"),
    "no thread": (within("entrants", resources={"device": "cpu", "threads": 0, "processes": 1}), "Expected `int` >= 1"),
    "an entrant twice": (changed(entrants=2 * parts()["entrants"]), "entrant numpy float32 stands twice"),
    "a cell twice": (changed(cells=[*parts()["cells"], parts()["cells"][0]]), "stands twice"),
    "no problems": (changed(problems=[]), "names an entrant or a problem that the record does not have"),
    "ok without its checks": (within("cells", checks=[]), "is ok and has not passed every check"),
    "a check that its error belies": (
        within("cells", checks=[parts()["cells"][0]["checks"][0] | {"error": 1.0}]),
        "has a check whose error does not say whether it was passed",
    ),
    "no operations": (
        changed(settings=parts()["settings"] | {"operations": {}}),
        "nothing says what is timed on factorisation/iris",
    ),
    "a race of what is not timed": (
        changed(races=[msgspec.to_builtins(Race(0, "mlp/iris", "float32", 1, {}, {}))]),
        "nothing says what is timed on mlp/iris",
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


# Anything at all.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoilt(draw) -> bytes:
    """Return the good record with one value somewhere in it replaced, taken away or renamed; or with bytes spoilt."""
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


OF_OTHER_KINDS = {"bare-process.json", "calibration.json"}


def test_every_record_that_comes_with_the_suite_can_be_read():
    kept = [path for path in RESULTS.rglob("*.json") if path.name not in OF_OTHER_KINDS and path.parent.name != "local"]
    assert len(kept) >= 6
    for path in kept:
        assert read(path).cells, path
