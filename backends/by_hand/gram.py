"""The factorisation's gradient without the residual: what algebra can see and autodiff cannot.

With B = A V, C = A^T U, G = V^T V and K = U^T U:   R V = U G - B,   R^T U = V K - C,   and
||R||^2 = ||A||^2 - 2 <U, B> + <K, G>.   Two products of 2 m n rank flops instead of three, and
nothing m x n is formed.  The price is cancellation: when the fit is good, ||R||^2 is a small
difference of large numbers, and its error is a few roundings of ||A||^2, not of ||R||^2.
"""


def squared_norm(xp, batch):
    """||A||^2, as one dot product a row: it reads A once and forms nothing m x n."""
    return xp.sum(xp.vecdot(batch["A"], batch["A"]))


def loss(xp, params, batch):
    U, V = params["U"], params["V"]
    B = batch["A"] @ V
    return squared_norm(xp, batch) - 2 * xp.sum(U * B) + xp.sum((U.T @ U) * (V.T @ V))


def value_and_grad(xp, params, batch, norm=None):
    """(loss, grads); `norm` is ||A||^2 where the caller has it already."""
    U, V, A = params["U"], params["V"], batch["A"]  # [m, rank], [n, rank], [m, n]
    norm = squared_norm(xp, batch) if norm is None else norm
    B = A @ V
    C = A.T @ U
    G = V.T @ V
    K = U.T @ U
    loss = norm - 2 * xp.sum(U * B) + xp.sum(K * G)
    dU = 2 * (U @ G - B)
    dV = 2 * (V @ K - C)
    return loss, {"U": dU, "V": dV}
