"""PyTorch: a class for each mode, which drives a gradient by the library's autodiff or by hand."""

from collections.abc import Callable
from typing import Any

import torch

from backends.library import Mode, formulas
from bench.backend import Unsupported
from bench.problem import Problem

SCANS_IN_CPP = "2.13"
"""The first torch whose C++ wrapper compiles a scan; 2.11 and 2.12 end in an AssertionError of Inductor."""


def make(mode: Mode, device: str, dtype: str) -> "Torch":
    """Return the backend of this mode; sets the precision of float32 products for the process."""
    if device == "cuda":
        try:
            torch.cuda.init()
        except (AssertionError, RuntimeError) as error:
            raise Unsupported("not on cuda", f"torch {torch.__version__} sees no CUDA device: {error}") from None
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    return globals()[mode.runs](mode, device)


class Torch:
    """Share what all modes have in common: how arrays come and go, and where a gradient comes from."""

    def __init__(self, mode: Mode, device: str):
        self.mode, self.by_hand, self.device = mode.mode, mode.is_twin, device

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
        return formulas("backends.torch", problem.workload).loss

    def value_and_grad(self, problem: Problem):
        return self.gradient(problem.workload)

    def gradient(self, workload: str) -> Callable:
        """Return (params, batch) -> (loss, grads): by hand, or by `autodiff` of the loss."""
        of = formulas("backends.torch", workload)
        return of.value_and_grad_by_hand if self.by_hand else self.autodiff(of.loss)

    def autodiff(self, loss: Callable) -> Callable:
        """Return the gradient by functional autodiff, which `torch.compile` can trace through."""
        grad_and_value = torch.func.grad_and_value(loss)

        def value_and_grad(params, batch):
            grads, value = grad_and_value(params, batch)
            return value, grads

        return value_and_grad

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
        peak = torch.cuda.max_memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return peak


class Eager(Torch):
    """One call for each operation: the loop of the lab report."""

    def autodiff(self, loss):
        """Return the gradient by the tape: the operations are recorded as they run, then walked backward."""

        def value_and_grad(params, batch):
            params = {key: p.detach().requires_grad_() for key, p in params.items()}
            value = loss(params, batch)
            value.backward()
            return value.detach(), {key: p.grad for key, p in params.items()}

        return value_and_grad

    def trainer(self, problem: Problem, num_steps: int):
        value_and_grad, rate = self.gradient(problem.workload), problem.learning_rate

        def train(params, batch):
            params, losses = {key: p.clone() for key, p in params.items()}, []
            for _ in range(num_steps):
                loss, grads = value_and_grad(params, batch)
                for key, p in params.items():
                    p.sub_(grads[key], alpha=rate)
                losses.append(loss)
            return params, torch.stack(losses)

        return train


class Compiled(Torch):
    """One program for a step: loss, gradient and update, by `torch.compile` without an option."""

    def __init__(self, mode, device):
        super().__init__(mode, device)
        load_compiler()

    def compile(self, function: Callable) -> Callable:
        return torch.compile(separate(function))

    def loss(self, problem: Problem):
        return self.compile(super().loss(problem))

    def value_and_grad(self, problem: Problem):
        return self.compile(super().value_and_grad(problem))

    def trainer(self, problem: Problem, num_steps: int):
        value_and_grad = self.gradient(problem.workload)
        rate = torch.tensor(problem.learning_rate, dtype=torch.float64, device=self.device)

        def step(params, batch, rate):
            loss, grads = value_and_grad(params, batch)
            return {key: p - rate * grads[key] for key, p in params.items()}, loss

        program = self.compile(step)

        def train(params, batch):
            losses = []
            for _ in range(num_steps):
                params, loss = program(params, batch, rate)
                losses.append(loss)
            return params, torch.stack(losses)

        return train


class Tuned(Compiled):
    """The same step, compiled for shapes that never change: no guards, and on the CPU Inductor's C++ wrapper.

    Guards, `fullgraph` and `dynamic` set something up at every call.  docs/measured.md has what the two options gain.
    """

    def compile(self, function):
        on_cpu = self.device == "cpu"
        options: dict[str, Any] = {
            "cpp_wrapper": on_cpu,
            "cpp_wrapper_build_separate": on_cpu,
            "guard_filter_fn": torch.compiler.skip_all_guards_unsafe,
        }
        return torch.compile(separate(function), options=options)


class Scan(Torch):
    """The whole descent as one program, by torch's `scan`, a prototype.  A single loss or gradient is not compiled."""

    def __init__(self, mode, device):
        super().__init__(mode, device)
        if torch.__version__ < SCANS_IN_CPP:
            reason = f"Inductor's C++ wrapper in torch {torch.__version__} compiles no scan"
            raise Unsupported(f"needs torch >= {SCANS_IN_CPP}", reason)
        load_compiler()
        from torch._inductor import config

        # Keeps a scan on the disk, as any other program is; the body of its loop is part of the key.
        config.unsafe_marked_cacheable_functions = {"torch.ops.higher_order.scan": str(torch.__version__)}

    def trainer(self, problem: Problem, num_steps: int):
        from torch._higher_order_ops.scan import scan

        value_and_grad = self.gradient(problem.workload)
        rate, steps = torch.tensor(problem.learning_rate, dtype=torch.float64), torch.zeros(num_steps)

        def descent(params, batch, rate, steps):
            def step(params, _):
                loss, grads = value_and_grad(params, batch)
                return {key: p - rate * grads[key] for key, p in params.items()}, loss

            return scan(step, params, steps)

        # With `fullgraph`, or Inductor refuses the scan; with its C++ wrapper, or the loop is one in Python.
        program = torch.compile(separate(descent), fullgraph=True, options={"cpp_wrapper": True})
        return lambda params, batch: program(params, batch, rate, steps)


class CudaGraph(Eager):
    """The eager loop, captured as a CUDA graph at the first call, then replayed."""

    pool_peak = 0
    """Bytes of the last capture: what a graph computes with lies in a pool of its own, which no replay allocates."""
    captures = 0
    """What stands for programs here: how many graphs were captured so far."""

    def compilations(self):
        return self.captures

    def peak_device_bytes(self):
        return max(super().peak_device_bytes() or 0, self.pool_peak)

    def trainer(self, problem: Problem, num_steps: int):
        train, few_steps = super().trainer(problem, num_steps), super().trainer(problem, min(num_steps, 3))
        captured: list[Any] = []
        copied: dict[str, tuple[Any, int]] = {}

        def capture(params, batch):
            inputs = tuple({key: a.clone() for key, a in tree.items()} for tree in (params, batch))
            # The warm-up that capturing asks for, on a stream of its own; a few steps call every kernel.
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                few_steps(*inputs)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            torch.cuda.reset_peak_memory_stats()
            with torch.cuda.graph(graph):
                outputs = train(*inputs)
            self.pool_peak = torch.cuda.max_memory_allocated()
            self.captures += 1
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


def load_compiler() -> None:
    """Import the compiler, which takes as long as torch itself, so that no first call pays for it.

    A process of a user has one problem, and its shapes are compiled in.  Here a second problem would be taken for the first
    with other shapes, and be given a program for any shape.
    """
    import torch._dynamo.config
    import torch._inductor.compile_fx

    torch._dynamo.config.automatic_dynamic_shapes = False


def separate(function: Callable) -> Callable:
    """Return `function` with a code object of its own, by which Dynamo keeps programs.

    Without guards a second problem would be given the first one's program; with them it would be asked the first one's guards.
    """

    def program(*arguments):
        return function(*arguments)

    program.__code__ = program.__code__.replace()
    return program
