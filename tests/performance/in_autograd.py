"""The best loop one would write for autograd's factorisation, with no interface in between."""

import autograd.numpy as np
from autograd import value_and_grad

from backends.autograd.loops import Tape
from tests.performance.in_numpy import bare


def squares(factors, A):
    R = np.dot(factors[0], factors[1].T) - A
    return np.sum(R * R)


def factorise(params, batch, rate, num_steps):
    U, V, A, losses = params["U"].copy(), params["V"].copy(), batch["A"], []
    gradient = value_and_grad(squares)
    for _ in range(num_steps):
        loss, (dU, dV) = gradient((U, V), A)
        losses.append(loss)
        U -= rate * dU
        V -= rate * dV
    return {"U": U, "V": V}, np.array(losses)


autograd = bare(Tape, factorisation=factorise)
