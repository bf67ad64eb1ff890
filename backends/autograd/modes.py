"""The one mode of autograd (HIPS): a tape over NumPy's own operations."""

from backends.library import Library, Mode

LIBRARY = Library(
    title="autograd",
    colour="#CC79A7",
    modes=(
        Mode(
            name="autograd",
            mode="eager",
            runs="Tape",
            code="loss, grads = autograd.value_and_grad(loss)(params, batch)",
            marker="X",
            devices=("cpu",),
            twin="numpy",
        ),
    ),
)
