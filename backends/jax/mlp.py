"""The summed softmax cross-entropy of relu(x W1 + b1) W2 + b2, in JAX's own idiom, and its gradient by hand.

With D = softmax(z) - onehot(y):  dW2 = h^T D,  db2 = sum of D,  G = D W2^T where h > 0,  dW1 = x^T G,  db1 = sum of G.
"""

import jax
import jax.numpy as jnp


def loss(params, batch):
    h = jax.nn.relu(batch["x"] @ params["W1"] + params["b1"])  # [n, hidden]
    z = h @ params["W2"] + params["b2"]  # [n, classes]
    log_p = jax.nn.log_softmax(z)
    return -jnp.sum(jnp.take_along_axis(log_p, batch["y"][:, None], axis=1))


def value_and_grad_by_hand(params, batch):
    x, y = batch["x"], batch["y"]  # [n, features], [n]
    h = jax.nn.relu(x @ params["W1"] + params["b1"])
    log_p = jax.nn.log_softmax(h @ params["W2"] + params["b2"])
    loss = -jnp.sum(jnp.take_along_axis(log_p, y[:, None], axis=1))
    D = jnp.exp(log_p) - jax.nn.one_hot(y, log_p.shape[1], dtype=log_p.dtype)
    G = jnp.where(h > 0, D @ params["W2"].T, 0)  # [n, hidden]
    return loss, {"W1": x.T @ G, "b1": jnp.sum(G, axis=0), "W2": h.T @ D, "b2": jnp.sum(D, axis=0)}
