"""`pytest bench/ --benchmark-only`: the options, and the one race that all tests here replay."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import backends
from bench import devices, precision, session
from bench.console import escaped, progress
from bench.console.exit import FAILED, INTERRUPTED, USAGE, Patient, folder, percentage, warn, whole_number
from bench.console.interrupts import Interrupted
from bench.errors import UsageError
from bench.operations import OPERATIONS
from bench.plan.entrants import entrants
from bench.plan.resume import selection_of
from bench.plan.selection import RESULTS, Selection, add_options, there, with_twins
from bench.records.schema import MARGIN, Cell, Entrant, Record
from bench.records.store import sole_writer
from bench.records.warnings import warnings
from bench.report import summary, trust
from bench.report.findings import groups_of
from bench.report.terminal import wrapped
from bench.workers import cores
from bench.workloads import ladder

SELECTION = pytest.StashKey[Selection]()
RECORD = pytest.StashKey[Record]()

CANNOT_KEEP = {
    f"--benchmark-{x}"
    for x in ("timer", "min-time", "max-time", "min-rounds", "calibration-precision", "warmup", "disable-gc", "disable")
}  # options of pytest-benchmark about how it measures: here it replays what was measured
IN_A_RECORD = {"--problem", "--device", "--threads", "--dtype", "--quick", "--rigorous", "--sweep", "--allocator"}
IN_A_RECORD |= {"--core", "--seed", "--results", "--no-by-hand", "--generations", "--half-width", "--margin"}
"""Options that an unfinished record has answered."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("race", "what races, and how long")
    add, several = group.addoption, {"action": "append", "default": []}
    add_options(add)
    add("--threads", type=whole_number, metavar="N", help="CPU threads; repeatable (default: 1)", **several)
    quick = "3 generations, so its intervals are wide; Iris, without the modes that compile slowly"
    add("--quick", action="store_true", help=quick)
    add("--rigorous", action="store_true", help="20 generations instead of 8, and warmer caches on large problems")
    add("--sweep", action="store_true", help="the ladder of sizes, training alone")
    kept = (
        "default: freed memory is given back as glibc does by itself; kept: it is kept; repeatable (default: default)"
    )
    add("--allocator", metavar="NAME", help=kept, **several)
    add("--core", type=whole_number, metavar="N", help="race on core N (default: chosen by topology)")
    seed = "repeat the order of turns and the memory layouts of a record (default: drawn, and recorded)"
    add("--seed", type=whole_number, metavar="N", help=seed)
    add(
        "--results",
        type=folder,
        default=RESULTS / "local",
        metavar="DIR",
        help="where the record goes (default: results/local/)",
    )
    add("--generations", type=whole_number, metavar="N", help="sets of processes (default: 8; with --quick 3)")
    pilot = "as many generations as give half of the intervals a half-width of about P, by a pilot race"
    add("--half-width", type=percentage, metavar="P", help=pilot)
    margin = f"a difference that does not matter: within it two are level (default: {100 * MARGIN:g}%%)"
    add("--margin", type=percentage, default=MARGIN, metavar="P", help=margin)
    add("--resume", type=Path, metavar="RECORD", help="go on with a record that is unfinished")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.help or config.option.version:
        return
    # Before pytest's own reporter takes it: a race does not end because nobody reads what pytest says of it.
    sys.stdout = Patient(sys.stdout)
    try:
        _refuse_what_cannot_be(config)
        config.stash[SELECTION] = _selection(config)
        if not config.option.collectonly:
            resumed = config.option.resume
            place = resumed.parent if resumed else config.option.results
            with sole_writer(place), cores.reserved(cores.usable_cores()):
                pass  # found out here, because an exit from a fixture is told amid the tests' own output
    except UsageError as error:
        pytest.exit(escaped(str(error)), returncode=USAGE)


def _given(config: pytest.Config) -> list[str]:
    """Return the names of the options that a person typed."""
    return [argument.partition("=")[0] for argument in config.invocation_params.args if argument.startswith("-")]


def _refuse_what_cannot_be(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None):
        raise UsageError("a race needs the machine to itself; leave out -n")
    if unkept := [name for name in _given(config) if name in CANNOT_KEEP]:
        remedy = "leave it out (--rigorous measures more of them)"
        raise UsageError(f"{', '.join(unkept)} cannot be kept, because the samples are measured before; {remedy}")
    if config.getoption("benchmark_histogram", None) and not find_spec("pygal"):
        raise UsageError("--benchmark-histogram draws with pygal; pip install -e '.[histogram]'")
    for one, other in (("quick", "rigorous"), ("generations", "half_width")):
        if config.getoption(one) and config.getoption(other):
            raise UsageError(f"--{one} and --{other} exclude each other; give one".replace("_", "-"))
    if config.option.generations == 0:
        raise UsageError(
            "--generations 0 measures nothing; give 5 or more: an interval takes 3, and comparing two records 5"
        )
    extra = [name for name in _given(config) if name in IN_A_RECORD]
    extra += ["-k"] if config.option.keyword else []
    extra += [f"--backend {name}" for name in config.option.backend if name in backends.MODES]
    if config.option.resume and extra:
        kept = "--resume goes on with what the record races, and where it lies"
        raise UsageError(f"{kept}; leave out {', '.join(extra)}")


def _selection(config: pytest.Config) -> Selection:
    option = config.option
    if option.resume:
        return selection_of(option.resume, option.backend, option.deadline)
    selection = Selection(
        backends=option.backend if option.no_by_hand else with_twins(option.backend),
        problems=option.problem or (ladder(option.device or devices.available()) if option.sweep else []),
        devices=there(option.device),
        threads=option.threads,
        dtypes=option.dtype,
        operations=["train"] if option.sweep else list(OPERATIONS),
        sweep=option.sweep,
        pace="quick" if option.quick else "rigorous" if option.rigorous else "default",
        allocators=option.allocator,
        core=option.core,
        generations=option.generations,
        margin=option.margin,
        deadline=option.deadline,
        **({} if option.seed is None else {"seed": option.seed}),
    )
    selection.posed()
    return selection


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each operation, problem and entrant."""
    selection = metafunc.config.stash[SELECTION]
    entering = [entrant for entrant in entrants(selection) if not entrant.control]
    grid = [(op, e, p) for op in OPERATIONS for p in selection.problems if op in selection.timed[p] for e in entering]
    several = len(selection.dtypes) > 1
    ids = [f"{op}-{problem}-{e.label}{'-' + e.dtype if several else ''}" for op, e, problem in grid]
    metafunc.parametrize(("operation", "entrant", "problem"), grid, ids=ids)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Race the least grid that holds all that was selected."""
    config, selection = session.config, session.config.stash.get(SELECTION, None)
    chosen = [item.callspec.params for item in session.items if hasattr(item, "callspec")]
    chosen = [params for params in chosen if {"operation", "entrant", "problem"} <= set(params)]
    if selection is None or not chosen or config.option.resume:
        return
    who = [params["entrant"] for params in chosen]
    selected = {(params["problem"], params["operation"]) for params in chosen}
    selection.timed = {p: [op for op in ops if (p, op) in selected] for p, ops in selection.timed.items()}
    kept = {"backends": {e.backend for e in who}, "devices": {e.device for e in who}, "dtypes": {e.dtype for e in who}}
    kept |= {"threads": {e.resources.threads for e in who}, "allocators": {e.allocator for e in who}}
    for what, names in (kept | {"problems": {problem for problem, _ in selected}}).items():
        setattr(selection, what, [x for x in getattr(selection, what) if x in names])


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest) -> Record:
    """Return the record of the race, which runs when the first test asks for it."""
    config, option = request.config, request.config.option
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), progress.reporter() as say:
        try:
            selection = config.stash[SELECTION]
            if option.half_width:
                selection.generations = precision.generations(selection, option.half_width, session.unkept, say)
            found = session.run(selection, option.results, say, option.resume, summary.progress)
        except UsageError as error:
            pytest.exit(escaped(str(error)), returncode=USAGE)
        except Interrupted as interrupted:
            pytest.exit(escaped(str(interrupted)), returncode=INTERRUPTED)
    config.stash[RECORD] = found
    return found


@pytest.fixture
def cell(entrant: Entrant, problem: str, record: Record) -> Cell:
    """Return the timed cell; skip where the backend is known not to run, fail where it should have."""
    cell = record.cell(entrant.label, problem, entrant.dtype)
    if cell.outcome.status != "ok":
        why = f"{cell.outcome.status}: {escaped(cell.outcome.reason)}"
        if cell.outcome.failed:
            pytest.fail(why, pytrace=False)  # a sentence, because the source of this fixture explains nothing
        pytest.skip(why)
    return cell


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session for an incomplete grid, with the exit code of every command here."""
    record, status = session.config.stash.get(RECORD, None), session.exitstatus
    if status is pytest.ExitCode.INTERRUPTED:  # by Ctrl-C; pytest.exit brings a plain number
        session.exitstatus = INTERRUPTED
    elif status is pytest.ExitCode.NO_TESTS_COLLECTED:
        warn("nothing was selected, so nothing raced; give -k a part of a name that --collect-only lists")
        session.exitstatus = USAGE
    elif record is not None:
        session.exitstatus = summary.exit_code(record) or (status and FAILED)


TABLES = (
    "The tables above are of whole calls: `train` is as many gradient steps as the heading says, and the report gives"
    " the time of one. Their samples are not paired: for who is faster, read the report."
)


@pytest.hookimpl(trylast=True)  # after pytest-benchmark's tables
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    record = config.stash.get(RECORD, None)
    if record is None:
        return
    resumed = config.option.resume
    path = (resumed.parent if resumed else config.option.results) / f"{record.id}.json"
    raced = [TABLES] if any(cell.samples for cell in record.cells) else []
    careful = [*trust.caveats(record, groups_of(record)), *warnings(record)]
    told = [*raced, *summary.reasons(record), *map(escaped, careful)]
    told += [f"The record: {path.resolve()}", f"Its report: python -m bench.report {path}", summary.summary(record)]
    for line in told:
        terminalreporter.write_line("\n" + wrapped(escaped(line)))
