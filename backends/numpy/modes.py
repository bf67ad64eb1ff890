"""The modes of NumPy.  Its gradients are written by hand, for NumPy has no autodiff."""

from backends.library import Library, Mode


def environment(device: str, cache: str, threads: int) -> dict[str, str]:
    """Return the variables that limit the threads of every BLAS that NumPy may have been built with."""
    return {"OPENBLAS_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


LIBRARY = Library(
    title="NumPy",
    colour="#009E73",
    environment=environment,
    steered_by=("BLIS_", "MKL_", "NPY_", "OPENBLAS_"),
    modes=(
        Mode(
            name="numpy",
            mode="eager",
            runs="Plain",
            code="p -= rate * grads[key]",
            marker="o",
            devices=("cpu",),
        ),
        Mode(
            name="numpy-inplace",
            mode="eager",
            runs="InPlace",
            code="np.matmul(U, V.T, out=R)",
            marker="v",
            devices=("cpu",),
        ),
    ),
)
