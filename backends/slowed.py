"""The numpy backend slowed on purpose, for `python -m bench.calibrate`: will the harness notice?"""

from functools import partial

from backends.numpy.loops import Plain


class Slowed:
    """Its descent takes `percent` more steps, and throws them away."""

    def __init__(self, percent, device, dtype):
        self._backend, self._percent = Plain(), percent

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def trainer(self, problem, num_steps):
        work = self._backend.trainer(problem, num_steps)
        more = self._backend.trainer(problem, num_steps * self._percent // 100)

        def train(params, batch):
            more(params, batch)
            return work(params, batch)

        return train


by_2 = partial(Slowed, 2)
by_5 = partial(Slowed, 5)
by_10 = partial(Slowed, 10)
