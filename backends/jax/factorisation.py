"""loss = sum((U V^T - A)^2), in JAX's own idiom."""

import jax.numpy as jnp


def loss(params, batch):
    return jnp.sum((params["U"] @ params["V"].T - batch["A"]) ** 2)
