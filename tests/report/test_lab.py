"""The lab report's numbers stand beside ours, and the difference is said plainly."""

import msgspec

from bench.records.schema import Record
from bench.report import lab
from bench.report.findings import groups_of
from tests.reported import FEW, IRIS, MLP, table, texts
from tests.sample_record import sample_record


def told(record: Record) -> str:
    section = lab.section(groups_of(record)[0])
    return " ".join(part for part in section.parts if isinstance(part, str)) if section else ""


def test_the_ranges_stand_side_by_side_and_how_many_lie_above_is_said():
    record = sample_record(FEW, [IRIS, MLP])
    rows = texts(table([lab.section(groups_of(record)[0])], "Both exercises"))
    assert rows["test accuracy, 8 starts"] == ["0.94 to 0.96", "0.90 to 0.94"]
    assert rows["error by truncated SVD"] == ["15.228833", "15.228833"]
    assert "Of our 8 test accuracies 3 lie above the published range." in told(record)
    assert "5 of 5 backends came to the same ones as `numpy`" in told(record)
    record.cell("jax-scan", MLP, "float32").runs[0].quality["test_accuracy"] = 0.5
    assert "4 of 5 backends came to the same ones" in told(record)


def test_where_the_published_pairs_lie_among_many_splits_is_said_only_where_they_were_computed():
    record = sample_record(FEW, [IRIS, MLP])
    assert "pairs of a split" not in told(record)
    pairs = [[0.98, 0.9 + 0.001 * i] for i in range(100)]
    record.lab = msgspec.structs.replace(record.lab, split_accuracies=pairs)
    assert "Over 100 pairs of a split and a start, 95 % of the test accuracies lie from 0.90 to 0.997." not in told(
        record
    )
    assert "95 % of the test accuracies lie from 0.90 to 1.00. So do 7 of the 8 published ones." in told(record)


def test_a_record_without_the_exercises_has_no_such_section():
    assert lab.section(groups_of(sample_record(FEW, ["mlp/24x5-6-3"]))[0]) is None
