"""loss = sum((U V^T - A)^2), in JAX's own idiom, and its gradient by hand."""

import jax.numpy as jnp


def loss(params, batch):
    return jnp.sum((params["U"] @ params["V"].T - batch["A"]) ** 2)


def value_and_grad_by_hand(params, batch):
    U, V, A = params["U"], params["V"], batch["A"]  # [m, rank], [n, rank], [m, n]
    R = U @ V.T - A
    loss = jnp.sum(R**2)
    dU = 2 * (R @ V)
    dV = 2 * (R.T @ U)
    return loss, {"U": dU, "V": dV}
