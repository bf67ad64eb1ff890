"""The best loops one would write for PyTorch, with no interface in between: eager, one compiled step, one compiled scan.

Everything but the loop is the suite's: how arrays come and go, and `loss` and `value_and_grad`, which are not raced here.
"""

import torch
from torch._higher_order_ops.scan import scan
from torch.nn import functional as F

import backends
from backends.torch.loops import Compiled, Eager, Scan, separate
from bench.backend import Unsupported


def squares(U, V, A):
    return F.mse_loss(U @ V.T, A, reduction="sum")


def squares_by_hand(U, V, A):
    R = (U @ V.T).sub_(A)
    loss = torch.sum(R * R)
    return loss, (torch.addmm(U, R, V, beta=0, alpha=2), torch.addmm(V, R.T, U, beta=0, alpha=2))


def cross_entropy_by_hand(W1, b1, W2, b2, x, y):
    h = (x @ W1).add_(b1).relu_()
    log_p = F.log_softmax((h @ W2).add_(b2), dim=1)
    loss = F.nll_loss(log_p, y, reduction="sum")
    D = log_p.exp_().scatter_add_(1, y[:, None], log_p.new_full((len(y), 1), -1.0))
    G = torch.ops.aten.threshold_backward(D @ W2.T, h, 0)
    return loss, (x.t() @ G, G.sum(0), h.T @ D, D.sum(0))


def squares_by_autodiff(U, V, A):
    grads, loss = torch.func.grad_and_value(squares, argnums=(0, 1))(U, V, A)
    return loss, grads


BY_HAND = {"factorisation": squares_by_hand, "mlp": cross_entropy_by_hand}
BY_AUTODIFF = {"factorisation": squares_by_autodiff}


def eager_loop(_, problem, num_steps):
    """The loop of the lab report; the params are leaves of the tape from the first step to the last."""
    rate = problem.learning_rate

    def train(params, batch):
        U, V, A = params["U"].clone().requires_grad_(), params["V"].clone().requires_grad_(), batch["A"]
        losses = []
        for _ in range(num_steps):
            loss = squares(U, V, A)
            loss.backward()
            losses.append(loss.detach())
            with torch.no_grad():
                U.sub_(U.grad, alpha=rate)
                V.sub_(V.grad, alpha=rate)
            U.grad = V.grad = None
        return {"U": U.detach(), "V": V.detach()}, torch.stack(losses)

    return train


def eager_by_hand_loop(gradient, problem, num_steps):
    rate, keys = problem.learning_rate, tuple(problem.params)

    def train(params, batch):
        moved, data, losses = [params[key].clone() for key in keys], tuple(batch.values()), []
        for _ in range(num_steps):
            loss, grads = gradient(*moved, *data)
            losses.append(loss)
            for p, g in zip(moved, grads, strict=True):
                p.sub_(g, alpha=rate)
        return dict(zip(keys, moved, strict=True)), torch.stack(losses)

    return train


def compiled_loop(gradient, problem, num_steps):
    rate, keys = torch.tensor(problem.learning_rate, dtype=torch.float64), tuple(problem.params)
    n = len(keys)

    def one_step(rate, *arrays):
        loss, grads = gradient(*arrays)
        return loss, *(p - rate * g for p, g in zip(arrays[:n], grads, strict=True))

    step = torch.compile(separate(one_step))

    def train(params, batch):
        moved, data, losses = [params[key] for key in keys], tuple(batch.values()), []
        for _ in range(num_steps):
            loss, *moved = step(rate, *moved, *data)
            losses.append(loss)
        return dict(zip(keys, moved, strict=True)), torch.stack(losses)

    return train


def scanned_loop(gradient, problem, num_steps):
    rate, steps = torch.tensor(problem.learning_rate, dtype=torch.float64), torch.zeros(num_steps)
    keys = tuple(problem.params)

    def descent(rate, steps, data, *start):
        def one_step(moved, _):
            loss, grads = gradient(*moved, *data)
            return tuple(p - rate * g for p, g in zip(moved, grads, strict=True)), loss

        return scan(one_step, start, steps)

    program = torch.compile(separate(descent), fullgraph=True, options={"cpp_wrapper": True})

    def train(params, batch):
        moved, losses = program(rate, steps, tuple(batch.values()), *(params[key] for key in keys))
        return dict(zip(keys, moved, strict=True)), losses

    return train


def bare(parent: type, mode: str, gradients, loop):
    """Return a factory: the class of a mode with another loop, for the workloads that `gradients` has."""

    class Bare(parent):
        def trainer(self, problem, num_steps):
            if problem.workload not in gradients:
                raise Unsupported(f"not for {problem.workload}", "no bare loop was written for it")
            return loop(gradients[problem.workload], problem, num_steps)

    return lambda device, dtype: Bare(backends.MODES[mode], device)


torch_eager = bare(Eager, "torch-eager", BY_AUTODIFF, eager_loop)
torch_eager_by_hand = bare(Eager, "torch-eager-by-hand", BY_HAND, eager_by_hand_loop)
torch_compile = bare(Compiled, "torch-compile", BY_AUTODIFF, compiled_loop)
torch_compile_by_hand = bare(Compiled, "torch-compile-by-hand", BY_HAND, compiled_loop)
torch_scan = bare(Scan, "torch-scan", BY_AUTODIFF, scanned_loop)
torch_scan_by_hand = bare(Scan, "torch-scan-by-hand", BY_HAND, scanned_loop)
