"""The schema of a record: everything that one run found, in one strict JSON file that grows as races finish."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bench.backend import CANNOT, UNSUPPORTED, Mode
from bench.resources import Resources

SCHEMA = 4
MARGIN = 0.03  # relative difference that does not matter to a user: within it two backends are level

Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
Nanoseconds = Annotated[int, Meta(gt=0, le=2**63 - 1)]

Status = Annotated[
    str,
    Meta(
        pattern=r"\A(ok|pending|disagrees|diverged|crashed|timed out|out of memory|not installed|failed|starved|unsteady"
        rf"|skipped|{CANNOT})\Z"
    ),
]
LEFT_OUT = (*UNSUPPORTED, "not installed", "skipped")  # of cells that were not meant to run; others failed
Allocator = Literal["default", "kept"]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a record.  Reading refuses unknown fields, and writing refuses numbers that are not finite."""


class Fixed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A part that does not change once it was found."""


class Outcome(Fixed, frozen=True):
    """The status of a cell, and the sentence behind it ('' for ok)."""

    status: Status = "pending"
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Return whether the cell should have run and did not."""
        return self.status != "ok" and not self.status.startswith(LEFT_OUT)


class Check(Fixed, frozen=True):
    """One check of agreement.  It is passed when error <= tolerance; error None is no finite number."""

    name: str
    error: float | None
    tolerance: float
    passed: bool
    what: str  # what was compared, and how it failed where it did


class FirstCall(Fixed, frozen=True):
    """The first call of an operation in a process: compiling included, importing not."""

    generation: Count
    operation: str
    seconds: Positive
    cache: Literal["cold", "warm"]  # whether the run had compiled the same program before, with its on-disk caches kept


class Samples(Fixed, frozen=True):
    """Timed samples of one generation, in the order of its turns; every turn has as many."""

    generation: Count
    operation: str
    calls: Annotated[int, Meta(ge=1)]  # calls in each sample; short calls are batched
    nanoseconds: list[Nanoseconds]  # wall time of each sample, from inputs ready to outputs computed


class Run(Fixed, frozen=True):
    """The quality that training from one start ended with, computed in float64."""

    seed: Count
    quality: dict[str, float]


class Cell(Strict):
    """One entrant on one problem."""

    entrant: str
    problem: str
    dtype: str
    outcome: Outcome = msgspec.field(default_factory=Outcome)
    checks: list[Check] = []
    runs: list[Run] = []
    losses: list[float] = []  # the loss before every step, from the start that is timed
    first_calls: list[FirstCall] = []
    samples: list[Samples] = []
    device_peak_bytes: list[Count] = []  # the library's most memory on the device, with what lay there before
    put_seconds: list[Positive] = []  # the fastest of several copies of params and batch to the device
    get_seconds: list[Positive] = []  # the fastest of several copies of the trained params from the device
    device_seconds: list[Positive] = []  # one `train` of several waited for together; empty on the CPU
    cores_used: list[Share] = []  # per generation: CPU time over wall time in the calls
    compilations: Count = 0  # programs compiled inside timed turns; a cell with any is refused

    @property
    def results(self) -> list[Samples]:
        """Return the samples of a cell that is ok; none of any other."""
        return [s for s in self.samples if s.nanoseconds] if self.outcome.status == "ok" else []


class Entrant(Strict):
    """A backend as it entered the races: with its resources, in one dtype."""

    label: str  # `jax-scan@cuda`; one CPU thread and the first allocator go without saying
    backend: str
    resources: Resources
    dtype: str
    allocator: Allocator = "default"  # whether its process gives freed memory back as glibc does by itself, or keeps it
    control: bool = False
    mode: Mode | Literal[""] = ""
    versions: dict[str, str] = {}
    cores: list[Count] = []  # the cores that it was pinned to; none when pinning was not possible
    busy_threads: list[Count] = []  # per race: threads that took more than a twentieth of its CPU time
    idle_cpu_share: list[Share] = []  # per race: CPU time over wall time while others had their turn
    import_seconds: list[Positive] = []
    outcome: Outcome = msgspec.field(default_factory=Outcome)
    last_output: str = ""  # the end of what its process printed, kept when it failed

    @property
    def key(self) -> tuple[str, str]:
        return self.label, self.dtype

    @property
    def device(self) -> str:
        return self.resources.device

    @property
    def library(self) -> str:
        """Return `torch` of `torch-compile-by-hand`, and the module of `package.module:factory`."""
        module, colon, _ = self.backend.partition(":")
        return module if colon else self.backend.partition("-")[0]


class ProblemFacts(Strict):
    """A problem without its arrays."""

    name: str
    dtype: str
    seed: Count
    checksum: str
    shapes: dict[str, list[int]]
    learning_rate: float
    num_steps: Count
    timed_steps: Count
    flops: Positive
    bytes_moved: Positive
    lower_bound: float | None = None
    reference: dict[str, float] = {}  # what the float64 reference came to at the end of the descent

    @property
    def workload(self) -> str:
        return self.name.partition("/")[0]


class LabReport(Fixed, frozen=True):
    """The two scatter plots of the lab report, and the numbers that say how alike they are."""

    backend: str
    labels: list[int]
    pca_scores: list[list[float]]
    learnt: list[list[float]]
    r_squared: float  # of the best linear map from U to the PCA scores
    principal_angles_degrees: list[float]
    reconstruction_error: float
    svd_error: float
    split_accuracies: list[list[float]] = []  # [training, test], for 20 shuffles of the rows x 8 starts


class Race(Fixed, frozen=True):
    """All entrants on one problem in one generation: enough to repeat the order of the turns."""

    generation: Count
    problem: str
    dtype: str
    seed: Count  # of the order of the turns, and of the small changes that make every start new
    rounds: dict[str, Count]  # by operation
    calls: dict[str, dict[str, Count]]  # by operation and entrant: the calls in a sample
    samples: dict[str, dict[str, Count]] = {}  # by operation and entrant: the samples in a turn; else 1
    attempts: Count = 1  # 2 where an entrant got less than its cores at first, so that the race was repeated
    starved: dict[str, Share] = {}  # by entrant: CPU time over wall time, where it stayed too little
    cause: str = ""  # what took the core, as far as that can be known


class HostState(Fixed, frozen=True):
    """The machine during one race of a generation."""

    generation: Count
    seconds: Positive
    load: float
    steal_share: Share
    megahertz: list[float] = []  # the slowest and the fastest clock seen, of any core


class Gpu(Strict):
    name: str
    driver: str
    memory_bytes: Count
    readings: list[dict[str, float]] = []  # clocks (MHz), power (W) and temperature (C) after each race


class Host(Strict):
    cpu: str
    cores: Count
    memory_bytes: Count
    system: str
    python: str
    gpu: Gpu | None = None


class Limits(Fixed, frozen=True):
    """The rates that the machine itself reaches with these resources, measured in the same run."""

    resources: Resources
    dtype: str
    matmul_flops_per_second: Positive  # of the product of two large square matrices
    copy_bytes_per_second: Positive  # bytes read plus bytes written, of an array larger than every cache


class Settings(Strict, kw_only=True):
    """The settings that were asked for."""

    generations: Count
    rounds: Annotated[int, Meta(ge=2)]  # turns of an entrant in a race; two make a round there and back
    warm_up_seconds: Positive  # the least time of untimed calls that begin a turn
    slowest_step_seconds: Positive | None = None  # sizes whose step would take longer are skipped
    seed: Count
    operations: dict[str, list[str]]  # by problem
    problems: list[str]
    backends: list[str]
    resources: list[Resources]
    dtypes: list[str]
    allocators: list[Allocator]
    core: int | None = None  # the core that a person chose to race on; None where the suite chose
    margin: Annotated[float, Meta(gt=0, lt=1)] = MARGIN
    quick: bool = False


class Record(Strict, kw_only=True):
    """One run."""

    schema: Literal[4] = 4
    id: str
    started: str  # UTC, ISO 8601
    finished: str = ""
    status: Literal["unfinished", "complete"] = "unfinished"
    command: str
    commit: str
    host: Host
    settings: Settings
    entrants: list[Entrant] = []
    problems: list[ProblemFacts] = []
    cells: list[Cell] = []
    races: list[Race] = []
    lab: LabReport | None = None
    limits: list[Limits] = []
    host_states: list[HostState] = []
    environment: dict[str, str] = {}  # variables that a person had set and that may change how a worker computes
    warnings: list[str] = []

    @property
    def versions(self) -> dict[str, str]:
        """Return the version of every library that an entrant says it computes with."""
        return {library: version for entrant in self.entrants for library, version in entrant.versions.items()}

    def lay_out(self) -> None:
        """Add a cell for each entrant and problem of its dtype, where there is none yet."""
        there = {(c.entrant, c.problem, c.dtype) for c in self.cells}
        places = [(e.label, p.name, p.dtype) for p in self.problems for e in self.entrants if e.dtype == p.dtype]
        self.cells += [Cell(*place) for place in places if place not in there]

    def cell(self, entrant: str, problem: str, dtype: str) -> Cell:
        return next(c for c in self.cells if (c.entrant, c.problem, c.dtype) == (entrant, problem, dtype))

    def entrant(self, label: str, dtype: str) -> Entrant:
        return next(e for e in self.entrants if e.key == (label, dtype))

    def facts(self, problem: str, dtype: str) -> ProblemFacts:
        return next(p for p in self.problems if (p.name, p.dtype) == (problem, dtype))

    def limits_of(self, resources: Resources, dtype: str) -> Limits | None:
        """Return what the machine can do with these resources in this dtype; None where it was not measured."""
        return next((x for x in self.limits if (x.resources, x.dtype) == (resources, dtype)), None)
