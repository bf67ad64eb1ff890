"""loss = sum((U V^T - A)^2), and its gradient derived by hand."""


def loss(xp, params, batch):
    R = params["U"] @ params["V"].T - batch["A"]  # [m, n]
    return xp.sum(R * R)


def value_and_grad(xp, params, batch):
    U, V, A = params["U"], params["V"], batch["A"]  # [m, rank], [n, rank], [m, n]
    R = U @ V.T - A
    loss = xp.sum(R * R)
    dU = 2 * (R @ V)
    dV = 2 * (R.T @ U)
    return loss, {"U": dU, "V": dV}
