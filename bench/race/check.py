"""Check: every entrant's answers are held against the reference, before anything is timed."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.agreement import checks, lab_report
from bench.agreement.reference import Reference
from bench.records.schema import Check, Entrant, LabReport, Outcome, Run
from bench.workers.pool import Failures, Pool
from bench.workers.process import Failed


@dataclass(frozen=True)
class Checked:
    """The findings of checking; the keys are labels."""

    lower_bound: float | None
    reference: dict[str, float]  # what the reference came to
    checks: dict[str, list[Check]]
    outcomes: dict[str, Outcome]
    runs: dict[str, list[Run]]
    losses: dict[str, list[float]]
    lab: LabReport | None  # of the first entrant whose answers agree, on the lab report's problem
    failed: Failures


def check(pool: Pool, entrants: Sequence[Entrant], reference: Reference, promises: bool = False) -> Checked:
    """Return whose answers agree; with `promises` those of the protocol that need no reference are tried, too."""
    failed = Failures()
    if reference.fault:
        wrong = {entrant.label: Failed("failed", reference.fault) for entrant in entrants}
        return Checked(None, {}, {}, {}, {}, {}, None, wrong)
    halfway, decoy, *others = map(pool.file, [reference.halfway, reference.decoy, *reference.others])
    answered = pool.side_by_side(entrants, lambda e: pool.ask(e).compute(halfway, decoy, others), failed)
    found = {entrant.label: checks.judge(reference, computed) for entrant, computed in answered}
    if promises:
        for entrant, broken in pool.side_by_side(entrants, lambda e: pool.ask(e).promise(), failed):
            found[entrant.label] += checks.promised(broken)
    outcomes = {label: checks.outcome(of) for label, of in found.items()}
    good = [(entrant, computed) for entrant, computed in answered if outcomes[entrant.label].status == "ok"]
    lab = None
    if good and reference.problem.name == lab_report.PROBLEM:
        (first, computed), svd_error = good[0], reference.lower_bound or 0.0
        lab = lab_report.lab_report(first.backend, reference.problem, computed.params, svd_error)
    return Checked(
        lower_bound=reference.lower_bound,
        reference=reference.quality,
        checks=found,
        outcomes=outcomes,
        runs={entrant.label: checks.runs(reference, computed.trained) for entrant, computed in good},
        losses={entrant.label: [float(x) for x in computed.losses] for entrant, computed in good},
        lab=lab,
        failed=failed,
    )
