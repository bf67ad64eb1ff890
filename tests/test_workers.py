"""A worker is one backend on one thread of one core, still between its turns; who breaks a rule is caught."""

import gc
import os
import re
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import backends
from bench import session
from bench.devices import cpu
from bench.plan import new_record
from bench.plan.selection import Choice
from bench.race import machine_limits
from bench.records.schema import Entrant, Record
from bench.report import trust
from bench.report.findings import all_findings
from bench.workers import messages, process
from bench.workers.cpu_accounting import Meter
from bench.workers.pool import Workers
from bench.workers.process import Layout, Process
from bench.workers.worker import Worker, answer, starts
from bench.workloads import pose
from tests.running import ROOT

IRIS = "factorisation/iris"


def raced(folder: Path, *backends: str, generations: int = 1) -> Record:
    """A real race, training on Iris alone."""
    choice = Choice(backends, [IRIS], ["cpu"], operations=["train"], pace="quick", generations=generations)
    return session.run(choice, folder, lambda line: None)


def outsider(name: str) -> str:
    return f"tests.outsiders:{name}"


# What a worker's process is like.


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """By a worker in an environment that asks for seven threads of everything, and for g++ to be tried."""
    cores = process.usable_cores()[-1:]
    wanted = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"), "7")
    wanted |= {"OMP_WAIT_POLICY": "ACTIVE", "TORCHINDUCTOR_VEC_ISA_OK": "0"}
    entrant = Entrant(label="telltale", backend=outsider("Telltale"), device="cpu", dtype="float32")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in wanted.items():
            patch.setenv(name, value)
        worker = Process(entrant, cores, tmp_path_factory.mktemp("cache"))
    try:
        yield worker.ask(messages.Load(entrant.backend, "cpu", "float32"), 60).versions | {"asked for": str(cores)}
    finally:
        worker.end()


def test_the_environment_is_fixed_before_anything_is_imported(told: dict[str, str]):
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC", "PJRT_NPROC"):
        assert told[variable] == "1"
    assert told["OMP_WAIT_POLICY"] == "PASSIVE"
    assert told["JAX_PLATFORMS"] == "cpu"
    assert told["CUDA_VISIBLE_DEVICES"] == ""
    assert told["g++ takes torch's vector library"] == "True"


@pytest.mark.parametrize("library", ["NumPy", "torch", "XLA"])
def test_each_library_has_one_thread_to_compute_with(told: dict[str, str], library: str):
    assert told[f"threads of {library}"] == "1"


@pytest.mark.alone
def test_every_thread_of_a_worker_is_pinned_to_the_core_asked_for(told: dict[str, str]):
    assert told["cores of every thread"] == told["asked for"]


def test_a_worker_has_the_root_on_its_path_and_not_the_folder_of_backends(told: dict[str, str]):
    entries = [Path(entry or ".").resolve() for entry in told["path"].split(os.pathsep)]
    assert ROOT in entries
    assert ROOT / "backends" not in entries


def test_what_jax_compiles_is_kept_for_the_next_generation(tmp_path: Path):
    entrant = Entrant(label="jax-jit", backend="jax-jit", device="cpu", dtype="float32")

    def kept_by_another() -> dict[Path, int]:
        worker = Process(entrant, process.usable_cores()[-1:], tmp_path)
        try:
            worker.ask(messages.Load("jax-jit", "cpu", "float32"), 120)
            worker.ask(messages.Prepare(pose("factorisation/12x8r2"), ["train"]), 120)
        finally:
            worker.end()
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*-cache")}

    cold = kept_by_another()
    assert cold
    assert kept_by_another() == cold


def test_arrays_lie_elsewhere_in_workers_of_another_place_of_the_heap_and_mostly_alike_in_those_of_one(tmp_path: Path):
    """Mostly: now and then what a process reads of itself is longer, and what is allocated then lies elsewhere."""
    entrant = Entrant(label="placed", backend=outsider("Placed"), device="cpu", dtype="float32")

    def places(heap_place: int) -> tuple[str, ...]:
        worker = Process(entrant, [], tmp_path, Layout(heap_place))
        try:
            told = worker.ask(messages.Load(entrant.backend, "cpu", "float32"), 60).versions
            return told["place of 600"], told[f"place of {2**21}"]
        finally:
            worker.end()

    for small_or_large in zip(*(places(heap_place) for heap_place in range(6)), strict=True):
        assert len(set(small_or_large)) > 3
    assert len({places(7) for _ in range(6)}) <= 3


def test_all_workers_of_a_generation_have_one_layout_and_those_of_another_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    given: list[Layout] = []

    def told(*about: Any) -> Process:
        given.append(about[-1])
        return Process(*about)

    monkeypatch.setattr("bench.workers.pool.Process", told)
    record = raced(tmp_path, "numpy", "numpy-inplace", generations=2)
    first, second = (process.layout(record.settings.seed, generation=g) for g in range(2))
    assert given == [first] * 3 + [second] * 3
    layouts = [process.layout(seed=0, generation=g) for g in range(10)]
    assert len({layout.heap_place % 4 for layout in layouts}) > 1, "of 64 bytes"
    assert len({layout.hash_seed for layout in layouts}) == 10
    assert len({sum(map(len, layout.environment().values())) for layout in layouts}) == 1


@pytest.mark.parametrize("allocator", ["default", "kept"])
def test_the_environment_and_the_arguments_of_all_workers_have_one_length(tmp_path: Path, allocator: str):
    """Their size moves what lies on the stack: the tenth entrant's was one longer than the ninth's."""
    backends = ["numpy"] * 5 + ["jax-jit"] * 8
    entrants = [Entrant(str(i), b, "cpu", "float32", allocator=allocator) for i, b in enumerate(backends)]
    workers = Workers(SimpleNamespace(entrants=entrants, settings=SimpleNamespace(core=None, seed=3)), tmp_path, 60)
    try:
        for entrant in entrants:
            workers.start(entrant)
        alive = [psutil.Process(workers.of(entrant)._process.pid) for entrant in entrants]
        for _ in range(100):  # until the kernel has loaded the programs
            if all(p.environ() for p in alive):
                break
            time.sleep(0.05)
        sizes = {sum(len(k) + len(v) for k, v in p.environ().items()) for p in alive}
        assert len(sizes) == 1
        assert len({sum(map(len, p.cmdline())) for p in alive}) == 1
    finally:
        workers.end()


def test_both_allocators_have_environments_of_one_length():
    lengths = {sum(len(k) + len(v) for k, v in of.items()) for of in process.ALLOCATORS.values()}
    assert len(lengths) == 1


def test_the_cores_that_workers_start_on_are_in_another_order_in_another_generation(tmp_path: Path):
    workers = Workers(SimpleNamespace(entrants=[], settings=SimpleNamespace(core=None, seed=3)), tmp_path, 60)
    workers.cores = cpu.Cores([7], [[core] for core in range(8)], [0])
    orders = []
    for generation in range(6):
        workers.begin(generation)
        orders.append(workers._starting_cores)
        assert sorted(workers._starting_cores) == workers.cores.preparing
    assert len({str(order) for order in orders}) > 3


FAULTS_OF_A_DOZEN_ARRAYS = """
import resource
from bench.workers.cpu_accounting import give_room
from bench.workloads import pose
give_room(pose("factorisation/2000x1000r32").bytes_moved, 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
arrays = [bytearray(8_000_000) for _ in range(12)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_heap_that_grows_in_a_race_finds_pages_that_were_touched_before(tmp_path: Path):
    entrant = Entrant(label="numpy", backend="numpy", device="cpu", dtype="float32", allocator="kept")
    environment = os.environ | process._environment(entrant, tmp_path)
    command = [sys.executable, "-c", FAULTS_OF_A_DOZEN_ARRAYS]
    faults = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert int(faults) < 100  # of 23437 pages


def test_garbage_is_collected_before_the_untimed_calls_and_not_after_them_and_a_short_call_is_warmed_by_many():
    """Collecting drives a call's data out of the caches, and took 65 ms between the two calls of torch-eager."""
    worker, problem, log = Worker(), pose(IRIS), []
    worker.load(messages.Load("numpy", "cpu", "float32"))
    worker.prepare(messages.Prepare(problem, ["loss"]))
    worker.begin(messages.Begin(step_bytes=0, room_for=0, warm_up_seconds=0.01))
    worker.operations["loss"] = lambda params, batch, loss=worker.operations["loss"]: (
        log.append("call") or loss(params, batch)
    )
    left_for_the_collector = len(gc.get_objects())
    gc.callbacks.append(lambda phase, info: log.append(phase))
    try:
        worker.turn(messages.Turn({"loss": 2}, seed=0))
    finally:
        gc.callbacks.pop()
        gc.unfreeze()
    assert log[:2] == ["start", "stop"]
    assert log[2:] == ["call"] * (len(log) - 2)
    assert len(log) - 2 > 10
    assert left_for_the_collector < 1000


def test_a_large_problem_has_the_room_of_what_the_one_before_left(monkeypatch: pytest.MonkeyPatch):
    class Left:
        """In a cycle, as a closure that knows itself."""

        def __init__(self):
            self.own = self

    work, left = Worker(), Left()
    work.load(messages.Load("numpy", "cpu", "float32"))
    work.prepare(messages.Prepare(pose(IRIS), ["train"]))
    gone = weakref.ref(left)
    del left
    try:
        work.prepare(messages.Prepare(pose(IRIS), ["train"]))
        assert gone() is not None, "what was alive stays alive, or this could not fail"
        monkeypatch.setattr("bench.workers.worker.LARGE", 0)
        work.prepare(messages.Prepare(pose(IRIS), ["train"]))
        assert gone() is None
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    "asked_for, milliseconds, calls",
    [(0.1, 2, 50), (0.1, 60, 2), (0.02, 2, 10), (0.02, 10, 4), (0.02, 20, 3), (0.02, 200, 1)],
)
def test_a_turn_begins_with_untimed_calls_for_the_seconds_asked_for_and_four_where_they_fit(
    asked_for: float, milliseconds: int, calls: int, monkeypatch: pytest.MonkeyPatch
):
    """By a clock that only calls move; every operation of a turn begins so."""
    worker, log = Worker(), []
    worker.load(messages.Load("numpy", "cpu", "float32"))
    worker.prepare(messages.Prepare(pose(IRIS), ["loss", "value_and_grad"]))
    worker.begin(messages.Begin(step_bytes=0, room_for=0, warm_up_seconds=asked_for))
    for name in ("loss", "value_and_grad"):
        worker.operations[name] = lambda *given, name=name, right=worker.operations[name]: (
            log.append(name) or right(*given)
        )
    monkeypatch.setattr("bench.workers.worker.time.monotonic", lambda: len(log) * milliseconds / 1000)
    worker.turn(messages.Turn({"loss": 1, "value_and_grad": 1}, seed=0))
    assert log == ["loss"] * (calls + 1) + ["value_and_grad"] * (calls + 1)


def test_an_eager_torch_never_loads_the_compiler():
    """A race that imports it in its first turn collects its hundred thousand objects in every other."""
    code = f"""
import sys
from bench import messages
from bench.workers.worker import Worker
from bench.workloads import pose
worker = Worker()
worker.load(messages.Load("torch-eager", "cpu", "float32"))
worker.prepare(messages.Prepare(pose("{IRIS}"), ["train"]))
worker.begin(messages.Begin(step_bytes=0, room_for=0, warm_up_seconds=0))
worker.turn(messages.Turn({{"train": 1}}, seed=0))
print("torch._dynamo" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "False"


@pytest.mark.alone
def test_every_mode_keeps_one_thread_busy_on_one_thread(tmp_path: Path):
    names = [name for name, mode in backends.MODES.items() if "cpu" in mode.devices]
    record = raced(tmp_path, *names)
    assert {e.label: e.busy_threads for e in record.entrants} == {e.label: [1] for e in record.entrants}


@pytest.mark.alone
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_each_core_has_one_entrant_at_a_time_getting_ready_on_it_and_the_gpu_too(tmp_path: Path, device: str):
    record, (problem,) = new_record.new(Choice(["numpy"], [IRIS], ["cpu"], operations=["train"]))
    workers, running, seen = Workers(record, tmp_path, 60), [], []
    entrants = [Entrant(label=f"{i}", backend="numpy", device=device, dtype="float32") for i in range(3)]
    record.entrants += entrants
    record.lay_out()

    def work(entrant: Entrant) -> str:
        cores = workers.ask(entrant, messages.Load(outsider("Placed"), "cpu", "float32")).versions["cores"]
        running.append(cores)
        time.sleep(0.4)
        seen.append(sorted(running))
        running.remove(cores)
        return entrant.label

    try:
        for entrant in entrants:
            workers.start(entrant)
        assert workers.each(entrants, problem, work) == [(e, e.label) for e in entrants]
    finally:
        workers.end()
    assert all(len(set(cores)) == len(cores) for cores in seen)
    most = 1 if device == "cuda" else min(len(workers.cores.preparing), len(entrants))
    assert max(map(len, seen)) == most
    if device == "cuda":
        assert {cores for running in seen for cores in running} == {str(workers.all_cores)}
    else:
        assert {cores for running in seen for cores in running} <= {str(place) for place in workers.cores.preparing}


def test_pinning_is_no_part_of_what_a_problem_may_take(tmp_path: Path):
    entrant = Entrant(label="numpy", backend="numpy", device="cpu", dtype="float32")
    worker = Process(entrant, [], tmp_path)
    try:
        worker.ask(messages.Load("numpy", "cpu", "float32"), 60)
        worker._spent = 60
        worker.ask(messages.Pin([]), 60)
        assert worker._spent == 60
        worker._process.send_signal(signal.SIGSTOP)  # or its answer may be there before the deadline is looked at
        with pytest.raises(process.Failed, match="timed out"):
            worker.ask(messages.Tally(), 60)
    finally:
        worker.end()


@pytest.mark.parametrize("name", [IRIS, "mlp/iris"])
def test_a_timed_start_is_laid_out_in_memory_as_the_start_that_was_judged(name: str):
    problem = pose(name)
    for start in starts(problem, 0, 3):
        assert {key: (p.dtype, p.shape, p.strides) for key, p in start.items()} == {
            key: (p.dtype, p.shape, p.strides) for key, p in problem.params.items()
        }


@pytest.mark.parametrize("then", ["exit()", "input()"], ids=["is gone", "lives on"])
def test_what_a_child_computes_counts_whether_it_is_gone_or_lives_on(then: str):
    burn = f"import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\n{then}"
    usage = Meter()
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        with usage.measured():
            assert child.stdout.readline() == b"done\n"
            if then == "exit()":
                child.wait()
        child.stdin.close()
    assert usage.cpu > 0.2


def test_what_a_living_child_computes_is_known_to_less_than_a_tick_of_the_kernel():
    """Ten turns of 2 ms, told in ticks of 10 ms, were taken for 1.11 cores."""
    burn = "import time\nwhile input():\n    end = time.process_time() + 0.003\n    while time.process_time() < end: pass\n    print(flush=True)"
    usage = Meter()
    with subprocess.Popen([sys.executable, "-uc", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:

        def burnt() -> float:
            before = usage.cpu
            with usage.measured():
                child.stdin.write(b"more\n")
                child.stdin.flush()
                child.stdout.readline()
            return usage.cpu - before

        burnt()  # has its start-up in it
        assert all(0.003 < burnt() < 0.009 for _ in range(5))
        child.communicate(b"\n")


# What a race makes of it.


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Honest backends of every library, and some that keep their answers."""
    wrong = ("Keeper", "KeeperByBatch", "KeeperByLoss", "KeeperByArguments", "KeeperByNearness")
    return raced(tmp_path_factory.mktemp("results"), "numpy", "torch-eager", "jax-jit", *map(outsider, wrong))


HONEST = ("numpy", "torch-eager", "jax-jit", "control")


@pytest.mark.parametrize("label", HONEST)
def test_an_honest_worker_uses_one_core_in_its_turns_and_none_between(record: Record, label: str):
    entrant, cell = record.entrant(label, "float32"), record.cell(label, IRIS, "float32")
    assert cell.outcome.status == "ok", cell.outcome.reason
    assert cell.samples
    assert 0.2 < cell.cores_used[0] < 1.1
    assert entrant.idle_cpu_share[0] < trust.IDLE_CPU_SHARE
    assert entrant.busy_threads[0] == 1
    assert (entrant.threads, entrant.core) == (1, process.usable_cores()[-1])


@pytest.mark.parametrize(
    ("name", "reason"),
    [("Keeper", "trajectory"), ("KeeperByBatch", "trajectory"), ("KeeperByLoss", "a timed call of train")],
)
def test_who_keeps_an_answer_is_caught_and_leaves_no_timing(record: Record, name: str, reason: str):
    cell = record.cell(outsider(name), IRIS, "float32")
    assert cell.outcome.status == "disagrees"
    assert reason in cell.outcome.reason
    assert cell.samples == []


@pytest.mark.parametrize("name", ["KeeperByArguments", "KeeperByNearness"])
def test_an_answer_kept_for_the_same_arguments_or_near_ones_is_never_asked_for_in_a_turn(record: Record, name: str):
    """Every timed start is new, to the untimed call before it too, and far from all that were before."""
    cell = record.cell(outsider(name), IRIS, "float32")
    assert (cell.outcome.status, cell.compilations) == ("ok", 0), cell.outcome.reason


def test_a_limit_that_cannot_be_measured_costs_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """4 TiB for the matrices of the probe: no machine here has them."""
    monkeypatch.setitem(machine_limits.PROBES, "cpu", messages.Probe(side=2**20, copied_bytes=2**27))
    record = raced(tmp_path, "numpy")
    assert [cell.outcome.status for cell in record.cells] == ["ok", "ok"]
    assert all(cell.samples for cell in record.cells)
    assert [limit.matmul_flops_per_second for limit in record.limits] == [{}]


def test_one_core_is_enough_and_who_computes_out_of_turn_is_refused(tmp_path: Path):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        record = raced(tmp_path, "numpy", outsider("Restless"))
    finally:
        os.sched_setaffinity(0, before)
    words = {cell.entrant: cell.outcome.status for cell in record.cells}
    assert words == {"numpy": "ok", "control": "ok", outsider("Restless"): "failed"}
    reason = record.cell(outsider("Restless"), IRIS, "float32").outcome.reason
    assert re.match(r"computed for \d+ % of the time in which others had their turn|used \d", reason)
    assert {e.core for e in record.entrants} == {min(before)}
    assert record.entrant(outsider("Restless"), "float32").idle_cpu_share[0] > 0.2
    (busy,) = [line for line in warnings(record) if "busy while others had their turn" in line]
    assert outsider("Restless") in busy


def test_a_worker_that_cannot_be_pinned_runs_unpinned_and_a_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(pid: int, cores: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    record = raced(tmp_path, "numpy")
    assert [cell.outcome.status for cell in record.cells] == ["ok", "ok"]
    assert all(cell.samples for cell in record.cells)
    assert {e.core for e in record.entrants} == {None}
    assert any("not pinned to a core, so noisier: numpy and control." in line for line in warnings(record))


def warnings(record: Record) -> list[str]:
    return trust.warnings(record, all_findings(record))


def test_a_version_may_be_a_kind_of_string_of_its_own():
    given = answer(Worker().load, messages.Load(outsider("OfAVersion"), "cpu", "float32"))
    assert messages.unpack_answer(given).versions == {"torch": "2.13.0+cpu"}


def test_the_blas_that_is_named_is_numpys_own_and_not_scipys():
    code = "import bench.calibrate, backends; print(backends.load('numpy').versions)"
    alone = "import backends; print(backends.load('numpy').versions)"
    found = [subprocess.run([sys.executable, "-c", c], cwd=ROOT, capture_output=True, text=True) for c in (code, alone)]
    assert found[0].stdout == found[1].stdout != ""


def test_running_out_of_memory_is_told_though_another_error_was_raised_over_it():
    """As by ending the capture of a CUDA graph."""

    def capture(ask: messages.Pilot) -> None:
        try:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    told = messages.unpack_answer(answer(capture, messages.Pilot(["train"])))
    assert told.status == "out of memory"
