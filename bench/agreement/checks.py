"""Hold what a backend computed against the reference: for each check an error, a tolerance and a sentence."""

from collections.abc import Iterator, Mapping

import numpy as np

from bench.agreement.answers import Computed
from bench.agreement.distances import distances, norm
from bench.agreement.reference import Reference
from bench.problem import Array, Arrays, Problem, array_dtype, epsilon
from bench.records.schema import Check, Outcome, Run
from bench.workloads import WORKLOADS
from bench.workloads.protocol import Allowed

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
"""Fetching a result may take so much of a call, or so many copies of the same arrays, whichever is more: what a backend
leaves to `get` is not timed.  A heuristic (docs/measured.md)."""


def judge(reference: Reference, computed: Computed) -> list[Check]:
    """Return every check, in order; the first, of shapes and dtypes, is the only one when it fails."""
    # Every comparison of numbers relies on keys, shapes, dtypes and finite numbers.
    fault = next(_faults(reference, computed), "")
    what = fault or "keys, shapes and dtypes are the problem's and every number is finite"
    form = Check("form", None if fault else 0.0, 0.0, not fault, what)
    if fault:
        return [form]
    errors = distances(computed, reference.truth)
    compared = [_compared(check, error, reference.tolerance(check)) for check, error in errors.items()]
    return [form, *compared, _end_state(reference, computed), *_behaviour(computed)]


def outcome(checks: list[Check]) -> Outcome:
    """Return ok, or `diverged` or `disagrees` with the sentence of the first failure."""
    failed = next((check for check in checks if not check.passed), None)
    if failed is None:
        return Outcome("ok")
    status = "diverged" if failed.what.startswith(_DIVERGED) else "disagrees"
    told = failed.error and failed.tolerance
    far = f"; off by {failed.error:.2g}, where {failed.tolerance:.2g} is allowed" if told else ""
    return Outcome(status, f"{failed.name}: {failed.what}{far}")


def promised(broken: Mapping[str, str]) -> list[Check]:
    """Return a check for each promise, from how it was broken or ''."""
    return [_kept_or_not(name, not how, how or "the promise is kept") for name, how in broken.items()]


def runs(reference: Reference, trained: list[Arrays]) -> list[Run]:
    """Return what training came to from the problem's start and from every other; `trained` is in that order."""
    quality = WORKLOADS[reference.problem.workload].quality
    seeds = [problem.seed for problem in (reference.problem, *reference.others)]
    found = [Run(seed, quality(reference.problem, params)) for seed, params in zip(seeds, trained, strict=True)]
    return sorted(found, key=lambda run: run.seed)


def timed_call_agrees(reference: Reference, operation: str, loss: float, distance: float) -> bool:
    """Return whether a timed call, from a start moved a little, ended where the reference does, to half the digits.

    `loss` is its last loss, `distance` how far its answer lies from its start; the checks compared the rest.
    """
    half_the_digits = float(np.sqrt(epsilon(reference.problem.dtype)))
    allowed = [half_the_digits, half_the_digits]
    if operation == "train":
        allowed = [max(half_the_digits, reference.tolerance(check)) for check in ("trajectory", "trained params")]
    sizes = (reference.least_loss, norm(reference.problem.params))
    absolute = np.multiply(allowed, sizes)
    return bool(np.isclose((loss, distance), reference.timed[operation], rtol=allowed, atol=absolute).all())


def _faults(reference: Reference, computed: Computed) -> Iterator[str]:
    """Yield what is wrong; single calls come first, because a descent has diverged only when they are in order."""
    problem = reference.problem
    points = {"at the start": computed.start, "halfway": computed.halfway, "of the decoy": computed.decoy}
    for where, point in points.items():
        yield from _fault(f"loss {where}", point.losses["value_and_grad"], (), problem.dtype)
        yield from _faults_of_arrays(f"gradient {where}", point.grads, problem)
        yield from _fault(f"loss alone {where}", point.losses["loss"], (), problem.dtype)
        for name, arrays in point.arrays.items():
            if arrays:
                yield from _faults_of_arrays(f"{name} {where}", arrays, problem)
    yield from _fault("losses", computed.losses, (problem.num_steps,), problem.dtype)
    yield from _fault("decoy losses", computed.decoy_losses, (reference.decoy.num_steps,), problem.dtype)
    for i, params in enumerate(computed.trained):
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


def _compared(name: str, error: float, tolerance: float, what: str = "") -> Check:
    what = what or _EXPLAINED.get(name, f"{name} against that of the reference in float64, Euclidean norm")
    return Check(name, float(error) if np.isfinite(error) else None, tolerance, error <= tolerance, what)


def _end_state(reference: Reference, computed: Computed) -> Check:
    problem = reference.problem
    errors = reference.tolerance("trajectory"), reference.tolerance("trained params")
    allowed = Allowed(*errors, reference.least_loss, reference.lower_bound)
    end_state = WORKLOADS[problem.workload].end_state
    return _compared("end state", *end_state(problem, computed.trained, reference.trained, allowed))


def _behaviour(computed: Computed) -> list[Check]:
    """Return the checks of how the backend behaved; what may break another check comes first."""
    slowest = max(computed.seconds, key=lambda operation: _left_to_get(computed, operation))
    seconds = computed.seconds[slowest]
    waited = f"{slowest}: wait returned after {seconds.wait * 1e3:.2f} ms, and fetching the result took {seconds.fetch * 1e3:.2f} ms more"
    changed = "params or batch were changed by the call they were given to"
    untouched = "params and batch are left as they were given" if computed.untouched else changed
    kept = "leaves the output of the one before as it was" if computed.kept else "changed the output of the one before"
    repeats = "gives the same" if computed.repeats else "gave different"
    return [
        _kept_or_not("arguments untouched", computed.untouched, untouched),
        _kept_or_not("outputs kept", computed.kept, f"a call {kept}"),
        _kept_or_not("repeatable", computed.repeats, f"the same call twice {repeats} bits"),
        _kept_or_not("waits", _left_to_get(computed, slowest) <= 1, waited),
    ]


def _kept_or_not(name: str, kept: bool, what: str) -> Check:
    return Check(name, float(not kept), 0.0, kept, what)


def _left_to_get(computed: Computed, operation: str) -> float:
    """Return the time that fetching the result took, over the time that it may take."""
    seconds = computed.seconds[operation]
    return seconds.fetch / max(MOST_OF_A_CALL * seconds.wait, MOST_COPIES * seconds.copy)
