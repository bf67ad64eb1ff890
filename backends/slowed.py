"""Backends slowed on purpose, for `python -m bench.calibrate`: `backends.slowed:jax_scan_by_5` takes 5 % more steps."""

from functools import partial
from typing import Any

import backends


class Slowed:
    """A backend whose descent takes `percent` more steps, and throws them away."""

    def __init__(self, name: str, percent: int, device: str, dtype: str):
        self._backend, self._percent = backends.load(name, device, dtype), percent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def trainer(self, problem, num_steps):
        work = self._backend.trainer(problem, num_steps)
        more = self._backend.trainer(problem, num_steps * self._percent // 100)

        def train(params, batch):
            self._backend.wait(more(params, batch))
            return work(params, batch)

        return train


def __getattr__(name: str) -> partial[Slowed]:
    """Return the factory called `<backend with _ for ->_by_<percent>`."""
    backend, by, percent = name.rpartition("_by_")
    if not by or not percent.isdecimal() or backend.replace("_", "-") not in backends.MODES:
        raise AttributeError(f"no backend {name} here; name it like numpy_by_5")
    return partial(Slowed, backend.replace("_", "-"), int(percent))
