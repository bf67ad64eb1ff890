"""A made-up record that looks like a real one: every number from a formula and a seeded generator, nothing timed."""

import re
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from backends import MODES
from bench.operations import OPERATIONS
from bench.records.schema import (
    Cell,
    Check,
    Entrant,
    FirstCall,
    Host,
    HostState,
    LabReport,
    Limits,
    Outcome,
    ProblemFacts,
    Record,
    Run,
    Samples,
    Settings,
)
from bench.resources import Resources
from bench.workloads import DEFAULT_PROBLEMS

OVERHEAD = {
    "numpy": 7e-6,
    "numpy-inplace": 5e-6,
    "autograd": 60e-6,
    "torch-eager": 100e-6,
    "torch-eager-by-hand": 45e-6,
}
OVERHEAD |= {"torch-compile": 38e-6, "torch-compile-by-hand": 36e-6, "torch-scan": 6.5e-6, "torch-scan-by-hand": 6.4e-6}
OVERHEAD |= {"jax-jit": 10e-6, "jax-jit-by-hand": 10e-6, "jax-scan": 3.6e-6, "jax-scan-by-hand": 3.6e-6}
"""Seconds a step before any arithmetic."""
FIRST_CALL = {"torch-compile": 5.0, "torch-scan": 4.6, "jax-jit": 0.25, "jax-scan": 0.3}
GATES = {
    "loss": 3e-7,
    "gradient at the start, by norm": 4e-7,
    "trajectory": 2e-6,
    "trained params": 3e-6,
    "end state": 1e-6,
}
# Names that mean harm: to a table, a terminal, a browser, a path, a formula.
HOSTILE = [
    "pipe|pipe|pipe",
    "line\nbreak\r\x1b[31mred\x07",
    "abc\u202egnp.exe",
    "\u05d0\u05d1|1 us",
    "x" * 5000,
    "**bold** `code` <script>alert(1)</script>",
    "[click](http://example.org) ![i](http://example.org/i.png)",
    "$\\frac{1}{2$ ~~gone~~",
    "\u6f22\u5b57\u0301\u200b",
    "3.10",
    "../../etc/x:y",
]
RACED = tuple(name for name, mode in MODES.items() if "cpu" in mode.devices and not mode.on_request)
LABELS = [kind for kind in range(3) for _ in range(50)]


def sample_record(
    backends: Sequence[str] = RACED,
    problems: Sequence[str] = tuple(DEFAULT_PROBLEMS),
    generations: int = 8,
    rounds: int = 10,
    noise: float = 0.012,
    slower: Mapping[str, float] | None = None,
    control: bool = True,
    dtype: str = "float32",
    seed: int = 0,
) -> Record:
    """`slower` multiplies the times of the backends it names; with `noise` 0 every time is its formula's."""
    rng = np.random.default_rng(seed)
    record = Record(
        id=f"2024-03-0{seed + 1}T120000Z",
        started=f"2024-03-0{seed + 1}T12:00:00+00:00",
        finished=f"2024-03-0{seed + 1}T12:20:00+00:00",
        status="complete",
        command="pytest bench/ --benchmark-only",
        commit="0123abc",
        host=Host(cpu="Sample CPU @ 2.60GHz", cores=2, memory_bytes=8 * 2**30, system="Linux 6.1", python="3.11.9"),
        settings=_settings(backends, problems, generations, rounds, dtype),
        entrants=[_entrant(b, dtype, generations, rng) for b in backends],
        problems=[_facts(p, dtype) for p in problems],
        limits=[Limits(Resources(), dtype, matmul_flops_per_second=9e10, copy_bytes_per_second=1.2e10)],
        host_states=[
            HostState(generation=g, seconds=90.0, load=1.1, steal_share=0.001, megahertz=[2590.0, 2610.0])
            for g in range(generations)
        ],
        lab=_lab(rng) if "factorisation/iris" in problems else None,
    )
    if control and backends:
        record.entrants.append(_entrant(backends[0], dtype, generations, rng, label="control"))
    for problem in problems:
        for entrant in record.entrants:
            record.cells.append(
                _cell(
                    record, entrant, problem, generations, rounds, noise, (slower or {}).get(entrant.backend, 1.0), rng
                )
            )
    return record


def fail(record: Record, entrant: str, word: str, reason: str = "") -> Record:
    """`record`, with every cell of `entrant` empty, for this reason; one that is unsteady keeps what it has."""
    for cell in record.cells:
        if cell.entrant == entrant:
            cell.outcome = Outcome(status=word, reason=reason)
            if word != "unsteady":
                cell.samples, cell.runs, cell.losses, cell.first_calls = [], [], [], []
    return record


def hostile() -> Record:
    """Return a record that holds every hostile name wherever somebody may write one; its backends keep theirs."""
    names = [f"factorisation/{i}x4r2" for i in range(10, 10 + len(HOSTILE))]
    record = sample_record(
        ("numpy", "torch-eager", "torch-eager-by-hand", "own.module:make"), names, rounds=2, generations=3
    )
    renamed = {name: f"{bad}/{bad}" for name, bad in zip(names, HOSTILE, strict=True)}
    for cell in record.cells:
        cell.problem = renamed[cell.problem]
    for facts in record.problems:
        facts.name = renamed[facts.name]
    record.id, record.commit, record.command, record.host.cpu = HOSTILE[5], HOSTILE[4], HOSTILE[0], HOSTILE[1]
    record.warnings, record.environment = [HOSTILE[6]], {HOSTILE[7]: HOSTILE[2]}
    for cell, bad in zip([c for c in record.cells if c.entrant == "own.module:make"], HOSTILE, strict=False):
        cell.outcome, cell.samples = Outcome(status="crashed", reason=bad), []
    record.entrants[3].last_output = "\n".join(HOSTILE)
    wrong = record.cells[-1]
    wrong.outcome, wrong.samples = Outcome(status="disagrees", reason=HOSTILE[5]), []
    wrong.checks[0] = msgspec.structs.replace(wrong.checks[0], passed=False, error=None, what=HOSTILE[6])
    return record


def on_threads(record: Record, threads: int, gain: float, noise: float = 0.0) -> Record:
    """Return `record` with every entrant but the control once more on more threads, `gain` times as fast."""
    rng, resources = np.random.default_rng(threads), Resources(threads=threads)
    fewest = record.entrants[0].resources.threads
    for entrant in [e for e in record.entrants if not e.control and e.resources.threads == fewest]:
        label = f"{entrant.label}@{resources.label}"
        record.entrants.append(msgspec.structs.replace(entrant, label=label, resources=resources))
        for cell in [c for c in record.cells if c.entrant == entrant.label]:
            factors = [float(np.exp(noise * rng.standard_normal())) / gain for _ in cell.samples]
            samples = [
                msgspec.structs.replace(s, nanoseconds=[max(1, round(x * factor)) for x in s.nanoseconds])
                for s, factor in zip(cell.samples, factors, strict=True)
            ]
            record.cells.append(msgspec.structs.replace(cell, entrant=label, samples=samples))
    record.limits.append(Limits(resources, record.entrants[0].dtype, 1.6e11, 2e10))
    return record


def step_seconds(backend: str, problem: str, dtype: str = "float32") -> float:
    """The formula: overhead + flops / rate, the rate better where the whole step is one program."""
    rate = 4.5e10 if backend.startswith(("torch-eager", "numpy")) else 5e10
    return OVERHEAD.get(backend, 2e-5) + _facts(problem, dtype).flops / rate


def _settings(backends: Sequence[str], problems: Sequence[str], generations: int, rounds: int, dtype: str) -> Settings:
    return Settings(
        generations=generations,
        rounds=rounds,
        warm_up_seconds=0.02,
        seed=0,
        operations={problem: list(OPERATIONS) for problem in problems},
        problems=list(problems),
        backends=list(backends),
        resources=[Resources()],
        dtypes=[dtype],
        allocators=["default"],
    )


def _entrant(backend: str, dtype: str, generations: int, rng: np.random.Generator, label: str = "") -> Entrant:
    library = backend.partition("-")[0]
    version = {"numpy": "2.4.6", "torch": "2.13.0+cpu", "jax": "0.10.2"}.get(library, "1.0")
    return Entrant(
        label=label or backend,
        backend=backend,
        resources=Resources(),
        dtype=dtype,
        control=bool(label),
        mode=MODES[backend].mode if backend in MODES else "eager",
        versions={library: version},
        cores=[1],
        busy_threads=[1] * generations,
        idle_cpu_share=[0.0] * generations,
        import_seconds=[float(x) for x in rng.uniform(0.1, 0.2, generations) * (20 if library == "torch" else 5)]
        or [0.1],
        outcome=Outcome(status="ok"),
    )


def _facts(problem: str, dtype: str) -> ProblemFacts:
    sizes = {
        "factorisation/iris": (150, 4, 2),
        "factorisation/digits": (1797, 64, 16),
        "mlp/iris": (100, 4, 12, 3),
        "mlp/digits": (1200, 64, 64, 10),
    }
    counts = sizes.get(problem) or tuple(map(int, re.findall(r"\d+", problem)))
    if problem.startswith("factorisation"):
        m, n, rank = counts
        flops, moved = 6.0 * m * n * rank, 4.0 * (m * n + 2 * rank * (m + n))
    else:
        n, d, hidden, classes = counts
        flops, moved = 2.0 * n * hidden * (2 * d + 3 * classes), 4.0 * (n * d + 2 * hidden * (d + classes + 1))
    timed = int(min(100, max(2, 2e9 // (flops + 1e6))))
    return ProblemFacts(
        name=problem,
        dtype=dtype,
        seed=0,
        checksum=f"digest of {problem}",
        shapes={"A": [counts[0], counts[1]]},
        learning_rate=0.01,
        num_steps=timed * 3,
        timed_steps=timed,
        flops=flops,
        bytes_moved=moved,
        lower_bound=15.228833 if problem == "factorisation/iris" else None,
        reference={"last_loss": 15.3},
    )


def _cell(
    record: Record,
    entrant: Entrant,
    problem: str,
    generations: int,
    rounds: int,
    noise: float,
    factor: float,
    rng: np.random.Generator,
) -> Cell:
    facts = record.facts(problem, entrant.dtype)
    step = step_seconds(entrant.backend, problem, entrant.dtype) * factor
    first = facts.timed_steps * step + FIRST_CALL.get(entrant.backend.removesuffix("-by-hand"), 0.0)
    return Cell(
        entrant=entrant.label,
        problem=problem,
        dtype=entrant.dtype,
        outcome=Outcome(status="ok"),
        checks=_gates(rng),
        runs=_runs(problem),
        losses=_losses(problem, facts.num_steps),
        first_calls=[
            FirstCall(
                generation=g, operation="train", seconds=first if g == 0 else 0.3 * first, cache="warm" if g else "cold"
            )
            for g in range(generations)
        ],
        samples=[s for g in range(generations) for s in _samples(entrant, facts, g, rounds, step, noise, rng)],
        cores_used=[1.0] * generations,
    )


def _samples(
    entrant: Entrant,
    facts: ProblemFacts,
    generation: int,
    rounds: int,
    step: float,
    noise: float,
    rng: np.random.Generator,
) -> list[Samples]:
    """Every process has a speed of its own, and every sample a little more; `train` alone for a whole descent."""
    found = []
    speed = np.exp(noise * rng.standard_normal())
    shares: dict[str, float] = {"loss": 1 / 3, "value_and_grad": 0.9, "train": float(facts.timed_steps)}
    for operation in OPERATIONS:
        if entrant.mode == "compiled loop" and operation != "train":
            continue
        nanoseconds = 1e9 * 10 * step * shares[operation] * speed * np.exp(noise / 2 * rng.standard_normal(rounds))
        found.append(
            Samples(
                generation=generation, operation=operation, calls=10, nanoseconds=[max(1, int(x)) for x in nanoseconds]
            )
        )
    return found


def _gates(rng: np.random.Generator) -> list[Check]:
    compared = [
        Check(
            name=gate,
            error=float(rng.uniform(0.05, 0.4)) * tolerance,
            tolerance=tolerance,
            passed=True,
            what="as the reference",
        )
        for gate, tolerance in GATES.items()
    ]
    return [Check(name="form", error=0.0, tolerance=0.0, passed=True, what="shapes and dtypes are right"), *compared]


def _runs(problem: str) -> list[Run]:
    if problem == "factorisation/iris":
        return [Run(seed=s, quality={"reconstruction_error": 15.228845 + 0.0003 * s}) for s in range(8)]
    if problem.startswith("mlp"):
        return [
            Run(seed=s, quality={"train_accuracy": 0.98 + 0.01 * (s % 2), "test_accuracy": 0.94 + 0.02 * (s % 3 == 0)})
            for s in range(8)
        ]
    return [Run(seed=0, quality={"reconstruction_error": 1272.5})]


def _losses(problem: str, num_steps: int) -> list[float]:
    bottom = 15.23 if problem == "factorisation/iris" else 2.0
    return [float(x) for x in bottom + 600 * np.exp(-np.arange(num_steps) / (num_steps / 12))]


def _lab(rng: np.random.Generator) -> LabReport:
    scores = np.stack([rng.normal([-2.6, 0.3, 2.1], 0.5, (50, 3)).T.ravel(), rng.normal(0, 0.4, 150)], axis=1)
    turn = np.array([[0.35, -0.2], [0.25, 0.5]])
    return LabReport(
        backend="torch-eager",
        labels=LABELS,
        pca_scores=scores.tolist(),
        learnt=(scores @ turn).tolist(),
        r_squared=0.999998,
        principal_angles_degrees=[0.002, 0.041],
        reconstruction_error=15.228851,
        svd_error=15.228833,
    )
