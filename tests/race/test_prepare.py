"""Who is ready to race, with which operations; what a compiler that is switched off is told."""

from types import SimpleNamespace
from typing import Any

import pytest

from bench.operations import OPERATIONS
from bench.race import prepare, refusals
from bench.records.schema import Entrant
from bench.resources import Resources
from bench.workers import messages
from bench.workers.process import Failed, Remote
from bench.workloads import pose

ENTRANT = Entrant("x", "jax-scan", Resources(), "float32")
PROBLEM = pose("factorisation/12x8r2")


def loaded(mode: str = "eager", operations: Any = OPERATIONS) -> messages.Loaded:
    return messages.Loaded(0.1, mode, {"jax": "1"}, False, list(operations))


class Pool:
    """Workers that answer as they are told, one entrant after another."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.process, self.warm = answers, SimpleNamespace(loaded=None), False

    def start(self, entrant: Entrant) -> None:
        pass

    def of(self, entrant: Entrant) -> SimpleNamespace:
        return self.process

    def file(self, problem: Any) -> str:
        return ""

    def compiles(self, entrant: Entrant, problem: Any) -> bool:
        return self.warm

    def ask(self, entrant: Entrant) -> Remote:
        return Remote(self._answer)

    def _answer(self, method: str, *given: Any) -> Any:
        answer = self.answers[method]
        if isinstance(answer, Failed):
            raise answer
        return answer

    def side_by_side(self, entrants, work, failed, alone=True):
        found = []
        for entrant in entrants:
            try:
                found.append((entrant, work(entrant)))
            except Failed as failure:
                failed[entrant.label] = failure
        return found


def prepared(load: Any, first: Any, environment=None, asked=tuple(OPERATIONS)) -> prepare.Prepared:
    pool = Pool({"load": load, "prepare": first})
    return prepare.prepare(pool, [ENTRANT], PROBLEM, 4, asked, environment or {})


@pytest.mark.parametrize(
    ("told", "asked", "timed"),
    [
        (loaded(), OPERATIONS, ["train", "loss", "value_and_grad"]),
        (loaded("compiled step"), ["value_and_grad", "train"], ["train", "value_and_grad"]),
        (loaded("compiled loop"), OPERATIONS, ["train"]),
        (loaded("compiled loop"), ["loss"], []),
        (loaded(operations=["loss", "train"]), OPERATIONS, ["train", "loss"]),
    ],
)
def test_an_entrant_is_timed_at_what_was_asked_for_and_it_has_train_first(told, asked, timed):
    """A compiled loop differs from the compiled step of its library in `train` alone."""
    pool = Pool({})
    pool.process.loaded = told
    assert prepare.operations(pool, ENTRANT, asked) == timed


def test_first_calls_are_told_with_their_generation_and_whether_their_programs_were_kept():
    found = prepared(loaded("compiled loop"), messages.Prepared({"train": 2.5}, 1))
    ((entrant, (call,)),) = found.compiled
    assert entrant == ENTRANT
    assert (call.generation, call.operation, call.seconds, call.cache) == (4, "train", 2.5, "cold")


def test_a_library_that_cannot_be_loaded_can_race_no_problem():
    found = prepared(Failed("not installed", "No module"), None)
    assert found.compiled == []
    assert found.unusable["x"].outcome.status == "not installed"


def test_a_problem_that_cannot_be_prepared_costs_that_problem_alone():
    found = prepared(loaded(), Failed("failed", "no luck"))
    assert (found.compiled, found.unusable) == ([], {})
    assert found.failed["x"].outcome.reason == "no luck"


STEERING = {"JAX_DISABLE_JIT": "1", "TORCHDYNAMO_DISABLE": "1"}


def test_a_compiled_mode_that_compiled_nothing_is_refused_with_the_variable_of_its_library():
    found = prepared(loaded("compiled loop"), messages.Prepared({"train": 2.5}, 0), STEERING)
    told = "its compiler is switched off: it compiled no program; JAX_DISABLE_JIT=1 may be the cause, unset it"
    assert (found.failed["x"].outcome.status, found.failed["x"].outcome.reason) == ("failed", told)


@pytest.mark.parametrize(("mode", "compilations"), [("eager", 0), ("compiled loop", None)])
def test_an_eager_mode_need_not_compile_and_a_backend_need_not_count(mode: str, compilations: int | None):
    found = prepared(loaded(mode), messages.Prepared({"train": 2.5}, compilations))
    assert [entrant for entrant, _ in found.compiled] == [ENTRANT]


def test_a_compiled_mode_that_fails_names_the_variable_that_may_be_the_cause():
    found = prepared(loaded("compiled loop"), Failed("failed", "RuntimeError: no"), STEERING)
    assert found.failed["x"].outcome.reason == "RuntimeError: no; JAX_DISABLE_JIT=1 may be the cause, unset it"
    assert refusals.steered(ENTRANT, "eager", STEERING) == ""
