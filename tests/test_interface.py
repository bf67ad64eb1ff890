"""Whether the suite's own shapes cost anything is told by the interval, as every other verdict is."""

import pytest

from bench.interface import verdict
from bench.statistics import Interval


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        (Interval(1.02, 1.0, 1.04), "within"),
        (Interval(1.02, 0.72, 1.46), "undecided"),
        (Interval(1.06, 0.9, 1.2), "undecided"),
        (Interval(1.1, 1.06, 1.14), "above"),
        (Interval(1.0), "undecided"),
    ],
)
def test_a_mode_is_within_five_percent_or_above_when_all_of_its_interval_is(interval: Interval, word: str):
    assert verdict(interval) == word
