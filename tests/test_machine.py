"""Two processors that share a marketing name are two machines."""

from pathlib import Path

import pytest

from bench.records import host

MILAN = """processor\t: 0
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC

processor\t: 1
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC
"""


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (MILAN, "AMD EPYC (family 25, model 1)"),
        (MILAN.replace("model\t\t: 1", "model\t\t: 17"), "AMD EPYC (family 25, model 17)"),
        ("model name\t: Some CPU\n", "Some CPU"),
    ],
)
def test_the_processor_is_named_with_its_family_and_model(monkeypatch: pytest.MonkeyPatch, told: str, name: str):
    monkeypatch.setattr(Path, "read_text", lambda self: told)
    assert host.describe().cpu == name


def test_a_machine_that_tells_nothing_has_a_name_still(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "read_text", lambda self: "")
    assert host.describe().cpu
