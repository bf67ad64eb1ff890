"""The workloads.  A module each, with the same eight names:

`DEFAULT_SIZES`                     sizes raced by default
`SWEEP_SIZES`, `GPU_SWEEP_SIZES`    the ladder of `--sweep`, and what a GPU adds to it
`make(size, dtype, seed)`           the Problem; UsageError for a size that cannot be posed
`quality(problem, params)`          what a person judges the trained params by, in float64
`oracle(problem)`                   the value no descent can beat, or None
`end_state(reference, trained)`  (error, tolerance, sentence) of the params trained from every start
`turned(params, rng, count)`        `count` starts far from each other, from which descent is the same but for a symmetry
"""

from collections.abc import Sequence
from types import ModuleType

from bench.errors import UsageError
from bench.problem import DTYPES, Problem
from bench.workloads import factorisation, mlp

WORKLOADS: dict[str, ModuleType] = {"factorisation": factorisation, "mlp": mlp}

DEFAULT_PROBLEMS = [f"{w}/{size}" for w, module in WORKLOADS.items() for size in module.DEFAULT_SIZES]


def ladder(devices: Sequence[str]) -> list[str]:
    """The problems of `--sweep`, smallest first; a GPU adds sizes of its own, which the CPU is likely to skip."""
    gpu = "cuda" in devices
    return [
        f"{w}/{size}"
        for w, module in WORKLOADS.items()
        for size in (*module.SWEEP_SIZES, *(module.GPU_SWEEP_SIZES if gpu else ()))
    ]


def pose(name: str, dtype: str = "float32", seed: int = 0) -> Problem:
    """The problem called `<workload>/<size>`; UsageError when there is no such problem."""
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
