"""The summed softmax cross-entropy of relu(x W1 + b1) W2 + b2, and its gradient by hand.

With D = softmax(z) - onehot(y):  dW2 = h^T D,  db2 = sum of D,  G = D W2^T where h > 0,  dW1 = x^T G,  db1 = sum of G.
"""

import numpy as np


def loss(params, batch):
    h = _hidden(params, batch)
    return _cross_entropy(_logits(h, params), batch["y"])[0]


def value_and_grad_by_hand(params, batch):
    x, y = batch["x"], batch["y"]  # [n, features], [n]
    h = _hidden(params, batch)
    loss, exp_z, total = _cross_entropy(_logits(h, params), y)
    D = exp_z / total  # softmax(z), [n, classes]
    D[np.arange(len(y)), y] -= 1
    G = D @ params["W2"].T * (h > 0)  # [n, hidden]
    return loss, {"W1": x.T @ G, "b1": np.sum(G, axis=0), "W2": h.T @ D, "b2": np.sum(D, axis=0)}


def _hidden(params, batch):
    return np.maximum(batch["x"] @ params["W1"] + params["b1"], 0)  # [n, hidden]


def _logits(h, params):
    return h @ params["W2"] + params["b2"]  # [n, classes]


def _cross_entropy(z, y):
    """Return (sum of log(sum(exp(z))) - z[y], exp(z) and its sum over the classes, both after the largest of z was taken off)."""
    z = z - np.max(z, axis=1, keepdims=True)
    exp_z = np.exp(z)
    total = np.sum(exp_z, axis=1, keepdims=True)
    return np.sum(np.log(total)) - np.sum(z[np.arange(len(y)), y]), exp_z, total


class InPlace:
    """Every array that a step needs, allocated once."""

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
        """Return the loss, and leave the gradient in `grads`."""
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
