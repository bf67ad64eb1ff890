"""The best loops one would write for NumPy, with no interface in between.

Everything but the loop is the suite's: how arrays come and go, and `loss` and `value_and_grad`, which are not raced here.
"""

import numpy as np

from backends.numpy.loops import InPlace, Plain
from bench.backend import Unsupported
from bench.problem import array_dtype

LONG = 2**16
"""Entries above which the loss is summed by rows: one dot product of 2 million float32 squares is off by 3e-6."""


def bare(parent: type, **loops):
    """Return a factory: `parent` with the loop of each workload, `loop(params, batch, rate, num_steps)`."""

    class Bare(parent):
        def trainer(self, problem, num_steps):
            if problem.workload not in loops:
                raise Unsupported(f"not for {problem.workload}", "no bare loop was written for it")
            loop, rate = loops[problem.workload], array_dtype(problem.dtype).type(problem.learning_rate)
            return lambda params, batch: loop(params, batch, rate, num_steps)

    return lambda device, dtype: Bare()


def factorise(params, batch, rate, num_steps):
    U, V, A, losses = params["U"].copy(), params["V"].copy(), batch["A"], []
    for _ in range(num_steps):
        R = U @ V.T - A
        losses.append(np.sum(R * R))
        dU, dV = 2 * (R @ V), 2 * (R.T @ U)
        U -= rate * dU
        V -= rate * dV
    return {"U": U, "V": V}, np.array(losses)


def train_mlp(params, batch, rate, num_steps):
    (W1, b1, W2, b2), (x, y) = (params[key].copy() for key in ("W1", "b1", "W2", "b2")), (batch["x"], batch["y"])
    rows, losses = np.arange(len(y)), []
    for _ in range(num_steps):
        h = np.maximum(x @ W1 + b1, 0)
        z = h @ W2 + b2
        z = z - np.max(z, axis=1, keepdims=True)
        exp_z = np.exp(z)
        total = np.sum(exp_z, axis=1, keepdims=True)
        losses.append(np.sum(np.log(total)) - np.sum(z[rows, y]))
        D = exp_z / total
        D[rows, y] -= 1
        G = D @ W2.T * (h > 0)
        W1 -= rate * (x.T @ G)
        b1 -= rate * np.sum(G, axis=0)
        W2 -= rate * (h.T @ D)
        b2 -= rate * np.sum(D, axis=0)
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}, np.array(losses)


def factorise_in_place(params, batch, rate, num_steps):
    U, V, A, twice = params["U"].copy(), params["V"].copy(), batch["A"], 2 * rate
    R, dU, dV, losses = np.empty_like(A), np.empty_like(U), np.empty_like(V), np.empty(num_steps, A.dtype)
    r, rows = R.reshape(-1), A.size > LONG
    for i in range(num_steps):
        np.matmul(U, V.T, out=R)
        np.subtract(R, A, out=R)
        losses[i] = np.vecdot(R, R).sum() if rows else r @ r
        np.matmul(R, V, out=dU)
        np.matmul(R.T, U, out=dV)
        np.multiply(dU, twice, out=dU)
        np.subtract(U, dU, out=U)
        np.multiply(dV, twice, out=dV)
        np.subtract(V, dV, out=V)
    return {"U": U, "V": V}, losses


def train_mlp_in_place(params, batch, rate, num_steps):
    (W1, b1, W2, b2), (x, y) = (params[key].copy() for key in ("W1", "b1", "W2", "b2")), (batch["x"], batch["y"])
    grads = dW1, db1, dW2, db2 = [np.empty_like(p) for p in (W1, b1, W2, b2)]
    n, losses = np.arange(len(y)), np.empty(num_steps, x.dtype)
    h, G, z = (
        np.empty((len(y), b1.size), x.dtype),
        np.empty((len(y), b1.size), x.dtype),
        np.empty((len(y), b2.size), x.dtype),
    )
    column, active = np.empty((len(y), 1), x.dtype), np.empty(h.shape, bool)
    for i in range(num_steps):
        np.matmul(x, W1, out=h)
        np.add(h, b1, out=h)
        np.maximum(h, 0, out=h)
        np.matmul(h, W2, out=z)
        np.add(z, b2, out=z)
        np.subtract(z, np.max(z, axis=1, keepdims=True, out=column), out=z)
        of_labels = z[n, y].sum()
        np.exp(z, out=z)
        np.sum(z, axis=1, keepdims=True, out=column)
        losses[i] = np.log(column).sum() - of_labels
        np.divide(z, column, out=z)
        z[n, y] -= 1
        np.matmul(h.T, z, out=dW2)
        np.sum(z, axis=0, out=db2)
        np.matmul(z, W2.T, out=G)
        np.multiply(G, np.greater(h, 0, out=active), out=G)
        np.matmul(x.T, G, out=dW1)
        np.sum(G, axis=0, out=db1)
        for p, g in zip((W1, b1, W2, b2), grads, strict=True):
            np.multiply(g, rate, out=g)
            np.subtract(p, g, out=p)
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}, losses


numpy = bare(Plain, factorisation=factorise, mlp=train_mlp)
numpy_inplace = bare(InPlace, factorisation=factorise_in_place, mlp=train_mlp_in_place)
