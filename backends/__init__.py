"""Names of backends, and the loader that imports one framework and no other.

A name is `<library>-<mode>`; the `-by-hand` twin differs from its original in one thing: its
gradient is the one derived by hand instead of the library's own autodiff.
"""

import importlib
from collections.abc import Callable

from bench.backend import Backend, Unsupported

FACTORIES = {
    "numpy": "backends.numpy:by_hand",
    "numpy-inplace": "backends.numpy:in_place",
    "numpy-gram": "backends.numpy:without_residual",
    "torch-eager": "backends.torch:eager",
    "torch-eager-by-hand": "backends.torch:eager_by_hand",
    "torch-compile": "backends.torch:compiled",
    "torch-compile-by-hand": "backends.torch:compiled_by_hand",
    "torch-scan": "backends.torch:scanned",
    "torch-scan-by-hand": "backends.torch:scanned_by_hand",
    "torch-cuda-graph": "backends.torch:cuda_graph",
    "torch-cuda-graph-by-hand": "backends.torch:cuda_graph_by_hand",
    "jax-step": "backends.jax:step",
    "jax-step-by-hand": "backends.jax:step_by_hand",
    "jax-scan": "backends.jax:scan",
    "jax-scan-by-hand": "backends.jax:scan_by_hand",
}

_ON_CPU_ALONE = ("numpy", "numpy-inplace", "numpy-gram", "torch-scan", "torch-scan-by-hand")
_ON_CUDA_ALONE = ("torch-cuda-graph", "torch-cuda-graph-by-hand")
NOT_ON = {(name, "cuda"): "not on cuda" for name in _ON_CPU_ALONE} | {
    (name, "cpu"): "not on cpu" for name in _ON_CUDA_ALONE
}
"""What is expected not to run where, and the word for it; a surprise either way fails the tests."""

NOT_FOR = {("numpy-gram", "mlp"): "not for mlp"}
"""The same for workloads."""


def on(device: str) -> list[str]:
    """The names of all that can run on `device`."""
    return [name for name in FACTORIES if (name, device) not in NOT_ON]


def load(name: str, device: str = "cpu", dtype: str = "float32") -> Backend:
    """The backend called `name`, one of FACTORIES or `package.module:factory` of your own.

    `factory(device, dtype)` returns an object that keeps `bench.backend.Backend`.  Raises Unsupported where it
    cannot run.
    """
    if (device, dtype) == ("cpu", "tf32"):
        raise Unsupported("not on cpu", "tf32 is a precision of NVIDIA GPUs; choose float32")
    module, _, factory = FACTORIES.get(name, name).partition(":")
    make: Callable[[str, str], Backend] = getattr(importlib.import_module(module), factory)
    return make(device, dtype)
