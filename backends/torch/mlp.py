"""Softmax cross-entropy of relu(x W1 + b1) W2 + b2, summed, in PyTorch's own idiom."""

from torch.nn import functional as F


def loss(params, batch):
    hidden = F.relu(batch["x"] @ params["W1"] + params["b1"])
    logits = hidden @ params["W2"] + params["b2"]
    return F.cross_entropy(logits, batch["y"], reduction="sum")
