"""Times, ratios with intervals, and verdicts.  No clock, no file, no library of the comparison.

Successive samples of a process are correlated, and every process has a speed of its own, so the unit of replication is the
generation, one set of processes (Kalibera and Jones, "Rigorous benchmarking in reasonable time", ISMM 2013).  In each a
backend has one time, that of its fastest sample; over the generations the interval is Student's t.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from bench.records.schema import MARGIN, Samples

CONFIDENCE = 0.95
FEWEST_GENERATIONS = 3
NEVER = float("inf")

Verdict = Literal["faster", "slower", "level", "unknown"]
Ends = tuple[float, float]


class Estimate(NamedTuple):
    """A ratio of two times, estimated in logs."""

    log: float  # the logarithm of the ratio
    error: float | None = None  # the standard error of `log`; None below three generations
    freedom: float = 0.0  # the degrees of freedom of `error`
    confidence: float = CONFIDENCE  # of `low` and `high`; more where several are to hold together

    @property
    def value(self) -> float:
        return float(np.exp(self.log))

    @property
    def low(self) -> float | None:
        return (self.interval() or (None, None))[0]

    @property
    def high(self) -> float | None:
        return (self.interval() or (None, None))[1]

    @property
    def half_width(self) -> float | None:
        """Return half of log(high / low), which is about half of (high - low) / value; None without an interval."""
        return self._half_width(self.confidence)

    @property
    def inner_half_width(self) -> float | None:
        """Return that of two one-sided tests, each as careful as one end of the interval: of 90 % where it is of 95 %."""
        return self._half_width(1 - 2 * (1 - self.confidence))

    def _half_width(self, confidence: float) -> float | None:
        return None if self.error is None else _quantile(self.freedom, confidence) * self.error

    @property
    def reach(self) -> float:
        """Return how far from 1 the farthest end lies, in logs: the same for 1.03 and for 1 / 1.03."""
        return abs(self.log) + (self.half_width or 0.0)

    def interval(self) -> Ends | None:
        """Return Student's t interval of the ratio; None below three generations."""
        half = self.half_width
        return None if half is None else (float(np.exp(self.log - half)), float(np.exp(self.log + half)))

    def among(self, comparisons: int) -> "Estimate":
        """Return the estimate with an interval that holds together with those of all `comparisons` (Bonferroni)."""
        return self._replace(confidence=1 - (1 - CONFIDENCE) / max(1, comparisons))


def per_call(samples: Samples) -> np.ndarray:
    """Return the seconds per call of each sample, in the order of the turns."""
    return np.asarray(samples.nanoseconds) / samples.calls / 1e9


def generation_time(samples: Samples) -> float:
    """Return the seconds per call in one generation: those of its fastest sample.

    What else runs on a machine only adds to a time, so the fastest sample was disturbed least (Chen and Revels, "Robust
    benchmarking in noisy environments", HPEC 2016; docs/measured.md).
    """
    return float(per_call(samples).min())


def log_times(samples: Iterable[Samples]) -> dict[int, float]:
    """Return the logarithm of the seconds per call by generation; of several processes in one the mean."""
    found: dict[int, list[float]] = {}
    for of_one in samples:
        found.setdefault(of_one.generation, []).append(float(np.log(generation_time(of_one))))
    return {generation: float(np.mean(logs)) for generation, logs in found.items()}


def time_per_call(samples: Iterable[Samples]) -> float:
    """Return the seconds per call: the geometric mean over the generations."""
    return float(np.exp(np.mean(list(log_times(samples).values()))))


def middle_sample(samples: Iterable[Samples]) -> float:
    """Return the time of a generation's middle sample over that of its fastest: the median over generations."""
    return float(np.median([np.median(per_call(s)) / generation_time(s) for s in samples]))


def log_ratios(a: Iterable[Samples], b: Iterable[Samples]) -> np.ndarray:
    """Return log(time of a / time of b) for each generation that has both."""
    ours, theirs = log_times(a), log_times(b)
    return np.array([ours[generation] - theirs[generation] for generation in ours if generation in theirs])


def ratio(a: Sequence[Samples], b: Sequence[Samples]) -> Estimate | None:
    """Return the estimate of time of a / time of b; None when they share no generation."""
    return of_logs(log_ratios(a, b))


def of_logs(logs: Sequence[float] | np.ndarray) -> Estimate | None:
    """Return the estimate from one log ratio per generation; None without any."""
    if len(logs) == 0:
        return None
    if len(logs) < FEWEST_GENERATIONS:
        return Estimate(float(np.mean(logs)))
    return Estimate(float(np.mean(logs)), float(np.std(logs, ddof=1) / np.sqrt(len(logs))), len(logs) - 1.0)


def of_two_runs(a: Sequence[float], b: Sequence[float]) -> Estimate | None:
    """Return the estimate of exp(mean(a) - mean(b)), for log seconds of two runs whose generations are not pairs.

    The interval is Welch's (Biometrika 34, 1947).  None without a value on each side.
    """
    if not len(a) or not len(b):
        return None
    difference = float(np.mean(a) - np.mean(b))
    if min(len(a), len(b)) < FEWEST_GENERATIONS:
        return Estimate(difference)
    if np.ptp(a) == np.ptp(b) == 0:
        return Estimate(difference, 0.0, len(a) + len(b) - 2.0)
    from scipy.stats import ttest_ind  # takes half a second to import, and only comparing two records needs it

    found = ttest_ind(a, b, equal_var=False)
    low, high = found.confidence_interval(CONFIDENCE)
    freedom = float(found.df)
    return Estimate(difference, float(high - low) / 2 / _quantile(freedom, CONFIDENCE), freedom)


def _quantile(freedom: float, confidence: float) -> float:
    """Return the two-sided quantile of Student's t."""
    from scipy.special import stdtrit  # takes a quarter of a second to import, and most commands do without

    return float(stdtrit(freedom, (1 + confidence) / 2))


def verdict(estimate: Estimate | None, control: Estimate | None = None, margin: float = MARGIN) -> Verdict:
    """Return whether a is faster or slower than b, from `ratio(a, b)`.

    `level`: the whole 90 % interval lies within `margin` around 1 (two one-sided tests at 5 %, Schuirmann 1987).
    `faster`, `slower`: the interval leaves out 1, and the ratio lies farther from 1 than the control's interval, which is
    the same code raced against itself.  `unknown`: neither.
    """
    half, inner = (estimate.half_width, estimate.inner_half_width) if estimate else (None, None)
    if estimate is None or half is None or inner is None:
        return "unknown"
    if abs(estimate.log) + inner < np.log1p(margin):
        return "level"
    if abs(estimate.log) <= max(half, control.reach if control else 0.0):
        return "unknown"
    return "faster" if estimate.log < 0 else "slower"


def noticed_from(estimate: Estimate, control: Estimate | None = None, margin: float = MARGIN) -> float:
    """Return the smallest ratio above 1 that `verdict` would call slower, with the errors of `estimate`; NEVER without them.

    Code that is truly slower by just so much is called slower in about half of all runs.
    """
    half, inner = estimate.half_width, estimate.inner_half_width
    if half is None or inner is None:
        return NEVER
    return float(np.exp(max(half, control.reach if control else 0.0, np.log1p(margin) - inner)))


def between_processes(samples: Sequence[Samples]) -> float | None:
    """Return the share of the variance of mean log times that lies between generations, beyond their turns'.

    It is of their processes and of the hour together.

    By one-way analysis of variance; None below three generations.
    """
    logs = [np.log(per_call(s)) for s in samples]
    if len(logs) < FEWEST_GENERATIONS or min(map(len, logs)) < 2:
        return None
    between = float(np.var([x.mean() for x in logs], ddof=1))
    within = float(np.mean([np.var(x, ddof=1) / len(x) for x in logs]))
    return max(0.0, 1 - within / between) if between > 0 else 0.0


def generations_for(half_width: float, estimate: Estimate) -> int | None:
    """Return how many generations an interval of this relative half-width takes, by `estimate`'s scatter; or None."""
    if estimate.error is None:
        return None
    needed = FEWEST_GENERATIONS
    while (half_width_of(needed, estimate) or 0.0) > half_width:
        needed += max(1, needed // 20)
    return needed


def half_width_of(generations: int, estimate: Estimate) -> float | None:
    """Return the relative half-width that so many generations would give, by `estimate`'s scatter; or None."""
    if estimate.error is None:
        return None
    deviation = estimate.error * np.sqrt(estimate.freedom + 1)
    return float(_quantile(generations - 1.0, CONFIDENCE) * deviation / np.sqrt(generations))


def break_even(first_call: float, per_step: float, other_per_step: float, steps_in_call: int) -> float:
    """Return after how many steps compiling has paid for itself against `other`; NEVER where it is not faster.

    What `first_call` seconds hold beyond the steady time of `steps_in_call` steps is the price.
    """
    if per_step >= other_per_step:
        return NEVER
    return max(0.0, first_call - steps_in_call * per_step) / (other_per_step - per_step)
