"""loss = sum((U V^T - A)^2), in PyTorch's own idiom."""

from torch.nn import functional as F


def loss(params, batch):
    return F.mse_loss(params["U"] @ params["V"].T, batch["A"], reduction="sum")
