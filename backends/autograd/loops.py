"""autograd (HIPS): NumPy's loop, with the gradient by a tape that records NumPy's own operations."""

from importlib.metadata import version

from autograd import value_and_grad

from backends.library import Mode, formulas
from backends.numpy.loops import Plain


def make(mode: Mode, device: str, dtype: str) -> "Tape":
    return Tape()


class Tape(Plain):
    """The loop of `numpy`, its by-hand twin: the two differ in the gradient alone."""

    package = "backends.autograd"

    @property
    def versions(self) -> dict[str, str]:
        return {"autograd": version("autograd"), **super().versions}

    def gradient(self, workload: str):
        return value_and_grad(formulas(self.package, workload).loss)
