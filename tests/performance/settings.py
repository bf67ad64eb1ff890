"""Race modes with one setting of the suite undone beside the modes themselves, to see what each setting does to the times.

pytest bench/ --benchmark-only -k test_train --backend jax-jit --backend tests.performance.settings:jax_jit_asynchronous
"""

from collections.abc import Callable

import backends


def with_garbage_collection(name: str) -> Callable:
    """Return a factory: the mode with Python's collector at work in its calls."""

    def factory(device: str, dtype: str):
        import gc

        backend = backends.load(name, device, dtype)
        trainer = backend.trainer

        def collecting(problem, num_steps):
            train = trainer(problem, num_steps)

            def collected(params, batch):
                gc.enable()
                return train(params, batch)

            return collected

        backend.trainer = collecting
        return backend

    return factory


def asynchronous(name: str) -> Callable:
    """Return a factory: the mode with JAX's asynchronous dispatch, as JAX has it by itself."""

    def factory(device: str, dtype: str):
        import jax

        update = jax.config.update
        jax.config.update = lambda key, value: update(key, value or key == "jax_cpu_enable_async_dispatch")
        return backends.load(name, device, dtype)

    return factory


def torch_scan_without_wrapper(device: str, dtype: str):
    """torch's scan by Inductor's Python wrapper, which runs the loop in Python."""
    import torch

    real = torch.compile

    def compile(function, fullgraph=False, options=None):
        return real(function, fullgraph=fullgraph)

    torch.compile = compile
    return backends.load("torch-scan", device, dtype)


jax_jit_asynchronous = asynchronous("jax-jit")
jax_scan_asynchronous = asynchronous("jax-scan")
torch_eager_collecting = with_garbage_collection("torch-eager")
autograd_collecting = with_garbage_collection("autograd")
