"""loss = sum((U V^T - A)^2), in PyTorch's own idiom, and its gradient by hand."""

import torch
from torch.nn import functional as F


def loss(params, batch):
    return F.mse_loss(params["U"] @ params["V"].T, batch["A"], reduction="sum")


def value_and_grad_by_hand(params, batch):
    U, V, A = params["U"], params["V"], batch["A"]  # [m, rank], [n, rank], [m, n]
    R = (U @ V.T).sub_(A)
    loss = torch.sum(R * R)
    dU = torch.addmm(U, R, V, beta=0, alpha=2)  # 2 R V in one call; beta=0 leaves U out
    dV = torch.addmm(V, R.T, U, beta=0, alpha=2)
    return loss, {"U": dU, "V": dV}
