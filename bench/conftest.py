"""`pytest bench/ --benchmark-only`: the options, and the one race that all tests here replay."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import backends
from bench import session as races
from bench.console import exit, progress
from bench.console.escape import escaped
from bench.console.interrupts import Interrupted
from bench.devices import cpu
from bench.errors import UsageError
from bench.plan.selection import RESULTS, Choice, add_options, available_devices, choice_of, entrants, posed
from bench.records.schema import OPERATIONS, Cell, Entrant, Record
from bench.records.store import sole_writer
from bench.report import tables, words
from bench.report.findings import all_findings
from bench.report.text import wrapped
from bench.workers.process import usable_cores
from bench.workloads import ladder

CHOICE = pytest.StashKey[Choice]()
RECORD = pytest.StashKey[Record]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("race", "what races, and how long")
    add_options(group.addoption)
    group.addoption(
        "--quick",
        action="store_true",
        help="a look of about a minute: 3 generations, so its intervals are wide; Iris, without torch's compiled modes",
    )
    group.addoption(
        "--rigorous", action="store_true", help="20 generations instead of 10, and warmer caches on large problems"
    )
    group.addoption(
        "--allocator",
        action="append",
        default=[],
        metavar="NAME",
        help="default: freed memory is given back as glibc does by itself; kept: it is kept; give both to compare them"
        " (default: default)",
    )
    group.addoption(
        "--core", type=_whole_number, default=None, metavar="N", help="race on core N (default: chosen by topology)"
    )
    group.addoption(
        "--seed",
        type=_whole_number,
        default=None,
        metavar="N",
        help="repeat the order of turns and the memory layouts of a record (default: drawn, and recorded)",
    )
    group.addoption("--sweep", action="store_true", help="the ladder of sizes, training alone")
    group.addoption(
        "--results",
        type=exit.folder,
        default=RESULTS,
        metavar="DIR",
        help="where the record goes (default: results/)",
    )
    group.addoption(
        "--resume", type=Path, default=None, metavar="RECORD", help="go on with a record that was interrupted"
    )


def _whole_number(text: str) -> int:
    """Return the number; one that is negative or no number is wrong usage."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    # Before pytest's own reporter takes it: a race does not end because nobody reads what pytest says of it.
    sys.stdout = exit.Patient(sys.stdout)
    try:
        if config.getoption("numprocesses", None):
            raise UsageError("a race needs the machine to itself; leave out -n")
        config.stash[CHOICE] = _choice(config)
        if config.getoption("benchmark_histogram", None) and not find_spec("pygal"):
            raise UsageError("--benchmark-histogram draws with pygal; pip install -e '.[histogram]'")
        if not config.option.collectonly:
            resumed = config.option.resume
            with sole_writer(resumed.parent if resumed else config.option.results), cpu.reserved(usable_cores()):
                pass  # found out here: an exit from a fixture is told amid the tests' own output, not on stderr
    except UsageError as error:
        pytest.exit(escaped(str(error)), returncode=exit.USAGE)


def _choice(config: pytest.Config) -> Choice:
    option = config.option
    if option.quick and option.rigorous:
        raise UsageError("--quick and --rigorous exclude each other; give one")
    if option.resume:
        given = {"--problem": option.problem, "--device": option.device, "--dtype": option.dtype}
        given |= {"--quick": option.quick, "--rigorous": option.rigorous, "--sweep": option.sweep}
        given |= {"--allocator": option.allocator, "--core": option.core is not None, "--seed": option.seed is not None}
        given |= {"--results": option.results != RESULTS, "-k": option.keyword}
        given |= {f"--backend {name}": True for name in option.backend if name in backends.MODES}
        if extra := [name for name, value in given.items() if value]:
            raise UsageError(
                f"--resume goes on with what the record races, and where it lies; leave out {', '.join(extra)}"
            )
        return choice_of(option.resume, option.backend, option.deadline)
    choice = Choice(
        backends=option.backend,
        problems=option.problem or (ladder(option.device or available_devices()) if option.sweep else []),
        devices=option.device,
        dtypes=option.dtype,
        operations=["train"] if option.sweep else OPERATIONS,
        sweep=option.sweep,
        pace="quick" if option.quick else "rigorous" if option.rigorous else "default",
        allocators=option.allocator,
        core=option.core,
        deadline=option.deadline,
        **({} if option.seed is None else {"seed": option.seed}),
    )
    posed(choice)
    return choice


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per entrant x problem."""
    choice = metafunc.config.stash[CHOICE]
    entering = [e for e in entrants(choice) if not e.control]
    grid = [(e, problem) for problem in choice.problems for e in entering]
    several = len(choice.dtypes) > 1
    ids = [f"{problem}-{e.label}{'-' + e.dtype if several else ''}" for e, problem in grid]
    metafunc.parametrize("place", grid, ids=ids)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What races is the least grid that holds all that was selected."""
    config, choice = session.config, session.config.stash[CHOICE]
    callspecs = [item.callspec for item in session.items if hasattr(item, "callspec")]
    places = [callspec.params["place"] for callspec in callspecs if "place" in callspec.params]
    if places and config.option.resume is None:
        choice.backends = [b for b in choice.backends if any(e.backend == b for e, _ in places)]
        choice.devices = [d for d in choice.devices if any(e.device == d for e, _ in places)]
        choice.problems = [p for p in choice.problems if any(problem == p for _, problem in places)]
        choice.allocators = [a for a in choice.allocators if any(e.allocator == a for e, _ in places)]
        choice.dtypes = [d for d in choice.dtypes if any(e.dtype == d for e, _ in places)]
        raced = choice.operations
        choice.operations = [op for op in raced if any(item.name.startswith(f"test_{op}[") for item in session.items)]
        if not choice.operations:
            exit.warn(f"nothing that was selected is raced: that is only {', '.join(raced)}; give another selection")
            pytest.exit(returncode=exit.USAGE)


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest) -> Record:
    """The race, run when the first test asks for it."""
    config = request.config
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), progress.reporter() as say:
        try:
            option = config.option
            config.stash[RECORD] = races.run(config.stash[CHOICE], option.results, say, option.resume, words.widths)
        except UsageError as error:
            pytest.exit(escaped(str(error)), returncode=exit.USAGE)
        except Interrupted as interrupted:
            pytest.exit(escaped(str(interrupted)), returncode=exit.INTERRUPTED)
    return config.stash[RECORD]


@pytest.fixture
def cell(place: tuple[Entrant, str], record: Record) -> Cell:
    """The timed cell; skipped where the backend is known not to run, failed where it should have."""
    entrant, problem = place
    cell = record.cell(entrant.label, problem, entrant.dtype)
    if cell.outcome.status != "ok":
        why = f"{cell.outcome.status}: {escaped(cell.outcome.reason)}"
        if cell.outcome.failed:
            pytest.fail(why, pytrace=False)  # a sentence; the source of this fixture explains nothing
        pytest.skip(why)
    return cell


def pytest_sessionfinish(session: pytest.Session) -> None:
    """An incomplete grid fails the session, with the exit code of every command here."""
    record, status = session.config.stash.get(RECORD, None), session.exitstatus
    if status is pytest.ExitCode.INTERRUPTED:  # by Ctrl-C; pytest.exit brings a plain number
        session.exitstatus = exit.INTERRUPTED
    elif status is pytest.ExitCode.NO_TESTS_COLLECTED:
        exit.warn("nothing was selected, so nothing raced; give -k a part of a name that --collect-only lists")
        session.exitstatus = exit.USAGE
    elif record is not None:
        session.exitstatus = words.exit_code(all_findings(record)) or (status and exit.FAILED)


TABLES = (
    "The tables above are of whole calls: `train` is as many gradient steps as the heading says, and the report gives"
    " the time of one. Their samples are not paired: for who is faster, read the report (python -m bench.report)."
)


@pytest.hookimpl(trylast=True)  # after pytest-benchmark's tables
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    record = config.stash.get(RECORD, None)
    if record is not None:
        found = all_findings(record)
        why = [item for f in found for section in tables.reasons(f) for item in section.items]
        raced = [TABLES] if any(cell.samples for cell in record.cells) else []
        for told in (*raced, *why, *map(escaped, record.told()), words.summary(record, found)):
            terminalreporter.write_line("\n" + wrapped(told))
