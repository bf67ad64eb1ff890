"""NumPy: the gradients by hand, with a new array for every operation (`Plain`, the reference) or in place (`InPlace`)."""

import numpy as np
from threadpoolctl import threadpool_info

from backends.library import Mode, formulas
from bench.problem import Problem, array_dtype


def make(mode: Mode, device: str, dtype: str) -> "NumPy":
    """Return the backend of this mode."""
    return globals()[mode.runs]()


class NumPy:
    """Share what both modes have in common: arrays need not travel, and every call is over when it returns."""

    mode = "eager"

    @property
    def versions(self) -> dict[str, str]:
        """Return NumPy's version, and that of its BLAS, whose kernel is chosen when it is loaded."""
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


class Plain(NumPy):
    """Every operation makes a new array; the parameters alone are moved in place."""

    package = "backends.numpy"

    def gradient(self, workload: str):
        """Return (params, batch) -> (loss, grads)."""
        return formulas(self.package, workload).value_and_grad_by_hand

    def loss(self, problem: Problem):
        return formulas(self.package, problem.workload).loss

    def value_and_grad(self, problem: Problem):
        return self.gradient(problem.workload)

    def trainer(self, problem: Problem, num_steps: int):
        value_and_grad = self.gradient(problem.workload)
        rate = array_dtype(problem.dtype).type(problem.learning_rate)

        def train(params, batch):
            params, losses = {key: p.copy() for key, p in params.items()}, []
            # Outside the loop: a new view of the items in every step takes a fiftieth of a step on Iris.
            moved = tuple(params.items())
            for _ in range(num_steps):
                loss, grads = value_and_grad(params, batch)
                for key, p in moved:
                    p -= rate * grads[key]
                losses.append(loss)
            return params, np.array(losses)

        return train


class InPlace(NumPy):
    """Every array that a step needs is allocated once, when a function is made."""

    def loss(self, problem: Problem):
        return self._arrays(problem).loss

    def value_and_grad(self, problem: Problem):
        return self._arrays(problem).value_and_grad

    def trainer(self, problem: Problem, num_steps: int):
        descend = self._arrays(problem).descend
        rate = array_dtype(problem.dtype).type(problem.learning_rate)
        return lambda params, batch: descend(params, batch, rate, num_steps)

    def _arrays(self, problem: Problem):
        return formulas("backends.numpy", problem.workload).InPlace(problem)
