"""NumPy: the reference (the gradients derived by hand, plain), the same in place, and gram's algebra."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_info

from backends.by_hand import VALUE_AND_GRAD
from backends.numpy import factorisation, gram, mlp, plain
from bench.backend import Unsupported
from bench.problem import Array, Arrays, Problem, array_dtype


class Algorithm(Protocol):
    """The three operations on one problem; it may keep work arrays of the problem's shapes."""

    def loss(self, params: Arrays, batch: Arrays) -> Any: ...
    def value_and_grad(self, params: Arrays, batch: Arrays) -> tuple[Any, Arrays]: ...
    def descend(self, params: Arrays, batch: Arrays, rate: Any, num_steps: int) -> tuple[Arrays, Array]: ...


@dataclass(frozen=True)
class NumPy:
    algorithm: Callable[[Problem], Algorithm]
    rounds_like: str = "numpy"
    dispatch = "operation"

    @property
    def versions(self) -> dict[str, str]:
        """NumPy's, and that of the BLAS it multiplies with: its kernel is chosen when it is loaded."""
        found = {"numpy": np.__version__}
        loaded = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        # scipy brings another, which may have been loaded first; NumPy's own lies in a folder of its name.
        for pool in sorted(loaded, key=lambda pool: "numpy" not in pool["filepath"])[:1]:
            found[pool["internal_api"]] = " ".join(filter(None, [pool["version"], pool.get("architecture")]))
        return found

    def put(self, arrays):
        return {key: array.copy() for key, array in arrays.items()}

    def get(self, tree):
        return tree

    def wait(self, tree):
        return tree

    def matmul(self, a, b):
        return a @ b

    def copy(self, a):
        return a.copy()

    def loss(self, problem: Problem):
        return self.algorithm(problem).loss

    def value_and_grad(self, problem: Problem):
        return self.algorithm(problem).value_and_grad

    def trainer(self, problem: Problem, num_steps: int):
        descend = self.algorithm(problem).descend
        rate = array_dtype(problem.dtype).type(problem.learning_rate)
        return lambda params, batch: descend(params, batch, rate, num_steps)


def by_hand(device: str, dtype: str) -> NumPy:
    return _numpy(device, dict.fromkeys(VALUE_AND_GRAD, plain.Plain))


def in_place(device: str, dtype: str) -> NumPy:
    return _numpy(device, {"factorisation": factorisation.InPlace, "mlp": mlp.InPlace})


def without_residual(device: str, dtype: str) -> NumPy:
    return _numpy(device, {"factorisation": gram.Gram}, rounds_like="numpy-gram")


def _numpy(device: str, algorithms: dict[str, Callable[[Problem], Algorithm]], rounds_like: str = "numpy") -> NumPy:
    if device != "cpu":
        raise Unsupported(f"not on {device}", "NumPy computes on the CPU alone")

    def algorithm(problem: Problem) -> Algorithm:
        if problem.workload not in algorithms:
            raise Unsupported(f"not for {problem.workload}", f"this algebra is for {', '.join(algorithms)} alone")
        return algorithms[problem.workload](problem)

    return NumPy(algorithm, rounds_like)
