"""The factorisation's gradient without the residual, as a backend from outside the suite: algebra that no autodiff does.

    pytest bench/ --benchmark-only --problem factorisation/2000x1000r32 --backend numpy-inplace --backend backends.examples.gram:factory

With B = A V, C = A^T U, G = V^T V and K = U^T U:  R V = U G - B,  R^T U = V K - C,  and
||R||^2 = ||A||^2 - 2 <U, B> + <K, G>.  Two products of 2 m n rank flops instead of three, and nothing m x n is formed.
The price is cancellation: where the fit is good, ||R||^2 is a small difference of large numbers.  So on factorisation/iris
its losses disagree, and it is not timed.
"""

import numpy as np

from backends.numpy.loops import NumPy
from bench.backend import Unsupported
from bench.problem import Problem, array_dtype


class Gram(NumPy):
    """The protocol of bench/backend.py; how arrays are put, got and waited for is NumPy's."""

    def loss(self, problem: Problem):
        refuse_all_but_the_factorisation(problem)
        return loss

    def value_and_grad(self, problem: Problem):
        refuse_all_but_the_factorisation(problem)
        return lambda params, batch: gradient(params, batch, squared_norm(batch["A"]))

    def trainer(self, problem: Problem, num_steps: int):
        refuse_all_but_the_factorisation(problem)
        rate = array_dtype(problem.dtype).type(problem.learning_rate)

        def train(params, batch):
            params, losses = {key: p.copy() for key, p in params.items()}, []
            norm = squared_norm(batch["A"])
            for _ in range(num_steps):
                loss, grads = gradient(params, batch, norm)
                for key, p in params.items():
                    p -= rate * grads[key]
                losses.append(loss)
            return params, np.array(losses)

        return train


def refuse_all_but_the_factorisation(problem: Problem) -> None:
    """Raise Unsupported where a function is made, as the protocol has it, and not where it is called."""
    if problem.workload != "factorisation":
        raise Unsupported(f"not for {problem.workload}", "this algebra is the factorisation's")


def loss(params, batch):
    """Return ||U V^T - A||^2."""
    U, V, A = params["U"], params["V"], batch["A"]
    return squared_norm(A) - 2 * np.sum(U * (A @ V)) + np.sum((U.T @ U) * (V.T @ V))


def squared_norm(A):
    """Return ||A||^2, as one dot product a row: it reads A once and forms nothing m x n."""
    return np.sum(np.vecdot(A, A))


def gradient(params, batch, norm):
    """Return (loss, grads), given ||A||^2."""
    U, V, A = params["U"], params["V"], batch["A"]  # [m, rank], [n, rank], [m, n]
    B = A @ V
    C = A.T @ U
    G = V.T @ V
    K = U.T @ U
    loss = norm - 2 * np.sum(U * B) + np.sum(K * G)
    return loss, {"U": 2 * (U @ G - B), "V": 2 * (V @ K - C)}


def factory(device: str, dtype: str) -> Gram:
    """Return the backend that `--backend backends.examples.gram:factory` names."""
    if device != "cpu":
        raise Unsupported(f"not on {device}", "NumPy computes on the CPU alone")
    return Gram()
