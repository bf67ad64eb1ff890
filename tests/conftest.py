"""Options, and the backends x workloads x dtypes that every promise is held against.

`pytest tests/ --backend package.module:factory` holds an outside backend to them, and only that one.
"""

import contextlib
import gc
import os
from functools import cache, cached_property
from typing import Any

# Before NumPy is imported: a team of threads is slower on problems as small as these, and rounds differently.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")  # as in a race: see `bench.process`

# Three libraries are half a million objects; to look through them again and again takes a tenth of the time.
gc.set_threshold(200_000, 20, 100)

# Each of several test processes has cores of its own, so that what one of them races is not slowed by another; and what
# a test starts is no such process, as pytest-benchmark would believe.
if number := os.environ.pop("PYTEST_XDIST_WORKER", "").removeprefix("gw"):
    count = int(os.environ.pop("PYTEST_XDIST_WORKER_COUNT"))
    if own := sorted(os.sched_getaffinity(0))[int(number) :: count]:
        os.sched_setaffinity(0, own)

import numpy as np
import pytest

import backends
from backends import by_hand
from bench.backend import Backend, Unsupported
from bench.choice import check_backend
from bench.problem import Arrays, Problem, UsageError, in_dtype
from bench.record import Entrant, Record
from bench.workloads import pose
from tests.running import race_little
from tests.sample_record import sample_record

SMALL = {"factorisation": "factorisation/12x8r2", "mlp": "mlp/24x5-6-3"}
"""One problem a workload: torch.compile takes seconds over every new shape."""
DTYPES = ("float32", "float64")
LABELS = ("numpy", "control", "numpy-inplace")
NUM_STEPS = 7


def pytest_addoption(parser: pytest.Parser) -> None:
    # bench/conftest.py has options of the same names, and may have been loaded before.
    with contextlib.suppress(ValueError):
        parser.addoption("--backend", action="append", default=[], help="hold this backend alone to every promise")
    with contextlib.suppress(ValueError):
        parser.addoption("--device", action="append", default=[], help="cpu (the default) or cuda; repeatable")


def pytest_configure(config: pytest.Config) -> None:
    race_little()
    config.addinivalue_line("markers", "dtypes(*names): the dtypes to try instead of all")
    try:
        for name in config.option.backend:
            check_backend(name)
    except UsageError as error:
        pytest.exit(str(error), returncode=2)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`backend` is each that can run here; `subject` each with every workload it is for."""
    option, only = metafunc.config.option, metafunc.definition.get_closest_marker("dtypes")
    places = [
        (name, device, dtype)
        for name in option.backend or backends.FACTORIES
        for device in option.device or ["cpu"]
        for dtype in (only.args if only else DTYPES)
        if (name, device) not in backends.NOT_ON
    ]
    if "subject" in metafunc.fixturenames:
        # By workload and dtype first, so that each small problem's programs are compiled side by side.
        grid = [(*p, w) for w in SMALL for p in places if (p[0], w) not in backends.NOT_FOR]
        metafunc.parametrize("subject", grid, ids=["-".join((_at(n, d), w, t)) for n, d, t, w in grid], indirect=True)
    elif "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", places, ids=["-".join((_at(n, d), t)) for n, d, t in places], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest of the last files first, or one of two processes ends with it when the other has nothing left to do.

    Of these first the one whose programs others then find compiled on the disk.
    """
    first = ["test_backends_keep_the_protocol.py", "test_workers.py"]
    items.sort(key=lambda item: first.index(item.path.name) if item.path.name in first else len(first))


def _at(name: str, device: str) -> str:
    return name if device == "cpu" else f"{name}@{device}"


class Subject:
    """One backend on one small problem; each of its functions is made, and compiled, once."""

    def __init__(self, backend: Backend, problem: Problem):
        self.backend, self.problem = backend, problem
        self.trainer = cache(self._trainer)

    @cached_property
    def loss(self):
        return self._on_numpy(self.backend.loss(self.problem))

    @cached_property
    def value_and_grad(self):
        return self._on_numpy(self.backend.value_and_grad(self.problem))

    @property
    def train(self):
        return self.trainer(NUM_STEPS)

    def _trainer(self, num_steps: int, learning_rate: float | None = None):
        rate = self.problem.learning_rate if learning_rate is None else learning_rate
        return self._on_numpy(self.backend.trainer(self.problem.replace(learning_rate=rate), num_steps))

    def _on_numpy(self, function):
        """`function`, from NumPy arrays to NumPy arrays; `on_device` is the function itself."""

        def call(params: Arrays, batch: Arrays) -> Any:
            put, get, wait = self.backend.put, self.backend.get, self.backend.wait
            return get(wait(function(put(params), put(batch))))

        call.on_device = function
        return call

    @property
    def start(self) -> tuple[Arrays, Arrays]:
        return self.problem.params, self.problem.batch

    @property
    def other_start(self) -> tuple[Arrays, Arrays]:
        """Other params on the same batch."""
        return {key: p + p.dtype.type(0.25) for key, p in self.problem.params.items()}, self.problem.batch

    @property
    def unit(self) -> float:
        return float(np.finfo(self.problem.dtype).eps)


@cache
def _loaded(name: str, device: str, dtype: str) -> Backend:
    return backends.load(name, device, dtype)


def loaded(name: str, device: str = "cpu", dtype: str = "float32") -> Backend:
    """The backend; a mode that this version of its library cannot run skips the test."""
    try:
        return _loaded(name, device, dtype)
    except Unsupported as unsupported:
        if unsupported.word.startswith("needs "):
            pytest.skip(f"{unsupported.word}: {unsupported.reason}")
        raise


@cache
def subject_of(name: str, device: str, dtype: str, workload: str) -> Subject:
    return Subject(loaded(name, device, dtype), pose(SMALL[workload], dtype))


@pytest.fixture
def three() -> list[Entrant]:
    """Entrants, LABELS by name, all of which are NumPy."""
    return [Entrant(label=label, backend="numpy", device="cpu", dtype="float32") for label in LABELS]


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Backend:
    return loaded(*request.param)


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    try:
        found = subject_of(*request.param)
        found.loss  # noqa: B018 - an outside backend may be for one workload alone, and says so here
    except Unsupported as unsupported:
        if request.param[0] in backends.FACTORIES:
            raise
        pytest.skip(f"{unsupported.word}: {unsupported.reason}")
    return found


def truth(workload: str, params: Arrays, batch: Arrays) -> tuple[float, Arrays]:
    """The loss and the gradient derived by hand, in float64."""
    wide = [
        {k: a.astype(np.float64) if a.dtype.kind == "f" else a for k, a in tree.items()} for tree in (params, batch)
    ]
    return by_hand.VALUE_AND_GRAD[workload](np, *wide)


def true_descent(problem: Problem, num_steps: int) -> tuple[Arrays, np.ndarray]:
    """(params, losses) by the gradient derived by hand, in float64, one plain step after another."""
    wide = in_dtype(problem, "float64")
    params, losses = dict(wide.params), []
    for _ in range(num_steps):
        loss, grads = truth(problem.workload, params, wide.batch)
        losses.append(loss)
        params = {key: params[key] - problem.learning_rate * grads[key] for key in params}
    return params, np.array(losses)


def assert_close(ours: Any, theirs: Any, unit: float, roundings: int = 200) -> None:
    """Finite, of the same shape, and no farther apart than some roundings of the largest entry.

    A heuristic: on the small problems no backend was seen farther than 40 roundings away.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert np.isfinite(ours).all()
    assert np.abs(ours - theirs).max() <= roundings * unit * np.abs(theirs).max()


def assert_all_close(ours: Arrays, theirs: Arrays, unit: float, roundings: int = 200) -> None:
    assert set(ours) == set(theirs)
    for key in theirs:
        assert_close(ours[key], theirs[key], unit, roundings)


def bits(tree: Any) -> Any:
    """Something that is equal when, and only when, every dtype, shape and bit is."""
    if isinstance(tree, dict):
        return {key: bits(value) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple(map(bits, tree))
    array = np.asarray(tree)
    return array.dtype.str, array.shape, array.tobytes()


@pytest.fixture(scope="session")
def whole() -> Record:
    return sample_record()
