"""Whatever a person gives as a problem is a problem, or is refused in a sentence."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.problem import Problem
from bench.workloads import WORKLOADS, pose

# All are small or absurd, because what lies between takes its time to be drawn.
SMALL, ABSURD = st.integers(0, 40), st.integers(10**6, 10**12)
SIZES = st.one_of(
    st.text(max_size=30),
    st.text("0123456789xr-:h.csvnpz/ ", max_size=12),
    st.from_regex(r"\A\w{0,300}\.(csv|npy|npz):[rh]\d{0,8}\Z"),
    *(st.builds("{}x{}r{}".format, n, n, n) for n in (SMALL, ABSURD)),
    *(st.builds("{}x{}-{}-{}".format, n, n, n, n) for n in (SMALL, ABSURD)),
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.sampled_from([f"{w}/" for w in WORKLOADS]) | st.text(max_size=10), SIZES)
def test_whatever_is_given_as_a_size_is_a_problem_or_refused(workload: str, size: str):
    try:
        problem = pose(workload + size)
    except UsageError as refused:
        assert str(refused)
        return
    assert isinstance(problem, Problem)
    assert problem.name == workload + size
    assert problem.flops > 0
    assert all(array.size for array in problem.params.values())


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ("\udcc3\udcbc.csv:r2", "is not text in this locale; give it a plain name"),
        (f"{'long' * 100}.csv:r2", "there is no file"),
        ("a\0b.csv:r2", "there is no file"),
    ],
    ids=["no text", "too long", "with a NUL"],
)
def test_a_name_that_no_file_can_have_is_refused_with_a_remedy(size: str, why: str):
    with pytest.raises(UsageError, match=why):
        pose(f"factorisation/{size}")
