"""PyTorch: the eager loop of the lab report, one compiled step, one compiled scan."""

import torch
from torch._higher_order_ops.scan import scan
from torch.nn import functional as F

from backends.torch import TAPE, Torch, compiler


def loss_of(U, V, A):
    return F.mse_loss(U @ V.T, A, reduction="sum")


def loss_and_gradient(U, V, A):
    (dU, dV), loss = torch.func.grad_and_value(loss_of, argnums=(0, 1))(U, V, A)
    return loss, dU, dV


def by_hand(U, V, A):
    R = U @ V.T - A
    return torch.sum(R * R), 2 * (R @ V), 2 * (R.T @ U)


def eager_loop(_, problem, num_steps):
    rate = problem.learning_rate

    def train(params, batch):
        U, V, A = params["U"].clone().requires_grad_(), params["V"].clone().requires_grad_(), batch["A"]
        losses = []
        for _ in range(num_steps):
            loss = loss_of(U, V, A)
            loss.backward()
            losses.append(loss.detach())
            with torch.no_grad():
                U.sub_(U.grad, alpha=rate)
                V.sub_(V.grad, alpha=rate)
            U.grad = V.grad = None
        return {"U": U.detach(), "V": V.detach()}, torch.stack(losses)

    return train


def eager_by_hand_loop(_, problem, num_steps):
    rate = problem.learning_rate

    def train(params, batch):
        U, V, A, losses = params["U"], params["V"], batch["A"], []
        for _ in range(num_steps):
            loss, dU, dV = by_hand(U, V, A)
            losses.append(loss)
            U, V = torch.sub(U, dU, alpha=rate), torch.sub(V, dV, alpha=rate)
        return {"U": U, "V": V}, torch.stack(losses)

    return train


def compiled_loop(gradient, problem, num_steps):
    rate = torch.tensor(problem.learning_rate, dtype=torch.float64)

    def one_step(U, V, A, rate):
        loss, dU, dV = gradient(U, V, A)
        return U - rate * dU, V - rate * dV, loss

    step = compiler("cpu")(one_step, problem)

    def train(params, batch):
        U, V, A, losses = params["U"], params["V"], batch["A"], []
        for _ in range(num_steps):
            U, V, loss = step(U, V, A, rate)
            losses.append(loss)
        return {"U": U, "V": V}, torch.stack(losses)

    return train


def scanned_loop(gradient, problem, num_steps):
    rate, steps = torch.tensor(problem.learning_rate, dtype=torch.float64), torch.zeros(num_steps)

    def descent(U, V, A, rate, steps):
        def one_step(factors, _):
            U, V = factors
            loss, dU, dV = gradient(U, V, A)
            return (U - rate * dU, V - rate * dV), loss

        return scan(one_step, (U, V), steps)

    program = compiler("cpu", fullgraph=True)(descent, problem)

    def train(params, batch):
        (U, V), losses = program(params["U"], params["V"], batch["A"], rate, steps)
        return {"U": U, "V": V}, losses

    return train


def eager(device, dtype):
    return Torch(device, "operation", TAPE, eager_loop)


def eager_by_hand(device, dtype):
    return Torch(device, "operation", TAPE, eager_by_hand_loop)


def compiled(device, dtype):
    return _with(device, "step", loss_and_gradient, compiled_loop)


def compiled_by_hand(device, dtype):
    return _with(device, "step", by_hand, compiled_loop)


def scanned(device, dtype):
    return _with(device, "descent", loss_and_gradient, scanned_loop)


def scanned_by_hand(device, dtype):
    return _with(device, "descent", by_hand, scanned_loop)


def _with(device, dispatch, gradient, loop):
    return Torch(device, dispatch, TAPE, lambda _, problem, num_steps: loop(gradient, problem, num_steps))
