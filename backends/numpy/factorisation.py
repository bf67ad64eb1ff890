"""loss = sum((U V^T - A)^2), and its gradient by hand: dU = 2 R V, dV = 2 R^T U with R = U V^T - A."""

import numpy as np


def loss(params, batch):
    R = params["U"] @ params["V"].T - batch["A"]  # [m, n]
    return np.sum(R * R)


def value_and_grad_by_hand(params, batch):
    U, V, A = params["U"], params["V"], batch["A"]  # [m, rank], [n, rank], [m, n]
    R = U @ V.T - A
    loss = np.sum(R * R)
    dU = 2 * (R @ V)
    dV = 2 * (R.T @ U)
    return loss, {"U": dU, "V": dV}


LONG = 2**16
"""Entries above which the loss is summed by rows: one dot product of 2 million float32 squares is
off by 3e-6.  Below, the one is accurate, and faster."""


class InPlace:
    """Every array that a step needs, allocated once."""

    def __init__(self, problem):
        A = problem.batch["A"]
        self.R = np.empty_like(A)
        self.r = self.R.reshape(-1)
        self.grads = {key: np.empty_like(p) for key, p in problem.params.items()}

    def loss(self, params, batch):
        np.matmul(params["U"], params["V"].T, out=self.R)
        self.R -= batch["A"]
        if self.R.size > LONG:
            return np.vecdot(self.R, self.R).sum()
        return self.r @ self.r

    def value_and_grad(self, params, batch):
        loss = self._half_gradient(params, batch)
        return loss, {key: 2 * g for key, g in self.grads.items()}

    def descend(self, params, batch, rate, num_steps):
        params = {key: p.copy() for key, p in params.items()}
        losses, twice_rate = np.empty(num_steps, rate.dtype), 2 * rate
        updates = [(p, self.grads[key]) for key, p in params.items()]
        for i in range(num_steps):
            losses[i] = self._half_gradient(params, batch)
            for p, g in updates:
                g *= twice_rate
                p -= g
        return params, losses

    def _half_gradient(self, params, batch):
        """Return the loss, and leave R V and R^T U in `grads`; whoever scales them next brings the factor 2."""
        loss = self.loss(params, batch)
        np.matmul(self.R, params["V"], out=self.grads["U"])
        np.matmul(self.R.T, params["U"], out=self.grads["V"])
        return loss
