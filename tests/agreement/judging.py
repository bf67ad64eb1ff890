"""What the tests of the agreement share: each small problem's reference, and the checks that a backend fails."""

from functools import cache

from bench.agreement import answers, checks, promises
from bench.agreement.answers import Computed
from bench.agreement.reference import Reference
from bench.backend import Backend
from bench.operations import functions
from bench.records.schema import Check
from bench.workloads import pose
from tests.conftest import SMALL


@cache
def reference(problem: str, dtype: str = "float32") -> Reference:
    """Return the reference of a problem, which may be one of SMALL by its workload."""
    return Reference(pose(SMALL.get(problem, problem), dtype))


def computed(backend: Backend, of: Reference) -> Computed:
    """Return what the backend computes for the checks."""
    made = functions(backend, of.problem)
    return answers.compute(backend, made, of.problem, of.halfway.params, of.decoy, of.others)


def checked(backend: Backend, problem: str = "factorisation", dtype: str = "float32") -> list[Check]:
    """Return every check, and after them every promise of the protocol."""
    of = reference(problem, dtype)
    return checks.judge(of, computed(backend, of)) + checks.promised(promises.tried(backend, of.problem))


def failed(backend: Backend, problem: str = "factorisation", dtype: str = "float32") -> list[str]:
    """Return the names of the checks that the backend fails."""
    return [check.name for check in checked(backend, problem, dtype) if not check.passed]
