"""What the samples say: medians, ratios with intervals, verdicts.  No clock, no file, no framework.

Successive samples of a process are correlated and every process has a speed of its own, so the unit
of replication is the generation (one set of processes): Kalibera and Jones, "Rigorous benchmarking
in reasonable time", ISMM 2013.  Within a generation the median of the log ratios of its rounds,
there and back, averaged where the same code raced in several processes; over the generations
Student's t, 95 %.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from bench.records.schema import Samples

CONFIDENCE = 0.95
FEWEST_GENERATIONS = 3
NEVER = float("inf")

Verdict = Literal["faster", "slower", "undecided"]


class Interval(NamedTuple):
    """An estimate and its interval, of 95 % unless more was asked for; low and high are None below three generations."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def half_width(self) -> float | None:
        """Relative: half of log(high / low), which is about half of (high - low) / value."""
        return None if self.low is None or self.high is None else float(np.log(self.high / self.low) / 2)

    @property
    def reach(self) -> float:
        """How far from 1 its farthest end lies, in logs: the same for 1.03 and for 1 / 1.03."""
        return float(max(abs(np.log(end)) for end in self if end is not None))


class Spread(NamedTuple):
    """Seconds per call: the median and the quartles around it."""

    median: float
    lower_quartile: float
    upper_quartile: float


def per_call(samples: Samples) -> np.ndarray:
    """Seconds per call, in the order of the rounds."""
    return np.asarray(samples.nanoseconds) / samples.calls / 1e9


def spread(samples: Iterable[Samples]) -> Spread:
    """Over every sample of every generation."""
    low, middle, high = np.quantile(np.concatenate([per_call(s) for s in samples]), [0.25, 0.5, 0.75])
    return Spread(float(middle), float(low), float(high))


def log_ratios(a: Sequence[Samples], b: Sequence[Samples]) -> np.ndarray:
    """log(time of a / time of b): a median over the rounds of each generation that has both.

    A drift raises the ratio on the way there by what it lowers it on the way back.  Both stand by themselves: a
    disturbance spoils one of them, and a mean of the two would be spoilt by either.  Of several samples in a
    generation, one for each process, every one of a is paired with every one of b, and the medians are averaged.
    """
    ours, theirs = _by_generation(a), _by_generation(b)
    medians = [[_paired_median(x, y) for x in ours[g] for y in theirs[g]] for g in ours if g in theirs]
    return np.array([np.mean(pairs) for pairs in medians])


def _by_generation(samples: Iterable[Samples]) -> dict[int, list[np.ndarray]]:
    found: dict[int, list[np.ndarray]] = {}
    for s in samples:
        found.setdefault(s.generation, []).append(per_call(s))
    return found


def _paired_median(a: np.ndarray, b: np.ndarray) -> float:
    rounds = min(len(a), len(b))
    return float(np.median(np.log(a[:rounds] / b[:rounds])))


def ratio(a: Sequence[Samples], b: Sequence[Samples]) -> Interval | None:
    """time of a / time of b with its interval over the generations; None when they share none."""
    return of_logs(log_ratios(a, b))


def of_logs(logs: np.ndarray) -> Interval | None:
    """exp(mean) with Student's t interval; bounds are None below three values."""
    if len(logs) == 0:
        return None
    value, ends = float(np.exp(np.mean(logs))), students(logs)
    return Interval(value) if ends is None else Interval(value, *(float(np.exp(end)) for end in ends))


def students(values: Sequence[float] | np.ndarray) -> tuple[float, float] | None:
    """The 95 % interval of the mean, by Student's t; None below three values."""
    if len(values) < FEWEST_GENERATIONS:
        return None
    mean, t = float(np.mean(values)), _t_quantile(len(values) - 1, CONFIDENCE)
    half = t * float(np.std(values, ddof=1)) / float(np.sqrt(len(values)))
    return mean - half, mean + half


def welch(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """exp(mean(a) - mean(b)) with Welch's t interval, for log seconds of two runs whose generations are not pairs.

    Welch, "The generalization of Student's problem when several different population variances are
    involved", Biometrika 34 (1947).  None without a value on each side; no bounds below three.
    """
    if not len(a) or not len(b):
        return None
    difference = float(np.mean(a) - np.mean(b))
    if min(len(a), len(b)) < FEWEST_GENERATIONS:
        return Interval(float(np.exp(difference)))
    errors = [float(np.var(x, ddof=1)) / len(x) for x in (a, b)]
    weights = sum(e**2 / (len(x) - 1) for e, x in zip(errors, (a, b), strict=True))
    freedom = sum(errors) ** 2 / weights if weights > 0 else len(a) + len(b) - 2
    half = _t_quantile(freedom, confidence) * float(np.sqrt(sum(errors)))
    return Interval(*(float(np.exp(x)) for x in (difference, difference - half, difference + half)))


def _t_quantile(freedom: float, confidence: float) -> float:
    # Here, not above: it takes a quarter of a second to import, and most commands that end at once do without.
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def verdict(interval: Interval | None, control: Interval | None = None) -> Verdict:
    """Of a against b, from `ratio(a, b)`: faster or slower when the interval leaves 1 out.

    Never finer than the control, the same code raced against itself: a ratio nearer to 1 than the
    farther end of the control's interval is undecided.
    """
    if interval is None or interval.low is None or interval.high is None:
        return "undecided"
    floor = control.reach if control else 0.0
    if abs(np.log(interval.value)) <= floor or interval.low <= 1 <= interval.high:
        return "undecided"
    return "faster" if interval.value < 1 else "slower"


def break_even(first_call: float, per_step: float, other_per_step: float, steps_in_call: int) -> float:
    """Steps after which compiling has paid for itself against `other`; NEVER where it is not faster.

    `first_call` seconds hold `steps_in_call` steps; what they take beyond the steady time is the price.
    """
    if per_step >= other_per_step:
        return NEVER
    return max(0.0, first_call - steps_in_call * per_step) / (other_per_step - per_step)
