"""Where a library's loss and gradient come from: its own autodiff, or by hand."""

from collections.abc import Callable
from typing import NamedTuple


class Source(NamedTuple):
    """By workload, `(params, batch) -> loss` and `(params, batch) -> (loss, grads)`."""

    loss: Callable[[str], Callable]
    value_and_grad: Callable[[str], Callable]
