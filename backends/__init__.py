"""Every mode of every library by its name, and the loader, which imports one library and no other.

A name is `<library>-<mode>`.  A name that ends in `-by-hand` is the by-hand twin: the same library and mode with the
gradient written by hand instead of taken by the library's autodiff.
"""

import importlib
from collections.abc import Callable

from backends.library import Library, Mode
from bench.backend import Backend, Unsupported

LIBRARIES: dict[str, Library] = {
    name: importlib.import_module(f"backends.{name}.modes").LIBRARY for name in ("numpy", "autograd", "torch", "jax")
}
"""By the name of its folder."""

MODES: dict[str, Mode] = {mode.name: mode for library in LIBRARIES.values() for mode in library.modes}


def library_of(name: str) -> str:
    """Return the folder of the mode called `name`, or the module of `package.module:factory`."""
    module, colon, _ = name.partition(":")
    return module if colon else next(key for key, library in LIBRARIES.items() if MODES[name] in library.modes)


def twin_of(name: str) -> str:
    """Return the name of its by-hand twin; '' where it has none."""
    return f"{name}_by_hand" if ":" in name else MODES[name].twin if name in MODES else ""


def on(device: str) -> list[str]:
    """Return the names of all modes that can run on `device`."""
    return [name for name, mode in MODES.items() if device in mode.devices]


def load(name: str, device: str = "cpu", dtype: str = "float32") -> Backend:
    """Return the backend called `name`: one of MODES, or `package.module:factory` from outside the suite.

    `factory(device, dtype)` returns an object that keeps `bench.backend.Backend`.  Raises Unsupported where it cannot run.
    """
    if (device, dtype) == ("cpu", "tf32"):
        raise Unsupported("not on cpu", "tf32 is a precision of NVIDIA GPUs; choose float32")
    if ":" in name:
        module, _, factory = name.partition(":")
        make: Callable[[str, str], Backend] = getattr(importlib.import_module(module), factory)
        return make(device, dtype)
    mode = MODES[name]
    if device not in mode.devices:
        raise Unsupported(f"not on {device}", f"{name} runs on {' and '.join(mode.devices)} alone")
    return importlib.import_module(f"backends.{library_of(name)}.loops").make(mode, device, dtype)
