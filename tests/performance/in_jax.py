"""The best loops one would write for JAX, with no interface in between: one jitted step, its state donated; one jitted scan.

Everything but the loop is the suite's: how arrays come and go, and `loss` and `value_and_grad`, which are not raced here.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

import backends
from backends.jax.loops import Jit, Scan
from bench.backend import Unsupported


def squares(U, V, A):
    return jnp.sum((U @ V.T - A) ** 2)


def squares_by_hand(U, V, A):
    R = U @ V.T - A
    return jnp.sum(R * R), (2 * (R @ V), 2 * (R.T @ U))


def cross_entropy_by_hand(W1, b1, W2, b2, x, y):
    h = jax.nn.relu(x @ W1 + b1)
    log_p = jax.nn.log_softmax(h @ W2 + b2)
    loss = -jnp.sum(jnp.take_along_axis(log_p, y[:, None], axis=1))
    D = jnp.exp(log_p) - jax.nn.one_hot(y, log_p.shape[1], dtype=log_p.dtype)
    G = jnp.where(h > 0, D @ W2.T, 0)
    return loss, (x.T @ G, jnp.sum(G, axis=0), h.T @ D, jnp.sum(D, axis=0))


BY_HAND = {"factorisation": squares_by_hand, "mlp": cross_entropy_by_hand}
BY_AUTODIFF = {"factorisation": jax.value_and_grad(squares, argnums=(0, 1))}


def stepped_loop(gradient, keys, num_steps):
    """The counter first: XLA orders a program's parts by its arguments, and last it cost 5 % on 2000x1000r32."""
    n = len(keys)

    @jax.jit
    def begin(*start):
        return jnp.int32(0), jnp.zeros(num_steps, start[0].dtype), *map(jnp.copy, start)

    @partial(jax.jit, donate_argnums=tuple(range(2 + n)))
    def step(i, losses, *arrays):
        params, rate, data = arrays[:n], arrays[n], arrays[n + 1 :]
        loss, grads = gradient(*params, *data)
        return i + 1, losses.at[i].set(loss), *(p - rate * g for p, g in zip(params, grads, strict=True))

    def train(params, batch, rate):
        state, constants = begin(*(params[key] for key in keys)), (rate, *batch.values())
        for _ in range(num_steps):
            state = step(*state, *constants)
        return dict(zip(keys, state[2:], strict=True)), state[1]

    return train


def scanned_loop(gradient, keys, num_steps):
    @jax.jit
    def program(rate, data, *start):
        def step(params, _):
            loss, grads = gradient(*params, *data)
            return tuple(p - rate * g for p, g in zip(params, grads, strict=True)), loss

        return lax.scan(step, start, length=num_steps)

    def train(params, batch, rate):
        trained, losses = program(rate, tuple(batch.values()), *(params[key] for key in keys))
        return dict(zip(keys, trained, strict=True)), losses

    return train


def bare(parent: type, mode: str, gradients, loop):
    """Return a factory: the class of a mode with another loop, for the workloads that `gradients` has."""

    class Bare(parent):
        def descent(self, _, problem, num_steps):
            if problem.workload not in gradients:
                raise Unsupported(f"not for {problem.workload}", "no bare loop was written for it")
            return loop(gradients[problem.workload], tuple(problem.params), num_steps)

    def factory(device, dtype):
        made = backends.load(mode, device, dtype)
        made.__class__ = Bare
        return made

    return factory


jax_jit = bare(Jit, "jax-jit", BY_AUTODIFF, stepped_loop)
jax_jit_by_hand = bare(Jit, "jax-jit-by-hand", BY_HAND, stepped_loop)
jax_scan = bare(Scan, "jax-scan", BY_AUTODIFF, scanned_loop)
jax_scan_by_hand = bare(Scan, "jax-scan-by-hand", BY_HAND, scanned_loop)
