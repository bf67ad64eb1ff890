"""The workloads: a module each, which keeps `protocol.Workload`."""

from collections.abc import Sequence
from typing import cast

from bench.errors import UsageError
from bench.problem import DTYPES, Problem
from bench.workloads import factorisation, mlp
from bench.workloads.protocol import Workload

WORKLOADS: dict[str, Workload] = {
    "factorisation": cast(Workload, factorisation),
    "mlp": cast(Workload, mlp),
}

DEFAULT_PROBLEMS = [f"{name}/{size}" for name, workload in WORKLOADS.items() for size in workload.DEFAULT_SIZES]


def ladder(devices: Sequence[str]) -> list[str]:
    """Return the problems of `--sweep`, the smallest first; a GPU adds sizes that the CPU is likely to skip."""
    return [
        f"{name}/{size}"
        for name, workload in WORKLOADS.items()
        for size in (*workload.SWEEP_SIZES, *(workload.GPU_SWEEP_SIZES if "cuda" in devices else ()))
    ]


def pose(name: str, dtype: str = "float32", seed: int = 0) -> Problem:
    """Return the problem called `<workload>/<size>`; UsageError when there is no such problem."""
    if any("\ud800" <= c <= "\udfff" for c in name):  # what Python makes of bytes that it cannot decode
        raise UsageError(f"{name!r} is not text in this locale; give it a plain name, or set LC_ALL=C.UTF-8")
    workload, _, size = name.partition("/")
    if workload not in WORKLOADS:
        raise UsageError(
            f"no workload {workload!r} in {name!r}; choose <workload>/<size> with a workload of {', '.join(WORKLOADS)}"
        )
    if dtype not in DTYPES:
        raise UsageError(f"no dtype {dtype!r}; choose from {', '.join(DTYPES)}")
    return WORKLOADS[workload].make(size, dtype, seed)
