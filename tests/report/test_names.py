"""A backend is told from every other, and a name that means harm is escaped."""

import re
from pathlib import Path

import pytest

from backends import MODES
from bench.records.schema import Entrant
from bench.report import look
from tests.reported import IRIS, reported
from tests.sample_record import HOSTILE, rename, sample_record


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_inert(name: str, tmp_path: Path):
    record = rename(sample_record((name, f"{name}-by-hand"), [IRIS], generations=3), name)
    _, printed, markdown = reported(record, tmp_path)
    assert max(map(len, printed.splitlines())) <= 80
    assert all(c == "\n" or c.isprintable() for c in printed + markdown)
    assert not re.search("[\u0590-\u08ff\u202a-\u202e\u2066-\u2069]", printed + markdown)
    assert "<script" not in markdown
    assert not re.search(r"(?<!\\)\]\(http", markdown)
    tables = [block.splitlines() for block in markdown.split("\n\n") if block.startswith("|")]
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert {path.parent for path in tmp_path.rglob("*.png")} <= {tmp_path / "out"}


def test_no_two_backends_look_alike_and_a_twin_is_its_original_hollow():
    looks = {b: look.style(Entrant(label=b, backend=b, device="cpu", dtype="float32")) for b in MODES}
    seen = {(s["color"], s["marker"], s["markerfacecolor"] == "white") for s in looks.values()}
    assert len(seen) == len(looks)
    for backend, style in looks.items():
        if backend.endswith("-by-hand"):
            original = looks[backend.removesuffix("-by-hand")]
            assert (style["color"], style["marker"]) == (original["color"], original["marker"])
            assert (style["markerfacecolor"], original["markerfacecolor"]) == ("white", original["color"])
