"""The evidence against the reference: for each promise an error, a tolerance, and a sentence."""

from collections.abc import Iterator, Mapping

import numpy as np

from bench.agreement.answers import Evidence
from bench.agreement.reference import Reference, distances, norm
from bench.problem import Array, Arrays, Problem, array_dtype, epsilon
from bench.records.schema import Check, Operation, Outcome, Run
from bench.workloads import WORKLOADS

_EXPLAINED = {
    "loss": "the loss, alone and beside the gradient, at the start, halfway down and of the decoy, the worst of them",
    "gradient at the start, by norm": "gradient at the start against the gradient by hand in float64, Euclidean norm",
    "gradient at the start, by element": "gradient at the start against the gradient by hand in float64, worst element",
    "gradient halfway, by norm": "gradient where half of the descent's gain is made, Euclidean norm",
    "gradient halfway, by element": "gradient where half of the descent's gain is made, worst element",
    "gradient of a decoy": "gradient of another start and another batch, which an answer kept from before gets wrong",
    "trajectory": "the loss before every step, the worst of all steps",
    "trajectory of a decoy": "the loss before every step from another start on another batch, the worst of all steps",
    "trained params": "the parameters after the last step, Euclidean norm",
}

_DIVERGED = "diverged: "

MOST_OF_A_CALL, MOST_COPIES = 0.1, 3
"""That fetching a result may take: what a backend leaves to `get` is not timed.  The larger of the two is allowed.

A heuristic.  Numpy, torch-eager and JAX were asked a dozen times on six problems, from 7 thousand to 400 million flops a
step, with a busy process on their core: the worst came to 0.6 of it."""


def judge(reference: Reference, evidence: Evidence) -> list[Check]:
    """Every gate, in order; the first that compares shapes and dtypes ends it when it fails."""
    form = _form(reference, evidence)
    if not form.passed:
        return [form]
    errors = distances(evidence, reference.truth)
    compared = [_compared(gate, error, reference.tolerance(gate)) for gate, error in errors.items()]
    return [form, *compared, _end_state(reference, evidence), *_manners(evidence)]


def outcome(checks: list[Check]) -> Outcome:
    """ok, or diverged / disagrees with the first failure's sentence."""
    failed = next((gate for gate in gates if not gate.passed), None)
    if failed is None:
        return Outcome(status="ok")
    word = "diverged" if failed.what.startswith(_DIVERGED) else "disagrees"
    far = (
        f"; off by {failed.error:.2g}, where {failed.tolerance:.2g} is allowed"
        if failed.error and failed.tolerance
        else ""
    )
    return Outcome(status=word, reason=f"{failed.name}: {failed.what}{far}")


def promised(broken: Mapping[str, str]) -> list[Check]:
    """Return a gate for each promise, by how it was broken or ''."""
    return [
        Check(name=name, error=float(bool(how)), tolerance=0.0, passed=not how, what=how or "the promise is kept")
        for name, how in broken.items()
    ]


def quality(reference: Reference, trained: Arrays) -> dict[str, float]:
    """What training came to; the start makes no difference to how it is judged."""
    return WORKLOADS[reference.problem.workload].quality(reference.problem, trained)


def runs(reference: Reference, trained: list[Arrays]) -> list[Run]:
    """`quality` from the problem's start and from every other; `trained` in that order."""
    seeds = [problem.seed for problem in (reference.problem, *reference.others)]
    found = [Run(seed=seed, quality=quality(reference, t)) for seed, t in zip(seeds, trained, strict=True)]
    return sorted(found, key=lambda run: run.seed)


def timed_call_agrees(reference: Reference, operation: Operation, loss: float, distance: float) -> bool:
    """Whether a timed call ended where the reference does, to half the digits of the dtype.

    `loss` is its last, `distance` how far from its start its answer lies.  Half, because every timed start is
    turned and nudged by a few units in the last place, and two numbers stand for all; the gates have compared the rest.
    """
    half_the_digits = float(np.sqrt(epsilon(reference.problem.dtype)))
    tolerances = [half_the_digits, half_the_digits]
    if operation == "train":
        tolerances = [max(half_the_digits, reference.tolerance(g)) for g in ("trajectory", "trained params")]
    sizes = (reference.least_loss, norm(reference.problem.params))
    allowed = np.multiply(tolerances, sizes)
    return bool(np.isclose((loss, distance), reference.timed[operation], rtol=tolerances, atol=allowed).all())


def _form(reference: Reference, evidence: Evidence) -> Check:
    """Keys, shapes, dtypes, finiteness: what every comparison of numbers takes for granted."""
    fault = next(_faults(reference.problem, evidence), "")
    what = fault or "keys, shapes and dtypes are the problem's and every number is finite"
    return Check(name="form", error=None if fault else 0.0, tolerance=0.0, passed=not fault, what=what)


def _faults(problem: Problem, evidence: Evidence) -> Iterator[str]:
    """Single gradients first: a descent is only said to have diverged when they are in order."""
    points = {"at the start": evidence.start, "halfway": evidence.halfway, "of the decoy": evidence.decoy}
    for where, point in points.items():
        yield from _fault(f"loss {where}", point.loss, (), problem.dtype)
        yield from _faults_of_arrays(f"gradient {where}", point.grads, problem)
        yield from _fault(f"loss alone {where}", point.alone, (), problem.dtype)
    for what, losses in {"losses": evidence.losses, "decoy losses": evidence.decoy_losses}.items():
        yield from _fault(what, losses, (problem.num_steps,), problem.dtype)
    for i, params in enumerate(evidence.trained):
        yield from _faults_of_arrays(f"trained from start {i}", params, problem)


def _faults_of_arrays(what: str, arrays: Arrays, problem: Problem) -> Iterator[str]:
    if arrays.keys() != problem.params.keys():
        yield f"{what} has the keys {', '.join(arrays) or 'none'} instead of {', '.join(problem.params)}"
        return
    for key, array in arrays.items():
        yield from _fault(f"{what}, {key}", array, problem.params[key].shape, problem.dtype)


def _fault(what: str, array: Array, shape: tuple[int, ...], dtype: str) -> Iterator[str]:
    if array.shape != shape:
        yield f"{what} has shape {array.shape} instead of {shape}"
    elif array.dtype != array_dtype(dtype):
        yield f"{what} has dtype {array.dtype} instead of {array_dtype(dtype)}"
    elif not np.isfinite(array).all():
        bad = _DIVERGED if what in ("losses", "decoy losses") else ""
        yield f"{bad}{what} holds {np.count_nonzero(~np.isfinite(array))} of {array.size} numbers that are not finite"


def _compared(gate: str, error: float, tolerance: float) -> Check:
    return Check(name=gate, error=error, tolerance=tolerance, passed=error <= tolerance, what=_EXPLAINED[gate])


def _end_state(reference: Reference, evidence: Evidence) -> Check:
    judged_by = WORKLOADS[reference.problem.workload].end_state
    error, tolerance, what = judged_by(reference, evidence.trained)
    known = error if np.isfinite(error) else None
    return Check(name="end state", error=known, tolerance=tolerance, passed=error <= tolerance, what=what)


def _manners(evidence: Evidence) -> list[Check]:
    """Promises that are kept or broken, each with a sentence for either; what may break another comes first."""
    laziest = max(evidence.seconds, key=lambda operation: _laziness(evidence, operation))
    seconds = evidence.seconds[laziest]
    waited = f"{laziest}: wait returned after {seconds.wait * 1e3:.2f} ms, and fetching the result took {seconds.fetch * 1e3:.2f} ms more"
    promises = {
        "arguments untouched": (
            evidence.untouched,
            "params and batch are left as they were given",
            "params or batch were changed by the call they were given to",
        ),
        "outputs kept": (
            evidence.kept,
            "a call leaves the output of the one before as it was",
            "a call changed the output of the one before",
        ),
        "repeatable": (
            evidence.repeats,
            "the same call twice gives the same bits",
            "the same call twice gave different bits",
        ),
        "waits": (_laziness(evidence, laziest) <= 1, waited, waited),
    }
    return [
        Check(name=name, error=float(not kept), tolerance=0.0, passed=kept, what=true if kept else false)
        for name, (kept, true, false) in promises.items()
    ]


def _laziness(evidence: Evidence, operation: str) -> float:
    """What fetching the result took, of what it may take."""
    seconds = evidence.seconds[operation]
    return seconds.fetch / max(MOST_OF_A_CALL * seconds.wait, MOST_COPIES * seconds.copy)
