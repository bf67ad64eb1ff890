"""Every backend keeps the protocol of `bench.backend.Backend`, on every workload, in every dtype."""

import numpy as np
import pytest

import backends
from bench.backend import Backend, Unsupported, checked
from bench.choice import check_backend
from bench.problem import UsageError
from tests.conftest import DTYPES, NUM_STEPS, SMALL, Subject, assert_all_close, assert_close, bits, pose, true_descent


def awkward(dtype: str) -> np.ndarray:
    """Every value that a conversion loses: NaN with a payload, -0.0, denormals, the extremes."""
    info, integer = np.finfo(dtype), f"u{np.dtype(dtype).itemsize}"
    payload = np.array([np.nan], dtype).view(integer) | np.array([0xBEEF], integer)
    plain = np.array(
        [-0.0, 0.0, info.smallest_subnormal, -info.tiny / 2, info.max, info.min, np.inf, -np.inf, 1 + info.eps], dtype
    )
    return np.concatenate([payload.view(dtype), plain]).reshape(2, 5)


# Arrays go there and come back.


def test_arrays_return_from_the_device_bit_for_bit(backend: Backend):
    arrays = {
        "float32": awkward("float32"),
        "float64": awkward("float64"),
        "int64": np.array([0, -1, 2**53 + 1, np.iinfo(np.int64).min, np.iinfo(np.int64).max]),
        "scalar": np.array(-0.0, backend_dtype := "float32"),
        "not contiguous": np.arange(12.0, dtype=backend_dtype).reshape(3, 4).T,
    }
    assert bits(backend.get(backend.wait(backend.put(arrays)))) == bits(arrays)


def test_tuples_and_dicts_return_as_they_were(backend: Backend):
    there = backend.put({"a": np.arange(3.0)})
    back = backend.get(backend.wait((there, there["a"])))
    assert isinstance(back, tuple)
    assert bits(back) == bits(({"a": np.arange(3.0)}, np.arange(3.0)))


def test_put_keeps_no_hold_on_the_array_it_was_given(backend: Backend):
    mine = np.zeros(1000)
    there = backend.wait(backend.put({"a": mine}))
    mine += 1
    assert not backend.get(there)["a"].any()


def test_a_backend_says_what_it_is(backend: Backend):
    assert checked(backend).versions
    assert all(isinstance(text, str) and text for text in (*backend.versions, *backend.versions.values()))


# What comes out.


def test_outputs_have_the_problems_keys_shapes_and_dtype(subject: Subject):
    problem = subject.problem
    loss = np.asarray(subject.loss(*subject.start))
    value, grads = subject.value_and_grad(*subject.start)
    params, losses = subject.train(*subject.start)
    assert [(np.shape(x), np.asarray(x).dtype) for x in (loss, value)] == [((), np.dtype(problem.dtype))] * 2
    assert (losses.shape, losses.dtype) == ((NUM_STEPS,), np.dtype(problem.dtype))
    form = {key: (p.shape, p.dtype) for key, p in problem.params.items()}
    assert {key: (g.shape, g.dtype) for key, g in grads.items()} == form
    assert {key: (p.shape, p.dtype) for key, p in params.items()} == form


@pytest.mark.parametrize("function", ["loss", "value_and_grad", "train"])
def test_functions_leave_their_arguments_untouched(subject: Subject, function: str):
    backend = subject.backend
    params, batch = map(backend.put, subject.start)
    keys = list(params), list(batch)
    backend.wait(getattr(subject, function).on_device(params, batch))
    assert (list(params), list(batch)) == keys
    assert bits((backend.get(params), backend.get(batch))) == bits(subject.start)


@pytest.mark.parametrize("function", ["loss", "value_and_grad", "train"])
def test_the_same_call_twice_gives_the_same_bits(subject: Subject, function: str):
    call = getattr(subject, function)
    assert bits(call(*subject.start)) == bits(call(*subject.start))


@pytest.mark.parametrize("function", ["loss", "value_and_grad", "train"])
def test_a_second_call_does_not_overwrite_the_first_ones_output(subject: Subject, function: str):
    backend, call = subject.backend, getattr(subject, function).on_device
    first = backend.wait(call(*map(backend.put, subject.start)))
    before = bits(backend.get(first))
    second = backend.wait(call(*map(backend.put, subject.other_start)))
    assert bits(backend.get(first)) == before
    assert bits(backend.get(second)) != before


# The descent.


def test_losses_equal_the_references_step_by_step(subject: Subject):
    _, losses = subject.train(*subject.start)
    assert_close(losses, true_descent(subject.problem, NUM_STEPS)[1], subject.unit)


def test_the_first_loss_is_the_one_before_the_first_step(subject: Subject):
    _, losses = subject.train(*subject.start)
    assert_close(losses[0], subject.loss(*subject.start), subject.unit)
    assert losses[1] < losses[0]


def test_params_after_the_descent_equal_the_references(subject: Subject):
    params, _ = subject.train(*subject.start)
    assert_all_close(params, true_descent(subject.problem, NUM_STEPS)[0], subject.unit)


@pytest.mark.dtypes("float32")  # another number of steps is another program, and seconds of torch.compile
def test_a_descent_of_one_step_takes_one_step(subject: Subject):
    params, losses = subject.trainer(1)(*subject.start)
    expected, first_loss = true_descent(subject.problem, 1)
    assert_close(losses, first_loss, subject.unit)
    assert_all_close(params, expected, subject.unit)


def test_a_learning_rate_of_zero_leaves_the_params_exactly(subject: Subject):
    params, losses = subject.trainer(NUM_STEPS, learning_rate=0.0)(*subject.start)
    assert bits(params) == bits(dict(subject.problem.params))
    assert np.ptp(losses) == 0


# What runs where.


def test_a_backend_is_unsupported_exactly_where_the_tables_say(request: pytest.FixtureRequest):
    for device in request.config.option.device or ["cpu"]:
        found = {(name, device): word for name in backends.FACTORIES if (word := refused(name, device))}
        able = {place: word for place, word in found.items() if not word.startswith("needs ")}
        assert able == {place: word for place, word in backends.NOT_ON.items() if place[1] == device}


@pytest.mark.parametrize("name", ["torch-scan", "torch-scan-by-hand"])
@pytest.mark.parametrize(("version", "word"), [("2.12.1+cpu", "needs torch >= 2.13"), ("2.13.0", "")])
def test_a_mode_that_an_older_library_cannot_run_says_which_it_needs(monkeypatch, name: str, version: str, word: str):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "__version__", type(torch.__version__)(version))
    assert refused(name, "cpu") == word


def test_what_cannot_run_on_a_gpu_says_so_on_a_machine_without_one():
    expected = {place: word for place, word in backends.NOT_ON.items() if place[1] == "cuda"}
    assert {place: refused(*place) for place in expected} == expected


def test_a_backend_is_for_every_workload_but_those_in_the_table(request: pytest.FixtureRequest):
    device = (request.config.option.device or ["cpu"])[0]
    runs_here = backends.on(device)
    found = {(name, w): word for name in runs_here for w in SMALL if (word := refused(name, device, w))}
    assert found == {(name, w): word for (name, w), word in backends.NOT_FOR.items() if name in runs_here}


@pytest.mark.parametrize("name", backends.FACTORIES)
def test_tf32_is_refused_on_a_cpu(name: str):
    with pytest.raises(Unsupported, match="tf32 is a precision of NVIDIA GPUs; choose float32"):
        backends.load(name, "cpu", "tf32")


def refused(name: str, device: str, workload: str = "") -> str:
    """The word with which it says that it cannot; '' when it can."""
    try:
        backend = backends.load(name, device, DTYPES[0])
        if workload:
            problem = pose(SMALL[workload])
            for make in (backend.loss, backend.value_and_grad, lambda p: backend.trainer(p, 1)):
                make(problem)
    except Unsupported as unsupported:
        assert unsupported.reason
        return unsupported.word
    return ""


@pytest.mark.parametrize("name", ["numpi", "package.module", ":factory", "package.module:", "a b:c", "a..b:c"])
def test_a_name_that_is_no_backend_is_refused_with_the_choices(name: str):
    with pytest.raises(UsageError, match=r"choose from numpy, .*, or name your own as package\.module:factory"):
        check_backend(name)
