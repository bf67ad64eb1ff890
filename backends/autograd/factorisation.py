"""loss = sum((U V^T - A)^2), by autograd's NumPy."""

import autograd.numpy as np


def loss(params, batch):
    R = params["U"] @ params["V"].T - batch["A"]  # [m, n]
    return np.sum(R * R)
