"""JAX: one jitted program a step, and one for the whole descent."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
from jax import lax, monitoring

from backends import by_hand
from backends.jax import factorisation, mlp
from backends.source import Source
from bench.backend import Dispatch, Unsupported
from bench.problem import Problem, array_dtype

PRECISION = {"tf32": "TF32_TF32_F32"}
"""The algorithm itself; "tensorfloat32" is a hint, which XLA's Triton kernels pass over."""

LOSS = {"factorisation": factorisation.loss, "mlp": mlp.loss}

# Without it, float64 and the int64 labels would not arrive bit for bit; float32 stays float32.
jax.config.update("jax_enable_x64", True)

_compilations: list[float] = []


def _count(event: str, duration_secs: float, **_: str | int) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _compilations.append(duration_secs)


monitoring.register_event_duration_secs_listener(_count)


@dataclass(frozen=True)
class Jax:
    device: Any
    dispatch: Dispatch
    source: Source
    loop: Callable[[Callable, Problem, int], Callable]

    @property
    def versions(self) -> dict[str, str]:
        return {"jax": jax.__version__, "jaxlib": jaxlib.__version__}

    def put(self, arrays):
        # On the CPU, copies: JAX may keep a view of the NumPy array that it is given.
        own = {key: array.copy() for key, array in arrays.items()} if self.device.platform == "cpu" else dict(arrays)
        return jax.device_put(own, self.device)

    def get(self, tree):
        return jax.device_get(tree)

    def wait(self, tree):
        return jax.block_until_ready(tree)

    def loss(self, problem: Problem):
        return jax.jit(self.source.loss(problem.workload))

    def value_and_grad(self, problem: Problem):
        return jax.jit(self.source.value_and_grad(problem.workload))

    def trainer(self, problem: Problem, num_steps: int):
        rate = jax.device_put(jnp.asarray(problem.learning_rate, array_dtype(problem.dtype)), self.device)
        train = self.loop(self.source.value_and_grad(problem.workload), problem, num_steps)
        return lambda params, batch: train(params, batch, rate)

    def matmul(self, a, b):
        return a @ b

    def copy(self, a):
        return jnp.copy(a)

    def compilations(self) -> int:
        return len(_compilations)

    def peak_device_bytes(self) -> int | None:
        statistics = self.device.memory_stats()
        return statistics and statistics["peak_bytes_in_use"]


# Where the loss and its gradient come from.

AUTODIFF = Source(LOSS.__getitem__, lambda workload: jax.value_and_grad(LOSS[workload]))
HAND_DERIVED = by_hand.source(jnp)


# What drives it.


def step_by_step(value_and_grad: Callable, problem: Problem, num_steps: int) -> Callable:
    """One dispatch a step.  What a step has used up is donated to the next, the losses too.

    Collecting 1000 losses in a list and stacking them costs a third of the time on Iris; passing dicts
    instead of their arrays one by one, another tenth; two starred arguments instead of one, a thirtieth.
    """
    params_keys, batch_keys = tuple(problem.params), tuple(problem.batch)
    n = len(params_keys)

    @jax.jit
    def begin(params):
        """What the first step may use up: one dispatch; four took an eighth of the time of 250 steps on Iris."""
        losses = jnp.zeros(num_steps, array_dtype(problem.dtype))
        return jnp.int32(0), losses, *(jnp.copy(params[key]) for key in params_keys)

    @partial(jax.jit, donate_argnums=tuple(range(2 + n)))
    def step(i, losses, *arrays):
        params, rate, batch = _named(params_keys, arrays[:n]), arrays[n], _named(batch_keys, arrays[n + 1 :])
        loss, grads = value_and_grad(params, batch)
        updated = _updated(params, grads, rate)
        return i + 1, losses.at[i].set(loss), *(updated[key] for key in params_keys)

    def train(params, batch, rate):
        state, constants = begin(params), (rate, *(batch[key] for key in batch_keys))
        for _ in range(num_steps):
            state = step(*(state + constants))
        _, losses, *trained = state
        return _named(params_keys, trained), losses

    return train


def _named(keys, arrays):
    return dict(zip(keys, arrays, strict=True))


def scanned_steps(value_and_grad: Callable, _: Problem, num_steps: int) -> Callable:
    @jax.jit
    def train(params, batch, rate):
        def step(params, _):
            loss, grads = value_and_grad(params, batch)
            return _updated(params, grads, rate), loss

        return lax.scan(step, params, length=num_steps)

    return train


def _updated(params, grads, rate):
    return {key: p - rate * grads[key] for key, p in params.items()}


# The modes: a source and a loop.


def step(device: str, dtype: str) -> Jax:
    return _jax(device, dtype, "step", AUTODIFF, step_by_step)


def step_by_hand(device: str, dtype: str) -> Jax:
    return _jax(device, dtype, "step", HAND_DERIVED, step_by_step)


def scan(device: str, dtype: str) -> Jax:
    return _jax(device, dtype, "descent", AUTODIFF, scanned_steps)


def scan_by_hand(device: str, dtype: str) -> Jax:
    return _jax(device, dtype, "descent", HAND_DERIVED, scanned_steps)


def _jax(device: str, dtype: str, dispatch: Dispatch, source: Source, loop) -> Jax:
    """Finds the device, and sets the precision of float32 products, whose default on Hopper is TF32."""
    jax.config.update("jax_platforms", "cpu" if device == "cpu" else "cuda,cpu")
    jax.config.update("jax_default_matmul_precision", PRECISION.get(dtype, "highest"))
    try:
        place = jax.devices(device)[0]
    except RuntimeError as error:
        reason = f"jax {jax.__version__} sees no {device} device: {error}"
        raise Unsupported(f"not on {device}", reason) from None
    return Jax(place, dispatch, source, loop)
