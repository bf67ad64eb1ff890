"""The protocol that a workload keeps: a module with these names."""

from typing import NamedTuple, Protocol

import numpy as np

from bench.problem import Arrays, Problem


class Allowed(NamedTuple):
    """The limits that the end of a descent is held against."""

    loss_error: float  # the largest relative error of a loss
    params_error: float  # the largest relative error of the trained params, by Euclidean norm
    least_loss: float  # the loss below which an error is no longer relative to the loss itself
    lower_bound: float | None  # the loss that no descent can go below; None where none is known


EndState = tuple[float, float, str]  # the error, what it may be, and a sentence with both values


class Workload(Protocol):
    """One kind of problem."""

    DEFAULT_SIZES: tuple[str, ...]
    SWEEP_SIZES: tuple[str, ...]  # the sizes of `--sweep`, the smallest first
    GPU_SWEEP_SIZES: tuple[str, ...]  # the sizes that a GPU adds to `--sweep`

    @staticmethod
    def make(size: str, dtype: str, seed: int) -> Problem:
        """Return the problem; UsageError for a size that cannot be posed."""

    @staticmethod
    def quality(problem: Problem, params: Arrays) -> dict[str, float]:
        """Return what a person judges the trained params by, computed in float64."""

    @staticmethod
    def lower_bound(problem: Problem) -> float | None:
        """Return the loss that no descent can go below; None where none is known."""

    @staticmethod
    def end_state(problem: Problem, ours: list[Arrays], reference: list[Arrays], allowed: Allowed) -> EndState:
        """Return how far the params that were trained from every start lie from those of the reference."""

    @staticmethod
    def turned(params: Arrays, rng: np.random.Generator, count: int) -> Arrays:
        """Return `count` starts [count, ...] far from each other, from which descent is the same but for a symmetry."""
