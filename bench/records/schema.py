"""Record: everything one run found out, in one strict JSON file that grows as races finish."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from bench.backend import CANNOT, UNSUPPORTED, Mode

SCHEMA = 3

Word = Annotated[
    str,
    Meta(
        pattern=r"\A(ok|pending|disagrees|diverged|crashed|timed out|out of memory|not installed|failed|starved|unsteady"
        rf"|skipped|interrupted|{CANNOT})\Z"
    ),
]
LEFT_OUT = (*UNSUPPORTED, "not installed", "skipped")
"""How the words of cells begin that were never meant to run here; every other cell without numbers failed."""
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
Nanoseconds = Annotated[int, Meta(gt=0, le=2**63 - 1)]
Allocator = Literal["default", "kept"]
Operation = Literal["loss", "value_and_grad", "train"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A part of the record; nothing unknown is read, nothing not finite is written."""


class Outcome(Strict):
    """One word for a cell, and the sentence behind it ('' for ok)."""

    word: Word = "pending"
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Not where the cell was never meant to run here."""
        return self.word != "ok" and not self.word.startswith(LEFT_OUT)


class Gate(Strict):
    """One check of agreement: passed when error <= tolerance; error None is not finite or no number."""

    name: str
    error: float | None
    tolerance: float
    passed: bool
    what: str
    """What was compared, and when it failed, how, in words."""


class FirstCall(Strict):
    generation: Count
    operation: Operation
    seconds: Positive
    cache: Literal["cold", "warm"]
    """Whether the run had compiled the same program before, with its on-disk caches kept."""


class Samples(Strict):
    """Timed turns of one generation, in the order of the rounds: 0 and 1 are there and back."""

    generation: Count
    operation: Operation
    calls: Annotated[int, Meta(ge=1)]
    """Calls in each sample; short calls are batched."""
    nanoseconds: list[Nanoseconds]
    """Wall clock of each sample, from inputs ready to outputs computed."""


class Run(Strict):
    """What training from one start came to, judged in float64."""

    seed: Count
    quality: dict[str, float]


class Cell(Strict):
    """One entrant on one problem."""

    entrant: str
    problem: str
    dtype: str
    outcome: Outcome = msgspec.field(default_factory=Outcome)
    gates: list[Gate] = []
    runs: list[Run] = []
    losses: list[float] = []
    """The loss before every step, from the start that is timed."""
    first_calls: list[FirstCall] = []
    samples: list[Samples] = []
    device_peak_bytes: list[Count] = []
    """The most that the library had allocated on the device, what lay there before included."""
    put_seconds: list[Positive] = []
    """Params and batch to the device, and the trained params back: the fastest of several, not in any timed call."""
    get_seconds: list[Positive] = []
    device_seconds: list[Positive] = []
    """One `train` among several that are waited for together; empty on the CPU."""
    cores_used: list[Share] = []
    """Per generation: CPU time over wall time during its calls.  Of much more than 1 the cell is refused; of much less than
    1 that generation's samples are left out."""
    compilations: Count = 0
    """Programs compiled inside timed turns; anything but 0 is refused."""

    @property
    def results(self) -> list[Samples]:
        """Its samples; none of a cell that is not ok, for wrong is not slow, and unsteady no speed."""
        return [s for s in self.samples if s.nanoseconds] if self.outcome.word == "ok" else []


class Entrant(Strict):
    """A backend as it entered the races: one process on one device in one dtype."""

    label: str
    """The backend's name, with the device where it is not the CPU, and with the allocator where it is the second one
    raced; `control` for the second copy."""
    backend: str
    device: str
    dtype: str
    allocator: Allocator = "default"
    """Whether its process gives freed memory back as glibc does by itself, or keeps it."""
    control: bool = False
    mode: Mode | Literal[""] = ""
    versions: dict[str, str] = {}
    threads: Count = 0
    core: int | None = None
    """The core it was pinned to; None when it could not be pinned."""
    busy_threads: list[Count] = []
    """Per race: threads that took more than a twentieth of its CPU time."""
    idle_cpu_share: list[Share] = []
    """Per race: CPU time over wall time while others had their turn."""
    import_seconds: list[Positive] = []
    outcome: Outcome = msgspec.field(default_factory=Outcome)
    last_output: str = ""
    """The end of what its process printed, kept when it failed."""

    @property
    def library(self) -> str:
        """`torch` of `torch-compile-by-hand`; the module of `package.module:factory`."""
        module, colon, _ = self.backend.partition(":")
        return module if colon else self.backend.partition("-")[0]


class ProblemFacts(Strict):
    name: str
    dtype: str
    seed: Count
    digest: str
    shapes: dict[str, list[int]]
    learning_rate: float
    num_steps: Count
    timed_steps: Count
    flops: Positive
    bytes_moved: Positive
    oracle: float | None = None
    reference: dict[str, float] = {}
    """What the float64 reference came to at the end of the descent."""

    @property
    def workload(self) -> str:
        return self.name.partition("/")[0]


class LabReport(Strict):
    """The two scatter plots of the report, and the numbers that say how alike they are."""

    backend: str
    labels: list[int]
    pca_scores: list[list[float]]
    learnt: list[list[float]]
    r_squared: float
    """Of the best linear map from U to the PCA scores."""
    principal_angles_degrees: list[float]
    reconstruction_error: float
    svd_error: float


class Race(Strict):
    """All entrants on one problem in one generation: what was done, enough to do it again."""

    generation: Count
    problem: str
    dtype: str
    seed: Count
    """Of the order of the turns, and of the nudges that make every start new."""
    rounds: dict[str, Count]
    """By operation."""
    calls: dict[str, dict[str, Count]]
    """By operation and entrant: the calls in a sample."""
    attempts: Count = 1
    """2 where an entrant got less than its core at first, so that the race was repeated."""
    starved: dict[str, Share] = {}
    """By entrant: CPU time over wall time in its calls, where that was too little at the last attempt, too."""
    cause: str = ""
    """What took the core, as far as that can be known."""


class Weather(Strict):
    """The machine during one race of a generation."""

    generation: Count
    seconds: Positive
    load: float
    steal_share: Share
    megahertz: list[float] = []
    """Slowest and fastest clock seen, of any core."""


class Gpu(Strict):
    name: str
    driver: str
    memory_bytes: Count
    readings: list[dict[str, float]] = []
    """Clocks (MHz), power (W) and temperature (C) after each race."""


class Machine(Strict):
    cpu: str
    cores: Count
    memory_bytes: Count
    system: str
    python: str
    gpu: Gpu | None = None


class Limits(Strict):
    """What the machine itself can do, measured in the same run, on one core or one GPU."""

    device: str
    matmul_flops_per_second: dict[str, Positive] = {}
    """By `<dtype> <library>`: of the product of two square matrices."""
    copy_bytes_per_second: Positive | None = None
    dispatch_seconds: dict[str, Positive] = {}
    """By `<dtype> <library>`: the time of a call that does next to nothing."""

    def matmul_rate(self, dtype: str) -> float | None:
        """The best of those who multiplied in `dtype`."""
        return max(by_library(self.matmul_flops_per_second, dtype).values(), default=None)


def by_library(measured: Mapping[str, float], dtype: str) -> dict[str, float]:
    """Of what `Limits` has by `<dtype> <library>`, that of one dtype."""
    return {key.partition(" ")[2]: value for key, value in measured.items() if key.partition(" ")[0] == dtype}


class Settings(Strict, kw_only=True):
    generations: Count
    most_rounds: Annotated[int, Meta(ge=2)]
    """There and back: two at least."""
    warm_up_seconds: Positive
    """Of untimed calls that begin a turn, at least."""
    slowest_step_seconds: Positive | None = None
    """Where the step of an entrant would take longer, it is skipped; None where sizes were chosen one by one."""
    seed: Count
    operations: list[Operation]
    problems: list[str]
    backends: list[str]
    devices: list[str]
    dtypes: list[str]
    allocators: list[Allocator]
    core: int | None = None
    """The one raced on, as a person chose it; None where the suite chose."""
    quick: bool = False


class Record(Strict, kw_only=True):
    schema: Literal[3] = 3
    id: str
    started: str
    """UTC, ISO 8601."""
    finished: str = ""
    status: Literal["running", "complete", "interrupted"] = "running"
    command: str
    commit: str
    machine: Machine
    settings: Settings
    entrants: list[Entrant] = []
    problems: list[ProblemFacts] = []
    cells: list[Cell] = []
    races: list[Race] = []
    lab: LabReport | None = None
    limits: list[Limits] = []
    weather: list[Weather] = []
    steering: dict[str, str] = {}
    """Environment variables that a person had set and that may change how a worker computes, with their values."""
    warnings: list[str] = []

    @property
    def versions(self) -> dict[str, str]:
        """Of every library that an entrant says it computes with."""
        return {library: version for entrant in self.entrants for library, version in entrant.versions.items()}

    def told(self) -> list[str]:
        """Return what the run itself warned of, a sentence each."""
        steered = [
            f"{name}={value} was set, which may change what a library computes with: others may see other times; unset it."
            for name, value in self.steering.items()
        ]
        causes = dict.fromkeys(race.cause for race in self.races if race.starved)
        return [*steered, *(self._starved(cause) for cause in causes), *self._repeated(), *self.warnings]

    def _starved(self, cause: str) -> str:
        races = [race for race in self.races if race.starved and race.cause == cause]
        labels = list(dict.fromkeys(label for race in races for label in race.starved))
        least = min(share for race in races for share in race.starved.values())
        others = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
        return (
            f"In {len(races)} of {len(self.races)} races {', '.join(labels[:3])}{others} got less than the racing core,"
            f" {least:.2g} of it at the least, and those samples are left out: {cause}."
        )

    def _repeated(self) -> list[str]:
        helped = sum(race.attempts > 1 and not race.starved for race in self.races)
        return [
            f"{helped} of {len(self.races)} races were repeated: at first an entrant got less than its core."
        ] * bool(helped)

    def lay_out(self) -> None:
        """A cell for each entrant and problem of its dtype, where there is none yet."""
        there = {(c.entrant, c.problem, c.dtype) for c in self.cells}
        places = [(e.label, p.name, p.dtype) for p in self.problems for e in self.entrants if e.dtype == p.dtype]
        self.cells += [Cell(*place) for place in places if place not in there]

    def cell(self, entrant: str, problem: str, dtype: str) -> Cell:
        return next(c for c in self.cells if (c.entrant, c.problem, c.dtype) == (entrant, problem, dtype))

    def entrant(self, label: str, dtype: str) -> Entrant:
        return next(e for e in self.entrants if (e.label, e.dtype) == (label, dtype))

    def facts(self, problem: str, dtype: str) -> ProblemFacts:
        return next(p for p in self.problems if (p.name, p.dtype) == (problem, dtype))
