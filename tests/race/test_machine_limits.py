"""The machine's limit is measured once for each resources and dtype, by whoever can, and costs no cell where nobody can."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.devices import DEVICES, Probe
from bench.race import machine_limits
from bench.records.schema import Entrant, Limits
from bench.resources import Resources
from bench.workers.cores import Cores
from bench.workers.pool import Pool
from bench.workers.process import Failed, Remote
from tests.running import raced, without_processes

ONE, TWO, GPU = Resources(), Resources(threads=2), Resources("cuda")


class Workers(Pool):
    """A pool whose processes answer at once; `started` has those that were not up before."""

    def __init__(self, up: list[Entrant], fails: str = "") -> None:
        self.cores, self.started, self.probed = Cores([0, 1], [0, 1], [0]), [], []
        self._up, self._fails = {e.key for e in up}, fails

    def start(self, entrant: Entrant) -> None:
        if entrant.key not in self._up:
            self.started.append(entrant)
            self._up.add(entrant.key)

    def is_up(self, entrant: Entrant) -> bool:
        return entrant.key in self._up

    def of(self, entrant: Entrant):
        raise AssertionError("no process is ended")

    def ask(self, entrant: Entrant) -> Remote:
        def answer(method: str, *given: Any) -> Limits:
            if method == self._fails:
                raise Failed("failed", "no luck")
            if method == "probe":
                self.probed.append(entrant.backend)
            return Limits(entrant.resources, entrant.dtype, 1e9, 2e9)

        return Remote(answer)


def entrant(backend: str, resources: Resources = ONE) -> Entrant:
    return Entrant(f"{backend}@{resources.label}", backend, resources, "float32")


def test_the_first_live_backend_of_the_suite_is_asked_once_for_each_resources():
    dead, alive, other = entrant("numpy"), entrant("jax-jit"), entrant("autograd", TWO)
    workers = Workers(up=[alive, other])
    found = machine_limits.measure(workers, [dead, alive, other], [])
    assert [(limits.resources, limits.matmul_flops_per_second) for limits in found] == [(ONE, 1e9), (TWO, 1e9)]
    assert workers.probed == ["jax-jit", "autograd"]


def test_what_is_known_is_not_measured_again():
    alive = entrant("numpy")
    assert machine_limits.measure(Workers(up=[alive]), [alive], [Limits(ONE, "float32", 1.0, 1.0)]) == []


def test_for_backends_from_outside_alone_a_numpy_of_its_own_is_asked_for_each_number_of_threads():
    """Its environment says how many threads it has."""
    outside = [entrant("package.module:factory", resources) for resources in (ONE, TWO)]
    workers = Workers(up=outside)
    machine_limits.measure(workers, outside, [])
    assert workers.probed == ["numpy", "numpy"]
    assert [e.resources for e in workers.started] == [ONE, TWO]


def test_on_a_device_nobody_stands_in():
    outside = entrant("package.module:factory", GPU)
    assert machine_limits.measure(Workers(up=[outside]), [outside], []) == []


@pytest.mark.parametrize("fails", ["load", "probe"])
def test_a_limit_that_cannot_be_measured_is_left_out(fails: str):
    outside = entrant("package.module:factory")
    assert machine_limits.measure(Workers(up=[outside], fails=fails), [outside], []) == []


def test_a_limit_that_cannot_be_measured_costs_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """4 TiB for the matrices of the probe: no machine has them."""
    monkeypatch.setitem(DEVICES, "cpu", replace(DEVICES["cpu"], probe=Probe(side=2**20, copied_bytes=2**22)))
    with without_processes():
        record = raced(tmp_path, operations=["train"])
    assert [(cell.outcome.status, len(cell.samples)) for cell in record.cells] == [("ok", 1)] * 2
    assert record.limits == []
