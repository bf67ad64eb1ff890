"""Softmax cross-entropy of relu(x W1 + b1) W2 + b2, summed, in JAX's own idiom."""

import jax
import jax.numpy as jnp


def loss(params, batch):
    hidden = jax.nn.relu(batch["x"] @ params["W1"] + params["b1"])
    logits = hidden @ params["W2"] + params["b2"]
    log_probs = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.take_along_axis(log_probs, batch["y"][:, None], axis=1))
