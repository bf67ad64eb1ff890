"""The reference: the gradients derived by hand, each operation a new array; only the params are moved in place."""

from functools import partial

import numpy as np

from backends import by_hand


class Plain:
    def __init__(self, problem):
        self.loss = partial(by_hand.LOSS[problem.workload], np)
        self.gradient = by_hand.VALUE_AND_GRAD[problem.workload]
        self.value_and_grad = partial(self.gradient, np)

    def descend(self, params, batch, rate, num_steps):
        return descend(self.gradient, params, batch, rate, num_steps)


def descend(value_and_grad, params, batch, rate, num_steps):
    """The parameters are moved where they lie, as torch's eager loop moves its own."""
    params, losses = {key: p.copy() for key, p in params.items()}, []
    # Held outside the loop: a new view of the items, and new arrays for new params, take a fiftieth of a step on Iris.
    moved = tuple(params.items())
    for _ in range(num_steps):
        loss, grads = value_and_grad(np, params, batch)
        for key, p in moved:
            p -= rate * grads[key]
        losses.append(loss)
    return params, np.array(losses)
