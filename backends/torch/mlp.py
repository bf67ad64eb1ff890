"""The summed softmax cross-entropy of relu(x W1 + b1) W2 + b2, in PyTorch's own idiom, and its gradient by hand.

With D = softmax(z) - onehot(y):  dW2 = h^T D,  db2 = sum of D,  G = D W2^T where h > 0,  dW1 = x^T G,  db1 = sum of G.
"""

import torch
from torch.nn import functional as F


def loss(params, batch):
    h = F.relu(batch["x"] @ params["W1"] + params["b1"])  # [n, hidden]
    z = h @ params["W2"] + params["b2"]  # [n, classes]
    return F.cross_entropy(z, batch["y"], reduction="sum")


def value_and_grad_by_hand(params, batch):
    x, y = batch["x"], batch["y"]  # [n, features], [n]
    h = (x @ params["W1"]).add_(params["b1"]).relu_()  # [n, hidden]
    log_p = F.log_softmax((h @ params["W2"]).add_(params["b2"]), dim=1)
    loss = F.nll_loss(log_p, y, reduction="sum")
    D = log_p.exp_().scatter_add_(1, y[:, None], log_p.new_full((len(y), 1), -1.0))
    G = torch.ops.aten.threshold_backward(D @ params["W2"].T, h, 0)  # 0 where h is 0
    return loss, {"W1": x.t() @ G, "b1": G.sum(0), "W2": h.T @ D, "b2": D.sum(0)}
