"""What a worker does when it is asked: the order of a turn, what is in a first call, where timed starts lie."""

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import backends
from bench.agreement.distances import distance
from bench.operations import OPERATIONS
from bench.resources import Resources
from bench.workers import messages, problem_files
from bench.workers.worker import Worker, answer, starts
from bench.workloads import pose

IRIS = "factorisation/iris"


@pytest.fixture
def iris(tmp_path: Path) -> str:
    """Return the path of the problem's file."""
    problem_files.write(pose(IRIS), tmp_path / "iris")
    return str(tmp_path / "iris")


@pytest.fixture
def worker() -> Iterator[Worker]:
    """Return a worker that holds NumPy, in this process."""
    made = Worker()
    made.load("numpy", Resources(), "float32")
    yield made
    gc.unfreeze()


class AheadOfTime:
    """NumPy's functions, of which `trainer` is made by a clock that it moves on."""

    now = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(backends.load("numpy"), name)

    def trainer(self, problem: Any, num_steps: int) -> Callable:
        self.now += 7e9
        return backends.load("numpy").trainer(problem, num_steps)


def test_a_first_call_holds_the_making_of_its_program(worker: Worker, iris: str, monkeypatch: pytest.MonkeyPatch):
    worker.backend = slow = AheadOfTime()
    monkeypatch.setattr("bench.clock.perf_counter_ns", lambda: slow.now)
    seconds = worker.prepare(iris, ["train", "loss"]).first_call_seconds
    assert seconds == {"train": 7.0, "loss": 0.0}
    assert set(worker.functions) == set(OPERATIONS), "those that are not timed are there for the checks"


def logged(worker: Worker, operation: str, log: list[str], entry: str) -> None:
    """Let every call of the operation leave an entry in the log."""
    right = worker.functions[operation]
    worker.functions[operation] = lambda *given: log.append(entry) or right(*given)


def test_garbage_is_collected_before_the_untimed_calls_and_not_after_them(worker: Worker, iris: str):
    """Collecting drives a call's data out of the caches, and took 65 ms between the two calls of torch-eager."""
    log: list[str] = []
    worker.prepare(iris, ["loss"])
    worker.begin(step_bytes=0, room_for=0, warm_up_seconds=0.01)
    logged(worker, "loss", log, "call")
    left_for_the_collector = len(gc.get_objects())
    collected = lambda phase, info: log.append(phase)  # noqa: E731
    gc.callbacks.append(collected)
    try:
        worker.turn({"loss": 2}, {"loss": 1}, seed=0)
    finally:
        gc.callbacks.remove(collected)
    assert log[:2] == ["start", "stop"]
    assert log[2:] == ["call"] * (len(log) - 2)
    assert len(log) - 2 > 10, "a short call is warmed by many"
    assert left_for_the_collector < 1000


@pytest.mark.parametrize(
    ("asked_for", "milliseconds", "calls"),
    [(0.1, 2, 50), (0.1, 60, 2), (0.02, 2, 10), (0.005, 2, 4), (0.02, 10, 4), (0.02, 20, 3), (0.02, 200, 1)],
)
def test_every_operation_of_a_turn_begins_with_untimed_calls_for_the_seconds_asked_for_and_four_where_they_fit(
    worker: Worker, iris: str, asked_for: float, milliseconds: int, calls: int, monkeypatch: pytest.MonkeyPatch
):
    """By a clock that only calls move."""
    log: list[str] = []
    worker.prepare(iris, ["loss", "value_and_grad"])
    worker.begin(step_bytes=0, room_for=0, warm_up_seconds=asked_for)
    for name in ("loss", "value_and_grad"):
        logged(worker, name, log, name)
    monkeypatch.setattr("bench.workers.worker.time.monotonic", lambda: len(log) * milliseconds / 1000)
    worker.turn({"loss": 1, "value_and_grad": 1}, {"loss": 1, "value_and_grad": 1}, seed=0)
    assert log == ["loss"] * (calls + 1) + ["value_and_grad"] * (calls + 1)


@pytest.mark.parametrize(("timed_steps", "calls"), [(1, 4), (2, 2), (50, 1)])
def test_a_call_of_several_steps_counts_as_so_many(
    worker: Worker, timed_steps: int, calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    log: list[str] = []
    problem_files.write(pose("factorisation/iris").replace(timed_steps=timed_steps), tmp_path / "short")
    worker.prepare(str(tmp_path / "short"), ["train"])
    worker.begin(step_bytes=0, room_for=0, warm_up_seconds=0.005)
    logged(worker, "train", log, "train")
    monkeypatch.setattr("bench.workers.worker.time.monotonic", lambda: len(log) * 0.01)
    worker.turn({"train": 1}, {"train": 1}, seed=0)
    assert len(log) == calls + 1


def test_a_turn_has_several_samples_of_several_calls_and_each_tells_of_its_own_last_call(worker: Worker, iris: str):
    calls: list[tuple[Any, Any]] = []
    worker.prepare(iris, ["loss", "train"])
    worker.begin(step_bytes=0, room_for=0, warm_up_seconds=0.0)
    right = worker.functions["train"]
    worker.functions["train"] = lambda params, batch: calls.append((params, right(params, batch))) or calls[-1][1]
    found = worker.turn({"loss": 2, "train": 3}, {"loss": 4, "train": 2}, seed=0)
    assert {operation: len(samples) for operation, samples in found.items()} == {"loss": 4, "train": 2}
    assert len({id(params) for params, _ in calls[-6:]}) == 6, "each timed call has a start of its own"
    for sample, (start, (trained, losses)) in zip(found["train"], [calls[-4], calls[-1]], strict=True):
        assert (sample.distance, sample.loss) == (distance(trained, start), losses[-1])


def test_a_large_problem_has_the_room_of_what_the_one_before_left(
    worker: Worker, iris: str, monkeypatch: pytest.MonkeyPatch
):
    class Left:
        """In a cycle, as a closure that knows itself."""

        def __init__(self):
            self.own = self

    left = Left()
    gc.disable()
    try:
        worker.prepare(iris, ["train"])
        gone = weakref.ref(left)
        del left
        worker.prepare(iris, ["train"])
        assert gone() is not None, "what was alive stays alive, or this could not fail"
        monkeypatch.setattr("bench.workers.worker.LARGE", 0)
        worker.prepare(iris, ["train"])
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("name", [IRIS, "mlp/iris"])
def test_a_timed_start_is_laid_out_in_memory_as_the_start_that_was_checked(name: str):
    problem = pose(name)
    layout = {key: (p.dtype, p.shape, p.strides) for key, p in problem.params.items()}
    for start in starts(problem, 0, 3):
        assert {key: (p.dtype, p.shape, p.strides) for key, p in start.items()} == layout


def answered(worker: Worker, method: str, *given: Any) -> messages.Answer:
    """Return what a worker answers to a request, as its parent reads it."""
    request = messages.pack(messages.Request(method, list(given)))
    return messages.unpack(answer(worker, request), type=messages.Answer)


def test_a_version_may_be_a_kind_of_string_of_its_own():
    found = answered(Worker(), "load", "tests.outsiders:OfAVersion", Resources(), "float32").found
    assert messages.unpack(found, type=messages.Loaded).versions == {"torch": "2.13.0+cpu"}


def test_running_out_of_memory_is_told_though_another_error_was_raised_over_it():
    """As by ending the capture of a CUDA graph."""

    class Capturing(Worker):
        def pilot(self, operations: list[str]) -> dict[str, float]:
            try:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.")
            finally:
                raise RuntimeError("operation failed due to a previous error during capture")

    assert answered(Capturing(), "pilot", ["train"]).outcome.status == "out of memory"


@pytest.mark.parametrize(("threads", "looks"), [(1, 0), (2, 3)])
def test_a_turn_ends_when_the_threads_of_a_library_have_stopped(worker: Worker, monkeypatch, threads: int, looks: int):
    """Two threads compute on for two looks, and not in the third."""
    spent, slept = iter([0.0, 0.01, 0.01, 0.02, 0.02, 0.02]), []
    worker.resources = Resources(threads=threads)
    monkeypatch.setattr(f"{Worker.__module__}.time.process_time", lambda: next(spent))
    monkeypatch.setattr(f"{Worker.__module__}.time.sleep", slept.append)
    worker._fall_idle()
    assert len(slept) == looks
