"""Check: every entrant's answers are held against the reference, before anything is timed."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.agreement import checks, lab_report
from bench.agreement.answers import Computed
from bench.agreement.tolerances import Tolerances
from bench.records.schema import Check, Entrant, LabReport, Outcome, Run
from bench.workers import messages
from bench.workers.pool import Failures, Pool
from bench.workers.process import Failed


@dataclass(frozen=True)
class Checked:
    """What checking found; the keys are labels."""

    lower_bound: float | None
    reference: dict[str, float]
    """What the reference came to."""
    checks: dict[str, list[Check]]
    outcomes: dict[str, Outcome]
    runs: dict[str, list[Run]]
    losses: dict[str, list[float]]
    lab: LabReport | None
    """As the first entrant learnt it whose answers agree; None for every problem but the lab report's."""
    failed: Failures


def check(pool: Pool, entrants: Sequence[Entrant], tolerances: Tolerances, promises: bool = False) -> Checked:
    """Return whose answers agree; with `promises` those of the protocol that need no reference are tried, too."""
    reference, failed = tolerances.reference, Failures()
    if reference.fault:
        wrong = {entrant.label: Failed("failed", reference.fault) for entrant in entrants}
        return Checked(None, {}, {}, {}, {}, {}, None, wrong)
    ask = messages.Compute(
        pool.file(reference.halfway), pool.file(reference.decoy), [pool.file(other) for other in reference.others]
    )
    computed: dict[str, Computed] = {
        entrant.label: answers for entrant, answers in pool.side_by_side(entrants, lambda e: pool.ask(e, ask), failed)
    }
    found = {label: checks.judge(tolerances, answers) for label, answers in computed.items()}
    if promises:
        told = pool.side_by_side(entrants, lambda e: pool.ask(e, messages.Promise()), failed)
        for entrant, promised in told:
            found[entrant.label] += checks.promised(promised.broken)
    outcomes = {label: checks.outcome(of) for label, of in found.items()}
    good = [entrant for entrant in entrants if outcomes.get(entrant.label, Outcome()).status == "ok"]
    return Checked(
        lower_bound=reference.lower_bound,
        reference=reference.quality,
        checks=found,
        outcomes=outcomes,
        runs={e.label: checks.runs(reference, computed[e.label].trained) for e in good},
        losses={e.label: [float(x) for x in computed[e.label].losses] for e in good},
        lab=_lab(tolerances, good, computed),
        failed=failed,
    )


def _lab(tolerances: Tolerances, good: Sequence[Entrant], computed: dict[str, Computed]) -> LabReport | None:
    reference = tolerances.reference
    if reference.problem.name != lab_report.PROBLEM or not good:
        return None
    svd_error = reference.lower_bound or 0.0
    return lab_report.lab_report(good[0].backend, reference.problem, computed[good[0].label].params, svd_error)
