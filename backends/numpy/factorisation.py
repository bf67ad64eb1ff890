"""The factorisation in place: every array a step needs is allocated once."""

import numpy as np

LONG = 2**16
"""Entries above which the loss is summed by rows: one dot product of 2 million float32 squares is
off by 3e-6.  Below, the one is accurate, and faster."""


class InPlace:
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
        """The loss; R V and R^T U are left in `grads`, the factor 2 to whoever scales them next."""
        loss = self.loss(params, batch)
        np.matmul(self.R, params["V"], out=self.grads["U"])
        np.matmul(self.R.T, params["U"], out=self.grads["V"])
        return loss
