"""JAX: one jitted step, its state donated; and one jitted scan."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from backends.jax import AUTODIFF, Jax


def loss_of(U, V, A):
    return jnp.sum((U @ V.T - A) ** 2)


def loss_and_gradient(U, V, A):
    loss, (dU, dV) = jax.value_and_grad(loss_of, argnums=(0, 1))(U, V, A)
    return loss, dU, dV


def by_hand(U, V, A):
    R = U @ V.T - A
    return jnp.sum(R * R), 2 * (R @ V), 2 * (R.T @ U)


def stepped_loop(gradient, num_steps):
    """The counter first: XLA orders a program's parts by its arguments, and last it cost 5 % on 2000x1000r32."""

    @jax.jit
    def begin(U, V):
        return jnp.int32(0), jnp.zeros(num_steps, U.dtype), jnp.copy(U), jnp.copy(V)

    @partial(jax.jit, donate_argnums=(0, 1, 2, 3))
    def step(i, losses, U, V, A, rate):
        loss, dU, dV = gradient(U, V, A)
        return i + 1, losses.at[i].set(loss), U - rate * dU, V - rate * dV

    def train(params, batch, rate):
        i, losses, U, V = begin(params["U"], params["V"])
        A = batch["A"]
        for _ in range(num_steps):
            i, losses, U, V = step(i, losses, U, V, A, rate)
        return {"U": U, "V": V}, losses

    return train


def scanned_loop(gradient, num_steps):
    @jax.jit
    def program(U, V, A, rate):
        def step(factors, _):
            U, V = factors
            loss, dU, dV = gradient(U, V, A)
            return (U - rate * dU, V - rate * dV), loss

        return lax.scan(step, (U, V), length=num_steps)

    def train(params, batch, rate):
        (U, V), losses = program(params["U"], params["V"], batch["A"], rate)
        return {"U": U, "V": V}, losses

    return train


def step(device, dtype):
    return _with("step", loss_and_gradient, stepped_loop)


def step_by_hand(device, dtype):
    return _with("step", by_hand, stepped_loop)


def scan(device, dtype):
    return _with("descent", loss_and_gradient, scanned_loop)


def scan_by_hand(device, dtype):
    return _with("descent", by_hand, scanned_loop)


def _with(dispatch, gradient, loop):
    return Jax(jax.devices("cpu")[0], dispatch, AUTODIFF, lambda _, __, num_steps: loop(gradient, num_steps))
