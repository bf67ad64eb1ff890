"""The number of generations by a pilot race, which is made up here: what it found is known."""

import re

import numpy as np
import pytest

from bench import precision
from bench.errors import UsageError
from bench.plan.selection import Selection
from bench.records.schema import Record
from bench.statistics import Estimate, half_width_of
from tests.running import QUICK
from tests.sample_record import fail, sample_record


def asked(record: Record, half_width: float) -> tuple[int, list[str]]:
    """Return the number of generations, and what was said."""
    raced: list[Selection] = []
    said: list[str] = []
    selection = Selection(["numpy"], [QUICK], ["cpu"])
    found = precision.generations(selection, half_width, lambda of, say: raced.append(of) or record, said.append)
    assert [selection.generations for selection in raced] == [precision.PILOT]
    return found, said


def pilot(**options) -> Record:
    return sample_record(["numpy", "jax-jit", "torch-eager"], [QUICK], generations=precision.PILOT, **options)


def test_the_number_gives_half_of_the_intervals_the_width_that_was_wished():
    numbers = {wish: asked(pilot(), wish)[0] for wish in (0.004, 0.005, 0.008)}
    assert 3 <= numbers[0.008] < numbers[0.005] < numbers[0.004] <= precision.MOST
    estimates = precision._estimates(pilot())
    assert len(estimates) == 2
    for wish, number in numbers.items():
        assert np.median([half_width_of(number, estimate) for estimate in estimates]) <= 1.03 * wish


def test_what_it_takes_is_said_before_the_race():
    number, said = asked(pilot(), 0.004)
    assert re.fullmatch(rf"a half-width of 0.4% takes about {number} generations, \d+ s here, by the pilot", said[-1])


def test_where_numpy_races_alone_its_control_tells():
    alone = sample_record(["numpy"], [QUICK], generations=precision.PILOT)
    assert asked(alone, 0.004)[0] > 3


def test_a_width_that_would_take_days_is_refused_with_one_that_is_possible():
    with pytest.raises(UsageError, match="takes about [0-9]{4,} generations, .* here; give --half-width ") as refused:
        asked(pilot(), 0.0001)
    possible = float(re.search(r"--half-width ([0-9.]+)%", str(refused.value))[1]) / 100
    assert asked(pilot(), possible)[0] <= precision.MOST


def test_a_pilot_in_which_all_failed_is_no_basis():
    record = pilot()
    for entrant in record.entrants:
        fail(record, entrant.label, "starved", "it got 0.5 of a core")
    why = re.escape("no two cells to compare (starved: it got 0.5 of a core); mend that, or leave out --half-width")
    with pytest.raises(UsageError, match=why):
        asked(record, 0.01)


def test_a_wish_is_no_estimate_without_an_interval():
    assert half_width_of(10, Estimate(0.0)) is None
