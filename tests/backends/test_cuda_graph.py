"""A CUDA graph is given copies and gives copies back; capturing and replaying are made up, the copies are real."""

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")


class Replayed:
    """It replays what was captured, as a graph does: in the same memory, in and out."""

    def __init__(self) -> None:
        self.inputs: Any = None

    def replay(self) -> None:
        params, batch = self.inputs
        self.outputs[0]["U"].copy_(params["U"] + batch["A"].sum())
        self.outputs[1].copy_(batch["A"].sum().expand(2))


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Replayed:
    import backends.torch.loops

    made = Replayed()

    def trainer(self: Any, problem: Any, num_steps: int) -> Any:
        def train(params: Any, batch: Any) -> Any:
            made.inputs, made.outputs = (params, batch), ({"U": params["U"].clone()}, torch.zeros(2))
            return made.outputs

        return train

    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, stub in {
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda of: contextlib.nullcontext(),
        "graph": lambda of: contextlib.nullcontext(),
        "CUDAGraph": lambda: made,
        "reset_peak_memory_stats": lambda: None,
        "max_memory_allocated": lambda: 5,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stub)
    monkeypatch.setattr(backends.torch.loops.Eager, "trainer", trainer)
    return made


def train() -> Any:
    from backends import MODES
    from backends.torch.loops import CudaGraph

    return CudaGraph(MODES["torch-cuda-graph"], "cuda").trainer(None, 2)


def test_each_call_is_of_its_own_params_and_its_output_stays(graph: Replayed):
    descend, batch = train(), {"A": torch.ones(3)}
    first = descend({"U": torch.tensor([1.0])}, batch)
    second = descend({"U": torch.tensor([5.0])}, batch)
    assert (first[0]["U"].item(), second[0]["U"].item()) == (4.0, 8.0)


@pytest.mark.parametrize("change", ["another", "in place"])
def test_another_batch_is_copied_in_and_one_that_was_changed(graph: Replayed, change: str):
    descend, batch = train(), {"A": torch.ones(3)}
    descend({"U": torch.tensor([0.0])}, batch)
    if change == "another":
        batch = {"A": 2 * torch.ones(3)}
    else:
        batch["A"].mul_(2)
    assert descend({"U": torch.tensor([0.0])}, batch)[0]["U"].item() == 6.0


def test_a_capture_counts_as_the_program_that_a_compiled_loop_must_have(graph: Replayed):
    """Dynamo compiles nothing here."""
    from backends import MODES
    from backends.torch.loops import CudaGraph

    backend = CudaGraph(MODES["torch-cuda-graph"], "cuda")
    descend, batch = backend.trainer(None, 2), {"A": torch.ones(3)}
    before = backend.compilations()
    for _ in range(2):
        descend({"U": torch.tensor([0.0])}, batch)
    assert backend.compilations() - before == 1


def test_a_batch_that_is_there_is_not_copied_again(graph: Replayed):
    descend, batch = train(), {"A": torch.ones(3)}
    descend({"U": torch.tensor([0.0])}, batch)
    graph.inputs[1]["A"].fill_(7.0)  # would be written over
    assert descend({"U": torch.tensor([0.0])}, batch)[0]["U"].item() == 21.0
