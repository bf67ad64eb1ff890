"""A process that crashes, hangs or leaves its core loses its own cells; nobody waits for it longer than the deadline."""

import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.console import exit
from bench.records.schema import Entrant, Record
from bench.report import summary
from bench.workers.cores import Cores
from bench.workers.pool import Pool
from bench.workers.process import KEPT_OUTPUT, Remote
from tests.faults.left_behind import MARK, left_behind
from tests.running import QUICK, found, raced

SMALLER = "factorisation/12x8r2"
HERE = "tests.faults.processes:"
BABBLING, HANGS_ON_IMPORT = "tests.faults.backends:Babbling", "tests.faults.hangs_on_import:factory"
PATIENCE = 1
"""Seconds that a request has which is never answered; all others have a minute, because the machine may be busy."""

FAULTS = {
    f"{HERE}Segfaulting": ("crashed", "the process was ended by SIGSEGV during prepare"),
    f"{HERE}Exiting": ("crashed", "the process ended with exit code 0 during prepare"),
    f"{HERE}LeavesAChild": ("crashed", "the process ended with exit code 0 during prepare"),
    f"{HERE}EndsWhenTimed": ("crashed", "the process ended with exit code 7 during pilot"),
    BABBLING: ("crashed", "the process was ended by SIGABRT during prepare"),
    f"{HERE}Chatty": ("ok", ""),
}
HANGING = {
    f"{HERE}Deaf": ("timed out", f"no answer to prepare within {PATIENCE} s"),
    f"{HERE}Stopped": ("timed out", f"no answer to prepare within {PATIENCE} s"),
    f"{HERE}HalfAnswered": ("timed out", f"no answer to prepare within {PATIENCE} s"),
    HANGS_ON_IMPORT: ("timed out", f"no answer to load within {PATIENCE} s"),
}
WAITED: dict[str, float] = {}
"""Seconds until the request that is never answered was given up."""
ASTRAY = f"{HERE}Astray"


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Return the record of a race in which six get ready at a time on one core, so that a deadline is waited for once."""

    def ask(pool: Pool, entrant: Entrant) -> Remote:
        def answer(method: str, *given: Any) -> Any:
            hangs = f"no answer to {method} " in HANGING.get(entrant.backend, ("", ""))[1]
            began = time.monotonic()
            try:
                return getattr(pool.of(entrant).ask(PATIENCE if hangs else 60), method)(*given)
            finally:
                if hangs:
                    WAITED[entrant.backend] = time.monotonic() - began

        return Remote(answer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "ask", ask)
        patch.setattr(Cores, "places", lambda cores, threads: 6 * [cores.of(threads)])
        patch.setenv(*MARK)
        names = ["numpy", *HANGING, *FAULTS, ASTRAY]
        return raced(tmp_path_factory.mktemp("results"), names, [SMALLER, QUICK], operations=["train"])


@pytest.mark.parametrize(("name", "expected"), (FAULTS | HANGING).items())
def test_each_fault_has_its_status_and_its_reason(race: Record, name: str, expected: tuple[str, str]):
    assert found(race, name, SMALLER) == expected


def test_a_thread_that_may_run_on_another_core_is_refused(race: Record):
    if os.cpu_count() == 1:
        pytest.skip("there is no other core")
    assert found(race, ASTRAY, SMALLER) == ("failed", "left its core: one of its threads may run on another")


def test_nobody_waits_longer_than_the_deadline(race: Record):
    assert WAITED.keys() == HANGING.keys()
    assert all(PATIENCE <= seconds < PATIENCE + 2 for seconds in WAITED.values()), WAITED


@pytest.mark.parametrize("name", [f"{HERE}Deaf", f"{HERE}Stopped", f"{HERE}HalfAnswered"])
def test_a_backend_that_timed_out_is_not_waited_for_on_a_larger_problem(race: Record, name: str):
    assert found(race, name) == ("skipped", f"timed out on {SMALLER}, which is smaller")


def test_a_library_that_cannot_be_loaded_is_waited_for_once(race: Record):
    assert found(race, HANGS_ON_IMPORT) == HANGING[HANGS_ON_IMPORT]
    assert race.entrant(HANGS_ON_IMPORT, "float32").outcome.status == "timed out"


@pytest.mark.parametrize("problem", [SMALLER, QUICK])
def test_the_honest_beside_them_are_ok_and_timed(race: Record, problem: str):
    for label in ("numpy", "control", f"{HERE}Chatty"):
        assert found(race, label, problem) == ("ok", "")
        assert race.cell(label, problem, "float32").samples


def test_the_record_is_complete_and_its_exit_code_tells_of_failures(race: Record):
    assert race.status == "complete"
    assert summary.exit_code(race) == exit.FAILED


def test_the_last_output_is_kept_bounded_and_readable(race: Record):
    kept = race.entrant(BABBLING, "float32").last_output
    assert len(kept) <= KEPT_OUTPUT
    assert "\ufffd\ufffd\x00\x1b[31m last words" in kept
    assert "talk talk" in kept


def test_no_worker_nor_a_child_of_one_outlives_the_race(race: Record):
    psutil.wait_procs(left_behind(), timeout=5)
    assert left_behind() == []


@pytest.mark.alone
@pytest.mark.skipif(os.cpu_count() == 1, reason="one core is all that anyone can take")
def test_a_forgotten_thread_limit_is_refused(tmp_path: Path):
    """It shows while the machine has a second core to give."""
    name = f"{HERE}Greedy"
    for attempt in range(10):
        status, reason = found(raced(tmp_path / str(attempt), [name], operations=["train"]), name)
        if status != "ok":
            break
        time.sleep(attempt)
    assert status == "failed"
    assert "cores during its turns" in reason
