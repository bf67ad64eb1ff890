"""Softmax cross-entropy of relu(x W1 + b1) W2 + b2, summed, and its gradient derived by hand."""

from array_api_compat import device


def loss(xp, params, batch):
    _, _, z = _forward(xp, params, batch)
    return _cross_entropy(xp, z, batch["y"])[0]


def value_and_grad(xp, params, batch):
    a, h, z = _forward(xp, params, batch)
    loss, dz = _cross_entropy(xp, z, batch["y"])
    dW2 = h.T @ dz
    db2 = xp.sum(dz, axis=0)
    dh = dz @ params["W2"].T
    da = dh * xp.astype(a > 0, dh.dtype)
    dW1 = xp.matrix_transpose(batch["x"]) @ da
    db1 = xp.sum(da, axis=0)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


def _forward(xp, params, batch):
    a = batch["x"] @ params["W1"] + params["b1"]  # [n, hidden]
    h = xp.clip(a, 0, None)
    z = h @ params["W2"] + params["b2"]  # [n, classes]
    return a, h, z


def _cross_entropy(xp, z, y):
    """sum(log(sum(exp(z))) - z[y]) and its derivative softmax(z) - onehot(y)."""
    z = z - xp.max(z, axis=1, keepdims=True)
    e = xp.exp(z)
    s = xp.sum(e, axis=1, keepdims=True)
    onehot = xp.astype(y[:, None] == xp.arange(z.shape[1], dtype=y.dtype, device=device(y)), z.dtype)
    return xp.sum(xp.log(s)) - xp.sum(onehot * z), e / s - onehot
