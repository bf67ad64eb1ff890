"""The modes of PyTorch."""

from backends.library import Library, Mode, with_twins


def environment(device: str, cache: str, threads: int) -> dict[str, str]:
    """Return what torch's compiler reads: one process to compile with, and a folder for its programs."""
    return {
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TORCHINDUCTOR_CACHE_DIR": cache,
        # Says that g++ can compile torch's vector library.  To try it takes seconds in every new cache.
        "TORCHINDUCTOR_VEC_ISA_OK": "1",
    }


LIBRARY = Library(
    title="PyTorch",
    colour="#D55E00",
    environment=environment,
    steered_by=(
        "AOT_",
        "ATEN_",
        "CUBLAS_",
        "CUDNN_",
        "CXX",
        "DNNL_",
        "NVIDIA_TF32_",
        "ONEDNN_",
        "PYTORCH_",
        "TORCH",
        "TRITON_",
    ),
    modes=with_twins(
        Mode(
            name="torch-eager",
            mode="eager",
            runs="Eager",
            code="loss(params, batch).backward()",
            marker="o",
        ),
        Mode(
            name="torch-compile",
            mode="compiled step",
            runs="Compiled",
            code="step = torch.compile(step)",
            marker="s",
            quick=False,
        ),
        Mode(
            name="torch-compile-tuned",
            mode="compiled step",
            runs="Tuned",
            code="step = torch.compile(step, options={'cpp_wrapper': True, 'guard_filter_fn': ...})",
            marker="p",
            on_request=True,
            quick=False,
        ),
        Mode(
            name="torch-scan",
            mode="compiled loop",
            runs="Scan",
            code="train = torch.compile(lambda params, batch: scan(step, params, steps))",
            marker="D",
            devices=("cpu",),
            quick=False,
            prototype=True,
        ),
        Mode(
            name="torch-cuda-graph",
            mode="compiled loop",
            runs="CudaGraph",
            code="with torch.cuda.graph(graph): train(params, batch)",
            marker="P",
            devices=("cuda",),
        ),
    ),
)
