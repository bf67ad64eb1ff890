"""A number is written short, beside its unit and below its like, and a table is sorted by it."""

import re

import numpy as np
import pytest

from bench.report import look, text, units


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.0123, "0.012"),
        (0.4512, "0.45"),
        (2.314, "2.31"),
        (12.34, "12.3"),
        (123.4, "123"),
        (9.999, "10.0"),
        (2e6, "2.00e+06"),
    ],
)
def test_numbers_keep_about_three_digits(x: float, expected: str):
    assert units.number(x) == expected


def test_seconds_take_the_unit_that_fits():
    assert [units.seconds(x) for x in (3e-9, 999.9e-9, 8.12e-6, 3.2e-3, 61.0)] == [
        "3.00 ns",
        "1.00 us",
        "8.12 us",
        "3.20 ms",
        "61.0 s",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("58.1 us", 58.1e-6),
        ("8.47 s / 3.89 s", 8.47),
        ("2.81 [2.54, 3.11]", 2.81),
        ("0.81 [0.61, 1.08] ~", 0.81),
        ("8.14 us [7.90 us, 8.30 us]", 8.14e-6),
        ("1.62M [1.10M, 2.42M]", 1.62e6),
        ("242k flops", 242e3),
        ("20.9 MiB", 20.9 * 2**20),
        ("0 B", 0.0),
        ("34 % (trajectory)", 34.0),
        ("3e-04 / 1e-02", 3e-4),
        ("112 of 112", 112.0),
        ("2000x1000r32", None),
        ("2026-11-24", None),
        ("8 generations", None),
        ("not measured", None),
        ("never", None),
    ],
)
def test_a_cell_is_sorted_by_the_number_it_begins_with(text: str, expected: float | None):
    assert units.value(text) == (None if expected is None else pytest.approx(expected))


def test_nothing_is_written_as_nothing():
    assert (units.bytes_(0), units.number(0), units.percent(0)) == ("0 B", "0", "0 %")


def test_a_number_is_never_parted_from_its_unit_or_its_interval():
    for before in range(80):
        said = f"{'to ' * before}2.31 x [2.22, 2.40] and 8.1 us [7.9 us, 8.3 us], 5.00 % of 20.9 MiB."
        lines = text.wrapped(said).splitlines()
        assert max(map(len, lines)) <= 80
        assert " ".join(lines) == said
        assert not any(re.match(r"x|us|%|MiB|\[2|2\.40|8\.3", line) for line in lines)


def test_numbers_end_below_each_other_on_a_terminal():
    rows = [["a", "9.50 us", "1.00 [0.90, 1.10]"], ["b", "121 us", "12.0 [11.0, 13.0]"], ["c", "crashed", "crashed"]]
    printed = text.terminal("", [text.Section("s", tables=[text.Table("t", ["who", "time", "ratio"], rows)])])
    assert printed.splitlines()[-3:] == [
        "a    9.50 us  1.00 [0.90, 1.10]",
        "b     121 us  12.0 [11.0, 13.0]",
        "c    crashed  crashed",
    ]


def test_a_version_number_is_not_rounded():
    table = text.Table("t", ["a", "b"], [["3.10", "1e5"]])
    assert "3.10  1e5" in text.terminal("", [text.Section("s", tables=[table])])
    assert "| 3.10 | 1e5 |" in text.markdown("", [text.Section("s", tables=[table])])


@pytest.mark.parametrize(("low", "high"), [(1e-6, 1.2e-6), (3e-6, 4e-4), (1e-9, 1e3), (0.97, 2.5), (1.0, 1.0001)])
def test_ticks_leave_room_for_their_labels(low: float, high: float):
    ticks = look.log_ticks(low, high, gap=0.2)
    assert all(low <= t <= high or len(ticks) == 1 for t in ticks)
    assert all(np.diff(np.log(ticks)) >= 0.2 * np.log(high / low))


def test_ticks_are_written_short():
    assert [look.short(t) for t in ("5.00 us", "1.50", "10.0k", "100 us", "0.10", "1.00M")] == [
        "5 us",
        "1.5",
        "10k",
        "100 us",
        "0.1",
        "1M",
    ]


def test_an_interval_has_the_unit_of_its_value_once():
    assert units.seconds(8.1e-6, (7.9e-6, 8.3e-6)) == "8.10 us [7.90, 8.30]"
    assert units.seconds(-1.67e-3, (-1.87e-3, -1.46e-3)) == "-1.67 ms [-1.87, -1.46]"
    assert units.seconds(0.0, (0.0, 1.2e-6)) == "0 us [0, 1.20]"
    assert units.rate(5e10, (4.9e10, 5.1e10)) == "50.0 Gflop/s [49.0, 51.0]"
