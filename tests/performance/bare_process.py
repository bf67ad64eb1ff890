"""Find which allocator's workers are nearer to a process that a user would start: in turns, the same loop in all three.

`python -m tests.performance.bare_process FILE`, for the developers; some ten minutes.  A bare process knows of this suite only
the backend's loop: no worker, no variable of the environment but those that limit threads.  FILE gets every sample.
"""

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from bench import statistics
from bench.plan.new_record import commit
from bench.records import host
from bench.records.schema import Entrant, Samples
from bench.resources import Resources
from bench.workers import cores, problem_files
from bench.workers.environment import ROOT, layout
from bench.workers.process import Process
from bench.workers.worker import FEW_STEPS, FEW_STEPS_SECONDS
from bench.workloads import pose

NAMES = ("numpy", "autograd", "torch-eager", "torch-eager-by-hand")
PROBLEMS = ("factorisation/1000x100r10", "factorisation/2000x1000r32", "mlp/1000x400-128-10")
GENERATIONS, ROUNDS, DEADLINE = 8, 6, 600
WARM_UP_SECONDS = 0.02


class Bare:
    """A process as a user would start it, which answers each line with the nanoseconds of one timed call of `train`."""

    def __init__(self, name: str, problem_name: str, folder: str, core: list[int]) -> None:
        problem = pose(problem_name)
        path = Path(folder) / "problem.npz"
        np.savez(path, **problem.params, **problem.batch)
        given = [
            name,
            problem.workload,
            str(problem.learning_rate),
            str(problem.timed_steps),
            str(problem.flops),
            str(path),
        ]
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD, ",".join(problem.params), ",".join(map(str, core)), *given],
            env=kept | one_thread | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.turn()

    def turn(self) -> int:
        self._process.stdin.write("turn\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


CHILD = f"""
import os, sys, time
from types import SimpleNamespace
import numpy as np
import backends
keys, cores, name, workload, rate, steps, flops, path = sys.argv[1:]
os.sched_setaffinity(0, list(map(int, cores.split(","))))
arrays = dict(np.load(path))
params = {{key: arrays.pop(key) for key in keys.split(",")}}
problem = SimpleNamespace(workload=workload, params=params, batch=arrays, learning_rate=float(rate), dtype="float32", flops=float(flops))
backend = backends.load(name)
train = backend.trainer(problem, int(steps))
start, batch = backend.put(params), backend.put(arrays)
for _ in sys.stdin:
    began, done = time.monotonic(), 0
    while (spent := time.monotonic() - began) < {WARM_UP_SECONDS} or (done < {FEW_STEPS} and spent < {FEW_STEPS_SECONDS}):
        backend.wait(train(start, batch))
        done += int(steps)
    began = time.perf_counter_ns()
    backend.wait(train(start, batch))
    print(time.perf_counter_ns() - began, flush=True)
"""


class Worker:
    """A worker of the suite, by one allocator."""

    def __init__(
        self, name: str, problem_name: str, allocator: str, folder: str, generation: int, core: list[int]
    ) -> None:
        entrant = Entrant(name, name, Resources(), "float32", allocator)
        self._process = Process(entrant, core, Path(folder), layout(0, generation))
        problem, path = pose(problem_name), Path(folder) / allocator
        problem_files.write(problem, path)
        room_for = 3 if allocator == "kept" else 0
        worker = self._process.ask(DEADLINE)
        worker.pin(core)
        worker.load(name, Resources(), "float32")
        worker.prepare(str(path), ["train"])
        worker.begin(problem.bytes_moved, room_for, WARM_UP_SECONDS)
        self._seed = 0

    def turn(self) -> int:
        self._seed += 1
        return self._process.ask(DEADLINE).turn({"train": 1}, {"train": 1}, self._seed)["train"][0].nanoseconds

    def end(self) -> None:
        self._process.end()


def generation(name: str, problem: str, number: int, core: list[int], found: dict) -> None:
    """Add one generation's samples: three fresh processes take turns."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ended:
        racing = {"bare": Bare(name, problem, folder, core)}
        ended.callback(racing["bare"].end)
        for allocator in ("default", "kept"):
            racing[allocator] = Worker(name, problem, allocator, folder, number, core)
            ended.callback(racing[allocator].end)
        taken: dict[str, list[int]] = {kind: [] for kind in racing}
        rng = np.random.default_rng(number)
        for _ in range(ROUNDS // 2):
            order = list(rng.permutation(list(racing)))
            for kind in order + order[::-1]:
                taken[kind].append(racing[kind].turn())
        for kind, nanoseconds in taken.items():
            found.setdefault(kind, []).append(Samples(number, "train", 1, nanoseconds))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.performance.bare_process", description=__doc__)
    parser.add_argument("file", type=argparse.FileType("w"), help="where every sample goes, as JSON")
    file = parser.parse_args().file
    usable, raced = cores.usable_cores(), []
    chosen = cores.choose(usable)
    with file, cores.reserved(usable), cores.pinned(chosen.harness, all_threads=True):
        for name, problem in itertools.product(NAMES, PROBLEMS):
            found: dict[str, list[Samples]] = {}
            for number in range(GENERATIONS):
                generation(name, problem, number, chosen.racing, found)
            ratios = {kind: statistics.ratio(found[kind], found["bare"]) for kind in ("default", "kept")}
            said = ", ".join(
                f"{kind} / bare {r.value:.3f} [{r.low:.3f}, {r.high:.3f}]" for kind, r in ratios.items() if r
            )
            print(f"{name:20} {problem:28} {said}", flush=True)
            samples = {kind: [s.nanoseconds for s in of] for kind, of in found.items()}
            raced.append({"backend": name, "problem": problem, "nanoseconds": samples})
        about = {"host": msgspec.to_builtins(host.describe()), "commit": commit()}
        json.dump(about | {"raced": raced}, file)


if __name__ == "__main__":
    main()
