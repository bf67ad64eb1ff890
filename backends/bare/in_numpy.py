"""NumPy: each operation a new array; and every array allocated once."""

import numpy as np

from backends.numpy import NumPy
from backends.numpy.factorisation import LONG
from backends.numpy.plain import Plain


class Bare(Plain):
    def descend(self, params, batch, rate, num_steps):
        U, V, A, losses = params["U"].copy(), params["V"].copy(), batch["A"], []
        for _ in range(num_steps):
            R = U @ V.T - A
            losses.append(np.sum(R * R))
            dU, dV = 2 * (R @ V), 2 * (R.T @ U)
            U -= rate * dU
            V -= rate * dV
        return {"U": U, "V": V}, np.array(losses)


class BareInPlace(Plain):
    def descend(self, params, batch, rate, num_steps):
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


class BareGram(Plain):
    def descend(self, params, batch, rate, num_steps):
        U, V, A, losses = params["U"].copy(), params["V"].copy(), batch["A"], []
        norm = np.vecdot(A, A).sum()
        for _ in range(num_steps):
            B, C, G, K = A @ V, A.T @ U, V.T @ V, U.T @ U
            losses.append(norm - 2 * np.sum(U * B) + np.sum(K * G))
            dU, dV = 2 * (U @ G - B), 2 * (V @ K - C)
            U -= rate * dU
            V -= rate * dV
        return {"U": U, "V": V}, np.array(losses)


def by_hand(device, dtype):
    return NumPy(Bare)


def in_place(device, dtype):
    return NumPy(BareInPlace)


def without_residual(device, dtype):
    return NumPy(BareGram, rounds_like="numpy-gram")
