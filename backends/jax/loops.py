"""JAX: a class for each mode, which drives a gradient by the library's autodiff or by hand."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
from jax import lax, monitoring
from jax.sharding import SingleDeviceSharding

from backends.library import Mode, formulas
from bench.backend import Unsupported
from bench.problem import Problem, array_dtype

PRECISION = {"tf32": "TF32_TF32_F32"}
"""The algorithm itself; "tensorfloat32" is a hint, which XLA's Triton kernels pass over."""

# Without it, float64 and the int64 labels would not arrive bit for bit; float32 stays float32.
jax.config.update("jax_enable_x64", True)

_compilations: list[float] = []


def _count(event: str, duration_secs: float, **_: str | int) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _compilations.append(duration_secs)


monitoring.register_event_duration_secs_listener(_count)


def make(mode: Mode, device: str, dtype: str) -> "Jax":
    """Return the backend of this mode; sets the precision of float32 products, whose default on Hopper is TF32."""
    jax.config.update("jax_platforms", "cpu" if device == "cpu" else "cuda,cpu")
    jax.config.update("jax_default_matmul_precision", PRECISION.get(dtype, "highest"))
    # On one thread JAX computes in the thread that calls it.  Otherwise a second thread would share its core.
    jax.config.update("jax_cpu_enable_async_dispatch", os.environ.get("NPROC") != "1")
    try:
        place = jax.devices(device)[0]
    except RuntimeError as error:
        reason = f"jax {jax.__version__} sees no {device} device: {error}"
        raise Unsupported(f"not on {device}", reason) from None
    return globals()[mode.runs](mode, place)


class Jax:
    """Share what all modes have in common: how arrays come and go, and where a gradient comes from."""

    peak_of_the_process = True

    def __init__(self, mode: Mode, device: Any):
        self.mode, self.by_hand, self.device = mode.mode, mode.is_twin, device
        # Of one object for all arrays: a call looks up its program by it, and another object takes longer to compare.
        self.place = SingleDeviceSharding(device)

    @property
    def versions(self) -> dict[str, str]:
        return {"jax": jax.__version__, "jaxlib": jaxlib.__version__}

    def put(self, arrays):
        # On the CPU, copies: JAX may keep a view of the NumPy array that it is given.
        own = {key: array.copy() for key, array in arrays.items()} if self.device.platform == "cpu" else dict(arrays)
        return jax.device_put(own, self.place)

    def get(self, tree):
        return jax.device_get(tree)

    def wait(self, tree):
        # By the protocol's own trees: `jax.block_until_ready` looks for any kind, which takes 1 us of 18 on Iris.
        for part in tree if isinstance(tree, tuple) else (tree,):
            for array in part.values() if isinstance(part, dict) else (part,):
                array.block_until_ready()
        return tree

    def loss(self, problem: Problem):
        return jax.jit(formulas("backends.jax", problem.workload).loss)

    def value_and_grad(self, problem: Problem):
        return jax.jit(self.gradient(problem.workload))

    def gradient(self, workload: str) -> Callable:
        """Return (params, batch) -> (loss, grads): by hand, or by JAX's autodiff of the loss."""
        of = formulas("backends.jax", workload)
        return of.value_and_grad_by_hand if self.by_hand else jax.value_and_grad(of.loss)

    def trainer(self, problem: Problem, num_steps: int):
        rate = jax.device_put(jnp.asarray(problem.learning_rate, array_dtype(problem.dtype)), self.device)
        train = self.descent(self.gradient(problem.workload), problem, num_steps)
        return lambda params, batch: train(params, batch, rate)

    def descent(self, value_and_grad: Callable, problem: Problem, num_steps: int) -> Callable:
        """Return (params, batch, rate) -> (params, losses)."""
        raise NotImplementedError

    def matmul(self, a, b):
        return a @ b

    def copy(self, a):
        return jnp.copy(a)

    def compilations(self) -> int:
        """Return how many programs were compiled; 0 where `jax.jit` is switched off, which compiles single operations."""
        return 0 if getattr(jax.config, "jax_disable_jit", False) else len(_compilations)

    def peak_device_bytes(self) -> int | None:
        statistics = self.device.memory_stats()
        return statistics and statistics["peak_bytes_in_use"]


class Jit(Jax):
    """One program for a step: loss, gradient and update.  What a step has used up is donated to the next, the losses too.

    Collecting 1000 losses in a list and stacking them costs a third of the time on Iris; passing dicts instead of their
    arrays one by one, another tenth; two starred arguments instead of one, a thirtieth.
    """

    def descent(self, value_and_grad, problem, num_steps):
        params_keys, batch_keys = tuple(problem.params), tuple(problem.batch)
        n = len(params_keys)

        @jax.jit
        def begin(params):
            """Return what the first step may use up, by one program; four take an eighth of the time of 250 steps on Iris."""
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


class Scan(Jax):
    """The whole descent as one program, by `lax.scan`."""

    def descent(self, value_and_grad, problem, num_steps):
        @jax.jit
        def train(params, batch, rate):
            def step(params, _):
                loss, grads = value_and_grad(params, batch)
                return _updated(params, grads, rate), loss

            return lax.scan(step, params, length=num_steps)

        return train


def _named(keys, arrays):
    return dict(zip(keys, arrays, strict=True))


def _updated(params, grads, rate):
    return {key: p - rate * grads[key] for key, p in params.items()}
