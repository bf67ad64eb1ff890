"""The gradients derived by hand: one line of code per line of calculus, over the array API.

`loss(xp, params, batch)` and `value_and_grad(xp, params, batch)` take as `xp` any namespace of the
array API standard; NumPy runs them as the reference, torch and JAX run them, unchanged, as their
by-hand twins.  `gram` is another algorithm for the factorisation, not a twin.
"""

from functools import partial

from backends.by_hand import factorisation, mlp
from backends.source import Source

LOSS = {"factorisation": factorisation.loss, "mlp": mlp.loss}
VALUE_AND_GRAD = {"factorisation": factorisation.value_and_grad, "mlp": mlp.value_and_grad}


def source(xp) -> Source:
    """What a library runs whose namespace is `xp`."""
    return Source(
        lambda workload: partial(LOSS[workload], xp),
        lambda workload: partial(VALUE_AND_GRAD[workload], xp),
    )
