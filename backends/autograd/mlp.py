"""The summed softmax cross-entropy of relu(x W1 + b1) W2 + b2, by autograd's NumPy."""

import autograd.numpy as np


def loss(params, batch):
    h = np.maximum(np.dot(batch["x"], params["W1"]) + params["b1"], 0)  # [n, hidden]
    z = np.dot(h, params["W2"]) + params["b2"]  # [n, classes]
    z = z - np.max(z, axis=1, keepdims=True)
    log_total = np.log(np.sum(np.exp(z), axis=1))
    return np.sum(log_total) - np.sum(z[np.arange(len(z)), batch["y"]])
