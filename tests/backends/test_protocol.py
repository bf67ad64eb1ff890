"""Every backend keeps the protocol of `bench.backend.Backend`, on every workload, in every dtype."""

import pytest

import backends
from bench.backend import Unsupported
from bench.errors import UsageError
from bench.plan.selection import check_backend
from bench.workloads import pose
from tests.agreement.judging import checked
from tests.conftest import DTYPES, SMALL, loaded

NAMES = backends.on("cpu")


def trials() -> list[tuple[str, str, str]]:
    """Return the modes, each on every workload in every dtype.

    A compiled mode is tried on half of these, and on the other half its by-hand twin, which has the same loop: programs take
    seconds to compile.
    """
    every = [(w, d) for w in SMALL for d in DTYPES]
    return [(n, w, d) for n in NAMES for w, d in every if backends.MODES[n].mode == "eager" or _takes(n, w, d)]


def _takes(name: str, workload: str, dtype: str) -> bool:
    return (workload == "mlp") ^ (dtype == "float64") == backends.MODES[name].is_twin


@pytest.mark.parametrize(("name", "workload", "dtype"), trials())
def test_a_backend_keeps_every_promise_and_agrees_on_every_value(name: str, workload: str, dtype: str):
    found = checked(loaded(name, "cpu", dtype), workload, dtype)
    assert [f"{check.name}: {check.what}" for check in found if not check.passed] == []
    assert len(found) == 20


@pytest.mark.parametrize("name", ["torch-scan", "torch-scan-by-hand"])
@pytest.mark.parametrize(("version", "status"), [("2.12.1+cpu", "needs torch >= 2.13"), ("2.13.0", "")])
def test_a_mode_that_an_older_library_cannot_run_says_which_it_needs(monkeypatch, name: str, version: str, status: str):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "__version__", type(torch.__version__)(version))
    assert refused(name, "cpu") == status


@pytest.mark.parametrize("name", [name for name, mode in backends.MODES.items() if "cuda" in mode.devices])
def test_a_machine_without_a_gpu_says_so(name: str):
    torch = pytest.importorskip("torch")
    assert torch.cuda.is_available() or refused(name, "cuda") == "not on cuda"


@pytest.mark.parametrize("name", [name for name in backends.MODES if name not in NAMES])
def test_a_mode_that_is_not_for_the_cpu_says_so_and_names_its_devices(name: str):
    with pytest.raises(Unsupported, match=f"{name} runs on cuda alone"):
        backends.load(name, "cpu")


@pytest.mark.parametrize("name", backends.LIBRARIES)
def test_a_workload_that_a_library_has_no_file_for_is_not_for_it(name: str):
    mode = next(mode for mode in backends.LIBRARIES[name].modes if mode.name in NAMES)
    other = pose(SMALL["mlp"]).replace(workload="boltzmann")
    with pytest.raises(Unsupported) as refusal:
        loaded(mode.name).loss(other)
    assert refusal.value.status == "not for boltzmann"


@pytest.mark.parametrize("name", backends.MODES)
def test_tf32_is_refused_on_a_cpu(name: str):
    with pytest.raises(Unsupported, match="tf32 is a precision of NVIDIA GPUs; choose float32"):
        backends.load(name, "cpu", "tf32")


def refused(name: str, device: str) -> str:
    """Return the status with which it says that it cannot; '' when it can."""
    try:
        backends.load(name, device, DTYPES[0])
    except Unsupported as unsupported:
        assert unsupported.reason
        return unsupported.status
    return ""


@pytest.mark.parametrize("name", ["numpi", "package.module", ":factory", "package.module:", "a b:c", "a..b:c"])
def test_a_name_that_is_no_backend_is_refused_with_the_choices(name: str):
    with pytest.raises(UsageError, match=r"choose from numpy, .*, or name your own as package\.module:factory"):
        check_backend(name)


# A library's modes are data.


def test_every_by_hand_twin_is_its_original_but_for_the_gradient():
    pairs = [(mode, backends.MODES[mode.twin]) for mode in backends.MODES.values() if mode.twin]
    assert len(pairs) > 5
    for mode, twin in pairs:
        same_library = backends.library_of(mode.name) == backends.library_of(twin.name)
        assert same_library or (mode.name, twin.name) == ("autograd", "numpy")
        assert (mode.mode, set(mode.devices)) == (twin.mode, set(twin.devices))
