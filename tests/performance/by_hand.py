"""Race other ways of writing the gradients by hand beside those of backends/, to see that none is faster.

    python -m pytest bench/ --benchmark-only -k test_train --backend torch-eager-by-hand \\
        --backend tests.performance.by_hand:torch_inplace --backend tests.performance.by_hand:torch_double ...

docs/measured.md has what came of it.  Each name is a factory of the library's by-hand mode with another gradient.
"""

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional as F

import backends
from bench.backend import Unsupported


def way(mode: str, **gradients):
    """Return a factory: the mode with the gradient of each workload that is given."""

    def factory(device: str, dtype: str):
        backend = backends.load(mode, device, dtype)

        def gradient(workload: str):
            if workload not in gradients:
                raise Unsupported(f"not for {workload}", "this way was not tried for it")
            return gradients[workload]

        backend.gradient = gradient
        return backend

    return factory


def plain(params, batch):
    U, V, A = params["U"], params["V"], batch["A"]
    R = U @ V.T - A
    return (R * R).sum(), {"U": 2 * (R @ V), "V": 2 * (R.T @ U)}


def inplace(params, batch):
    U, V = params["U"], params["V"]
    R = (U @ V.T).sub_(batch["A"])
    return torch.sum(R * R), {"U": (R @ V).mul_(2), "V": (R.T @ U).mul_(2)}


def double(params, batch):
    U, V = params["U"], params["V"]
    R = (U @ V.T).sub_(batch["A"])
    loss = torch.sum(R * R)
    R.mul_(2)
    return loss, {"U": R @ V, "V": R.T @ U}


def mse(params, batch):
    U, V, A = params["U"], params["V"], batch["A"]
    P = U @ V.T
    loss = F.mse_loss(P, A, reduction="sum")
    R = P.sub_(A)
    return loss, {"U": torch.addmm(U, R, V, beta=0, alpha=2), "V": torch.addmm(V, R.T, U, beta=0, alpha=2)}


def product(params, batch):
    """The mask of the relu by a product."""
    x, y = batch["x"], batch["y"]
    h = (x @ params["W1"]).add_(params["b1"]).relu_()
    log_p = F.log_softmax((h @ params["W2"]).add_(params["b2"]), dim=1)
    loss = F.nll_loss(log_p, y, reduction="sum")
    D = log_p.exp_().scatter_add_(1, y[:, None], log_p.new_full((len(y), 1), -1.0))
    G = (D @ params["W2"].T).mul_(h > 0)
    return loss, {"W1": x.t() @ G, "b1": G.sum(0), "W2": h.T @ D, "b2": D.sum(0)}


def onehot(params, batch):
    """The labels as a matrix."""
    x, y = batch["x"], batch["y"]
    h = (x @ params["W1"]).add_(params["b1"]).relu_()
    log_p = F.log_softmax((h @ params["W2"]).add_(params["b2"]), dim=1)
    loss = F.nll_loss(log_p, y, reduction="sum")
    D = log_p.exp_().sub_(F.one_hot(y, log_p.shape[1]))
    G = torch.ops.aten.threshold_backward(D @ params["W2"].T, h, 0)
    return loss, {"W1": x.t() @ G, "b1": G.sum(0), "W2": h.T @ D, "b2": D.sum(0)}


def numpy_double(params, batch):
    U, V, A = params["U"], params["V"], batch["A"]
    R = U @ V.T - A
    loss = np.sum(R * R)
    R *= 2
    return loss, {"U": R @ V, "V": R.T @ U}


def numpy_onehot(params, batch):
    x, y = batch["x"], batch["y"]
    h = np.maximum(x @ params["W1"] + params["b1"], 0)
    z = h @ params["W2"] + params["b2"]
    z = z - np.max(z, axis=1, keepdims=True)
    exp_z = np.exp(z)
    total = np.sum(exp_z, axis=1, keepdims=True)
    labels = (y[:, None] == np.arange(z.shape[1])).astype(z.dtype)
    D = exp_z / total - labels
    G = D @ params["W2"].T * (h > 0)
    loss = np.sum(np.log(total)) - np.sum(labels * z)
    return loss, {"W1": x.T @ G, "b1": np.sum(G, axis=0), "W2": h.T @ D, "b2": np.sum(D, axis=0)}


def jax_double(params, batch):
    U, V, A = params["U"], params["V"], batch["A"]
    R = U @ V.T - A
    return jnp.sum(R * R), {"U": (2 * R) @ V, "V": (2 * R).T @ U}


def jax_softmax(params, batch):
    x, y = batch["x"], batch["y"]
    h = jax.nn.relu(x @ params["W1"] + params["b1"])
    z = h @ params["W2"] + params["b2"]
    z = z - jnp.max(z, axis=1, keepdims=True)
    total = jnp.sum(jnp.exp(z), axis=1, keepdims=True)
    labels = jax.nn.one_hot(y, z.shape[1], dtype=z.dtype)
    D = jnp.exp(z) / total - labels
    G = jnp.where(h > 0, D @ params["W2"].T, 0)
    loss = jnp.sum(jnp.log(total)) - jnp.sum(labels * z)
    return loss, {"W1": x.T @ G, "b1": jnp.sum(G, axis=0), "W2": h.T @ D, "b2": jnp.sum(D, axis=0)}


def torch_preallocated(device: str, dtype: str):
    """A whole loop instead of a gradient: every array allocated once, the factor 2 in the rate.  No twin could be so."""
    backend = backends.load("torch-eager-by-hand", device, dtype)

    def trainer(problem, num_steps):
        if problem.workload != "factorisation":
            raise Unsupported(f"not for {problem.workload}", "this way was not tried for it")

        def train(params, batch):
            U, V, A = params["U"].clone(), params["V"].clone(), batch["A"]
            R, dU, dV, losses = torch.empty_like(A), torch.empty_like(U), torch.empty_like(V), []
            for _ in range(num_steps):
                torch.mm(U, V.T, out=R)
                R.sub_(A)
                losses.append(torch.sum(R * R))
                torch.mm(R, V, out=dU)
                torch.mm(R.T, U, out=dV)
                U.sub_(dU, alpha=2 * problem.learning_rate)
                V.sub_(dV, alpha=2 * problem.learning_rate)
            return {"U": U, "V": V}, torch.stack(losses)

        return train

    backend.trainer = trainer
    return backend


torch_plain = way("torch-eager-by-hand", factorisation=plain)
torch_inplace = way("torch-eager-by-hand", factorisation=inplace, mlp=product)
torch_double = way("torch-eager-by-hand", factorisation=double, mlp=onehot)
torch_mse = way("torch-eager-by-hand", factorisation=mse)
compile_plain = way("torch-compile-by-hand", factorisation=plain)
compile_inplace = way("torch-compile-by-hand", factorisation=inplace, mlp=product)
numpy_other = way("numpy", factorisation=numpy_double, mlp=numpy_onehot)
jax_scan_other = way("jax-scan-by-hand", factorisation=jax_double, mlp=jax_softmax)
