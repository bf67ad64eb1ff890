"""PyTorch: eager, one compiled program a step, one compiled program a descent, a CUDA graph.

A mode is a source (autodiff or by hand) and a loop that drives its gradient; `Torch` joins the two.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import array_api_compat.torch as xp
import torch

from backends import by_hand
from backends.source import Source
from backends.torch import factorisation, mlp
from bench.backend import Dispatch, Unsupported
from bench.problem import Problem

LOSS = {"factorisation": factorisation.loss, "mlp": mlp.loss}

FEW_FLOPS = 500_000
"""A step of fewer is compiled with its products as loops: 0.5 of the time with BLAS calls at 7 thousand flops, 0.95 at
450 thousand, 1.6 at 5 million."""

SCANS_IN_CPP = "2.13"
"""The first torch whose C++ wrapper compiles a scan; 2.11 and 2.12 end in an AssertionError of Inductor."""

NO_BOUND = 2**31
PRODUCTS_AS_LOOPS = {
    "decompose_mm_pass": {f"cpu_max_{which}_dimension_decomposition": NO_BOUND for which in ("first", "other")}
}


@dataclass(frozen=True)
class Torch:
    device: str
    dispatch: Dispatch
    source: Source
    loop: Callable[[Callable, Problem, int], Callable]
    compile: Callable[[Callable, Problem], Callable] = lambda function, problem: function
    graph_peaks: Sequence[int] = ()
    """Of every capture, the bytes: what a graph computes with lies in a pool of its own, which no replay allocates."""

    @property
    def versions(self) -> dict[str, str]:
        return {"torch": str(torch.__version__)}

    def put(self, arrays):
        return {key: torch.tensor(array, device=self.device) for key, array in arrays.items()}

    def get(self, tree):
        if isinstance(tree, dict):
            return {key: self.get(value) for key, value in tree.items()}
        if isinstance(tree, tuple):
            return tuple(map(self.get, tree))
        return tree.numpy(force=True)

    def wait(self, tree):
        if self.device == "cuda":
            torch.cuda.synchronize()
        return tree

    def loss(self, problem: Problem):
        return self.compile(self.source.loss(problem.workload), problem)

    def value_and_grad(self, problem: Problem):
        return self.compile(self.source.value_and_grad(problem.workload), problem)

    def trainer(self, problem: Problem, num_steps: int):
        return self.loop(self.source.value_and_grad(problem.workload), problem, num_steps)

    def matmul(self, a, b):
        return a @ b

    def copy(self, a):
        return a.clone()

    def compilations(self) -> int:
        # As an attribute, torch would load the compiler into a process that has no use for it.
        dynamo = vars(torch).get("_dynamo")
        return dynamo.utils.counters["stats"]["unique_graphs"] if dynamo else 0

    def peak_device_bytes(self) -> int | None:
        if self.device == "cpu":
            return None
        peak = max([torch.cuda.max_memory_allocated(), *self.graph_peaks[-1:]])
        torch.cuda.reset_peak_memory_stats()
        return peak


# Where the loss and its gradient come from.


def tape(workload: str) -> Callable:
    """Eager autodiff: the operations are recorded as they run, then walked backward."""
    loss = LOSS[workload]

    def value_and_grad(params, batch):
        params = {key: p.detach().requires_grad_() for key, p in params.items()}
        value = loss(params, batch)
        value.backward()
        return value.detach(), {key: p.grad for key, p in params.items()}

    return value_and_grad


def transform(workload: str) -> Callable:
    """Functional autodiff, which `torch.compile` can trace through."""
    grad_and_value = torch.func.grad_and_value(LOSS[workload])

    def value_and_grad(params, batch):
        grads, value = grad_and_value(params, batch)
        return value, grads

    return value_and_grad


TAPE = Source(LOSS.__getitem__, tape)
TRANSFORM = Source(LOSS.__getitem__, transform)
HAND_DERIVED = by_hand.source(xp)


# What drives it.


def step_by_step(value_and_grad: Callable, problem: Problem, num_steps: int) -> Callable:
    """The loop of the lab report: the parameters are moved where they lie."""

    def train(params, batch):
        params, losses = {key: p.clone() for key, p in params.items()}, []
        for _ in range(num_steps):
            loss, grads = value_and_grad(params, batch)
            for key, p in params.items():
                p.sub_(grads[key], alpha=problem.learning_rate)
            losses.append(loss)
        return params, torch.stack(losses)

    return train


def compiled_steps(
    compile: Callable, device: str, value_and_grad: Callable, problem: Problem, num_steps: int
) -> Callable:
    rate = torch.tensor(problem.learning_rate, dtype=torch.float64, device=device)

    def step(params, batch, rate):
        loss, grads = value_and_grad(params, batch)
        return {key: p - rate * grads[key] for key, p in params.items()}, loss

    program = compile(step, problem)

    def train(params, batch):
        losses = []
        for _ in range(num_steps):
            params, loss = program(params, batch, rate)
            losses.append(loss)
        return params, torch.stack(losses)

    return train


def scanned_steps(compile: Callable, value_and_grad: Callable, problem: Problem, num_steps: int) -> Callable:
    from torch._higher_order_ops.scan import scan

    rate, steps = torch.tensor(problem.learning_rate, dtype=torch.float64), torch.zeros(num_steps)

    def descent(params, batch, rate, steps):
        def step(params, _):
            loss, grads = value_and_grad(params, batch)
            return {key: p - rate * grads[key] for key, p in params.items()}, loss

        return scan(step, params, steps)

    program = compile(descent, problem)
    return lambda params, batch: program(params, batch, rate, steps)


def captured_steps(peaks: list[int], value_and_grad: Callable, problem: Problem, num_steps: int) -> Callable:
    """The eager loop, captured as a CUDA graph at the first call; params copied in, outputs out, and a new batch in."""
    train = step_by_step(value_and_grad, problem, num_steps)
    captured: list[Any] = []
    copied: dict[str, tuple[Any, int]] = {}

    def capture(params, batch):
        inputs = tuple({key: a.clone() for key, a in tree.items()} for tree in (params, batch))
        # The warm-up that capturing asks for, on a stream of its own; a few steps call every kernel.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            step_by_step(value_and_grad, problem, min(num_steps, 3))(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        torch.cuda.reset_peak_memory_stats()
        with torch.cuda.graph(graph):
            outputs = train(*inputs)
        peaks.append(torch.cuda.max_memory_allocated())
        captured.extend((graph, inputs, outputs))

    def replay(params, batch):
        if not captured:
            capture(params, batch)
        graph, (params_in, batch_in), (trained, losses) = captured
        for key, array in params.items():
            params_in[key].copy_(array)
        for key, array in batch.items():
            # The same data as in the last call, unchanged, are there already.
            last, version = copied.get(key, (None, -1))
            if last is not array or version != array._version:
                batch_in[key].copy_(array)
                copied[key] = array, array._version
        graph.replay()
        return {key: p.clone() for key, p in trained.items()}, losses.clone()

    return replay


# The modes: a source and a loop.


def eager(device: str, dtype: str) -> Torch:
    return _torch(device, dtype, "operation", TAPE, step_by_step)


def eager_by_hand(device: str, dtype: str) -> Torch:
    return _torch(device, dtype, "operation", HAND_DERIVED, step_by_step)


def compiled(device: str, dtype: str) -> Torch:
    return _compiled(device, dtype, TRANSFORM)


def compiled_by_hand(device: str, dtype: str) -> Torch:
    return _compiled(device, dtype, HAND_DERIVED)


def scanned(device: str, dtype: str) -> Torch:
    return _scanned(device, dtype, TRANSFORM)


def scanned_by_hand(device: str, dtype: str) -> Torch:
    return _scanned(device, dtype, HAND_DERIVED)


def cuda_graph(device: str, dtype: str) -> Torch:
    return _captured(device, dtype, TAPE)


def cuda_graph_by_hand(device: str, dtype: str) -> Torch:
    return _captured(device, dtype, HAND_DERIVED)


# Not in FACTORIES: raced by their full names, to say what two decisions of the suite cost.


def eager_by_hand_for_torch(device: str, dtype: str) -> Torch:
    """`torch-eager-by-hand` with a gradient derived for torch alone, the perceptron's."""

    def of_the_perceptron(function: Callable, workload: str) -> Callable:
        if workload != "mlp":
            raise Unsupported(f"not for {workload}", "this gradient is the perceptron's")
        return function

    source = Source(partial(of_the_perceptron, mlp.loss), partial(of_the_perceptron, mlp.value_and_grad))
    return _torch(device, dtype, "operation", source, step_by_step)


def compiled_as_it_comes(device: str, dtype: str) -> Torch:
    """`torch-compile` by `torch.compile` without an option, guards and all."""

    def compile(function: Callable, problem: Problem) -> Callable:
        return torch.compile(of_its_own(function))

    return _torch(device, dtype, "step", TRANSFORM, partial(compiled_steps, compile, device), compile=compile)


def _torch(device: str, dtype: str, dispatch: Dispatch, source: Source, loop, **more) -> Torch:
    """Checks that the device is there, and sets the precision of float32 products."""
    if device == "cuda":
        try:
            torch.cuda.init()
        except (AssertionError, RuntimeError) as error:
            raise Unsupported("not on cuda", f"torch {torch.__version__} sees no CUDA device: {error}") from None
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    return Torch(device, dispatch, source, loop, **more)


def _compiled(device: str, dtype: str, source: Source) -> Torch:
    compile = compiler(device)
    return _torch(device, dtype, "step", source, partial(compiled_steps, compile, device), compile=compile)


def compiler(device: str, fullgraph: bool = False) -> Callable[[Callable, Problem], Callable]:
    """`torch_compile`, with the compiler imported and set up."""
    # Here, not above: it takes as long to import as torch itself, and the eager modes do without.
    import torch._inductor.config

    # A second problem would be taken for the first with other shapes, and be given a program for any shape.
    torch._dynamo.config.automatic_dynamic_shapes = False
    # A scan is kept on the disk, as any other program is; the body of its loop is part of the key.
    torch._inductor.config.unsafe_marked_cacheable_functions = {"torch.ops.higher_order.scan": str(torch.__version__)}
    # The bounds of this pass are read once, when the compiler is imported.
    torch._inductor.config.post_grad_fusion_options = PRODUCTS_AS_LOOPS
    import torch._inductor.compile_fx

    return partial(torch_compile, device, fullgraph=fullgraph)


def torch_compile(device: str, function: Callable, problem: Problem, fullgraph: bool = False) -> Callable:
    """One program for one problem, whose arrays never change shape or dtype.

    So it needs no guards, which on Iris take 10 of 43 us a call, and a step can do without `fullgraph` and `dynamic`,
    which set up and take down something at every call, 4 of 19 us; that it is one graph all the same is tested.
    On the CPU the C++ wrapper spares the Python that Inductor would otherwise run between two kernels; compiled apart
    from them it takes two thirds of the time to make a program, which then runs as fast to within 2 %.
    """
    on_cpu = device == "cpu"
    options: dict[str, Any] = {
        "cpp_wrapper": on_cpu,
        "cpp_wrapper_build_separate": on_cpu,
        "guard_filter_fn": torch.compiler.skip_all_guards_unsafe,
        "post_grad_fusion_options": PRODUCTS_AS_LOOPS if on_cpu and problem.flops < FEW_FLOPS else {},
    }
    return torch.compile(of_its_own(function), fullgraph=fullgraph, options=options)


def of_its_own(function: Callable) -> Callable:
    """`function` with a code object of its own.

    Dynamo keeps programs by code object.  Without guards one problem would be given another's; with them a second problem
    would be asked the first one's guards, and be given a program for any shape.
    """

    def program(*arguments):
        return function(*arguments)

    program.__code__ = program.__code__.replace()
    return program


def _scanned(device: str, dtype: str, source: Source) -> Torch:
    if device == "cuda":
        raise Unsupported(
            "not on cuda", "torch's scan is raced on the CPU; on a GPU the whole descent is torch-cuda-graph"
        )
    if torch.__version__ < SCANS_IN_CPP:
        reason = f"Inductor's C++ wrapper in torch {torch.__version__} compiles no scan"
        raise Unsupported(f"needs torch >= {SCANS_IN_CPP}", reason)
    # Only the descent is one program here; a single loss or gradient compiled is torch-compile's affair.
    compile = compiler(device, fullgraph=True)  # or Inductor refuses the scan
    return _torch(device, dtype, "descent", source, partial(scanned_steps, compile))


def _captured(device: str, dtype: str, source: Source) -> Torch:
    if device == "cpu":
        raise Unsupported("not on cpu", "a CUDA graph needs a CUDA device; on the CPU the whole descent is torch-scan")
    peaks: list[int] = []
    return _torch(device, dtype, "descent", source, partial(captured_steps, peaks), graph_peaks=peaks)
