"""The perceptron in place: every array a step needs is allocated once."""

import numpy as np


class InPlace:
    def __init__(self, problem):
        n, hidden, classes = len(problem.batch["x"]), problem.params["b1"].size, problem.params["b2"].size
        dtype = problem.params["W1"].dtype
        self.h = np.empty((n, hidden), dtype)
        self.dh = np.empty((n, hidden), dtype)
        self.active = np.empty((n, hidden), bool)
        self.z = np.empty((n, classes), dtype)
        self.column = np.empty((n, 1), dtype)
        self.rows = np.arange(n)
        self.grads = {key: np.empty_like(p) for key, p in problem.params.items()}

    def loss(self, params, batch):
        np.matmul(batch["x"], params["W1"], out=self.h)
        self.h += params["b1"]
        np.maximum(self.h, 0, out=self.h)
        np.matmul(self.h, params["W2"], out=self.z)
        self.z += params["b2"]
        self.z -= np.max(self.z, axis=1, keepdims=True, out=self.column)
        of_labels = self.z[self.rows, batch["y"]].sum()
        np.exp(self.z, out=self.z)
        np.sum(self.z, axis=1, keepdims=True, out=self.column)
        return np.log(self.column).sum() - of_labels

    def value_and_grad(self, params, batch):
        loss = self._gradient(params, batch)
        return loss, {key: g.copy() for key, g in self.grads.items()}

    def descend(self, params, batch, rate, num_steps):
        params = {key: p.copy() for key, p in params.items()}
        losses = np.empty(num_steps, rate.dtype)
        updates = [(p, self.grads[key]) for key, p in params.items()]
        for i in range(num_steps):
            losses[i] = self._gradient(params, batch)
            for p, g in updates:
                g *= rate
                p -= g
        return params, losses

    def _gradient(self, params, batch):
        """The loss; the gradient is left in `grads`."""
        loss = self.loss(params, batch)
        dz = self.z
        dz /= self.column
        dz[self.rows, batch["y"]] -= 1
        np.matmul(self.h.T, dz, out=self.grads["W2"])
        np.sum(dz, axis=0, out=self.grads["b2"])
        np.matmul(dz, params["W2"].T, out=self.dh)
        np.greater(self.h, 0, out=self.active)
        self.dh *= self.active
        np.matmul(batch["x"].T, self.dh, out=self.grads["W1"])
        np.sum(self.dh, axis=0, out=self.grads["b1"])
        return loss
