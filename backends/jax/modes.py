"""The modes of JAX."""

from backends.library import Library, Mode, with_twins


def environment(device: str, cache: str, threads: int) -> dict[str, str]:
    """Return the folder for compiled programs, and on the CPU alone the threads of XLA, which its XLA_FLAGS do not limit."""
    cpu_alone = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "NPROC": str(threads), "PJRT_NPROC": str(threads)}
    return {
        # JAX keeps no program by itself: without these its warm first calls would be cold ones.
        "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # leaves device memory to the other backends
        # For a GPU, XLA tries kernels with this pool while it compiles.
        **(cpu_alone if device == "cpu" else {}),
    }


LIBRARY = Library(
    title="JAX",
    colour="#0072B2",
    environment=environment,
    steered_by=("JAX_", "TF_XLA_", "XLA_"),
    modes=with_twins(
        Mode(name="jax-jit", mode="compiled step", runs="Jit", code="step = jax.jit(step)", marker="^"),
        Mode(
            name="jax-scan",
            mode="compiled loop",
            runs="Scan",
            code="train = jax.jit(lambda params, batch: lax.scan(step, params, length=num_steps))",
            marker="D",
        ),
    ),
)
