"""What the tests of the agreement share: each small problem's reference, and the checks that a backend fails."""

from functools import cache

from bench.agreement import answers, checks, promises
from bench.agreement.answers import Computed
from bench.agreement.reference import Reference
from bench.agreement.tolerances import Tolerances
from bench.backend import Backend
from bench.operations import functions
from bench.records.schema import Check
from bench.workloads import pose
from tests.conftest import SMALL


@cache
def tolerances(problem: str, dtype: str = "float32") -> Tolerances:
    """Return the tolerances of a problem, which may be one of SMALL by its workload."""
    return Tolerances(Reference(pose(SMALL.get(problem, problem), dtype)))


def computed(backend: Backend, of: Tolerances) -> Computed:
    """Return what the backend computes for the checks."""
    reference, problem = of.reference, of.problem
    made = functions(backend, problem)
    return answers.compute(backend, made, problem, reference.halfway.params, reference.decoy, reference.others)


def checked(backend: Backend, problem: str = "factorisation", dtype: str = "float32") -> list[Check]:
    """Return every check, and after them every promise of the protocol."""
    of = tolerances(problem, dtype)
    return checks.judge(of, computed(backend, of)) + checks.promised(promises.tried(backend, of.problem))


def failed(backend: Backend, problem: str = "factorisation", dtype: str = "float32") -> list[str]:
    """Return the names of the checks that the backend fails."""
    return [check.name for check in checked(backend, problem, dtype) if not check.passed]
