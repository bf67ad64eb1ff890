"""loss = sum((U V^T - A)^2), and its gradient derived by hand."""


def loss(xp, params, batch):
    R = _residual(params, batch)
    return xp.sum(R * R)


def value_and_grad(xp, params, batch):
    R = _residual(params, batch)
    dU = 2 * (R @ params["V"])
    dV = 2 * (R.T @ params["U"])
    return xp.sum(R * R), {"U": dU, "V": dV}


def _residual(params, batch):
    return params["U"] @ params["V"].T - batch["A"]  # [m, n]
