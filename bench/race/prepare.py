"""Getting ready: every entrant loads its library, compiles the problem, and is judged before it takes a turn."""

from typing import Literal

from bench.agreement import checks, lab_report
from bench.agreement.answers import Evidence
from bench.agreement.reference import Reference
from bench.problem import Problem
from bench.race import sanity_checks
from bench.records.schema import Cell, Entrant, FirstCall, Outcome, ProblemFacts, Record
from bench.statistics import spread
from bench.workers import messages
from bench.workers.pool import Workers, keeps_its_cache
from bench.workers.process import THREADS, Failed


class Preparation:
    """Every core prepares one entrant at a time; knows what this run has compiled, and every reference."""

    def __init__(self, workers: Workers, conformance: bool = False) -> None:
        """With `conformance` every promise of the protocol is tried, too."""
        self.workers, self.conformance = workers, conformance
        self._references: dict[tuple[str, str], Reference] = {}
        self._compiled: set[tuple[str, str, str]] = set()

    def reference(self, problem: Problem) -> Reference:
        return self._references.setdefault((problem.name, problem.dtype), Reference(problem))

    def ready(self, generation: int, problem: Problem, first: bool) -> list[Entrant]:
        """The entrants that are ready to take turns; agreement is judged the `first` time."""
        entering = [e for e in self.workers.record.entrants if e.dtype == problem.dtype and self._may_enter(e, problem)]
        for entrant in entering:
            self.workers.start(entrant)
        # Libraries take seconds to import and to find the GPU, which compiling alone needs for itself.
        self.workers.each([e for e in entering if e.device != "cpu"], problem, self._load, gpu_alone=False)

        def prepare(entrant: Entrant) -> messages.Prepared:
            self._load(entrant)
            return self._compile(entrant, problem, generation)

        prepared = [entrant for entrant, _ in self.workers.each(entering, problem, prepare)]
        if first:
            self._judge_all(prepared, self.reference(problem))
        return [entrant for entrant in prepared if self.workers.cell(entrant, problem).outcome.status == "ok"]

    def _may_enter(self, entrant: Entrant, problem: Problem) -> bool:
        """Not when the entrant cannot run at all, nor when this cell or a smaller one of its kind has failed."""
        cell = self.workers.cell(entrant, problem)
        if entrant.outcome.status not in ("pending", "ok"):
            cell.outcome = entrant.outcome
            cell.samples.clear()
        elif cell.outcome.status == "pending":
            cell.outcome = _too_much(self.workers.record, entrant, problem)
        return cell.outcome.status in ("pending", "ok")

    def _load(self, entrant: Entrant) -> None:
        worker = self.workers.of(entrant)
        if worker.loaded is not None:
            return
        loaded = worker.ask(messages.Load(entrant.backend, entrant.device, entrant.dtype), self.workers.deadline)
        worker.loaded = loaded
        entrant.outcome = Outcome(status="ok")
        entrant.import_seconds.append(loaded.import_seconds)
        entrant.mode, entrant.versions, entrant.threads, entrant.core = (
            loaded.mode,
            loaded.versions,
            THREADS,
            next(iter(self.workers.racing_cores), None),
        )

    def _compile(self, entrant: Entrant, problem: Problem, generation: int) -> messages.Prepared:
        worker, known = self.workers.of(entrant), (entrant.label, problem.name, problem.dtype)
        request = messages.Prepare(problem, self.workers.operations(entrant))
        try:
            prepared = worker.ask(request, self.workers.deadline)
        except Failed as failure:
            failure.outcome.reason += sanity_checks.steered(entrant, self.workers.record.environment)
            raise
        if entrant.mode != "eager" and request.operations and prepared.compilations == 0:
            raise Failed("failed", sanity_checks.uncompiled(entrant, self.workers.record.environment))
        cache: Literal["cold", "warm"] = "warm" if known in self._compiled and keeps_its_cache(entrant) else "cold"
        self._compiled.add(known)
        self.workers.cell(entrant, problem).first_calls += [
            FirstCall(generation=generation, operation=operation, seconds=seconds, cache=cache)
            for operation, seconds in prepared.first_call_seconds.items()
        ]
        return prepared

    def _judge_all(self, prepared: list[Entrant], reference: Reference) -> None:
        """Once every first call has been timed: the reference's own descents would take a core from one."""
        if reference.fault:
            for entrant in prepared:
                cell = self.workers.cell(entrant, reference.problem)
                self.workers.fail(entrant, cell, Failed("failed", reference.fault))
            return
        self._keep_facts(reference)
        asked = messages.Testify(reference.halfway, reference.decoy, reference.others)
        for entrant, evidence in self.workers.each(prepared, reference.problem, lambda e: self.workers.ask(e, asked)):
            self._judge(entrant, reference, evidence)
        if self.conformance:
            self._try_promises(prepared, reference.problem)

    def _try_promises(self, prepared: list[Entrant], problem: Problem) -> None:
        promise = messages.Promise()
        for entrant, promised in self.workers.each(prepared, problem, lambda e: self.workers.ask(e, promise)):
            cell = self.workers.cell(entrant, problem)
            cell.checks += checks.promised(promised.broken)
            cell.outcome = checks.outcome(cell.checks)

    def _keep_facts(self, reference: Reference) -> None:
        facts = self.workers.record.facts(reference.problem.name, reference.problem.dtype)
        facts.lower_bound = reference.lower_bound
        facts.reference = checks.quality(reference, reference.truth.params) | {
            "last_loss": float(reference.truth.losses[-1])
        }

    def _judge(self, entrant: Entrant, reference: Reference, evidence: Evidence) -> None:
        cell = self.workers.cell(entrant, reference.problem)
        cell.checks = checks.judge(reference, evidence)
        cell.outcome = checks.outcome(cell.checks)
        if cell.outcome.status == "ok":
            cell.runs, cell.losses = (
                checks.runs(reference, evidence.trained),
                [float(x) for x in evidence.losses],
            )
            lab_report.keep(self.workers.record, entrant.backend, reference, evidence)


def _too_much(record: Record, entrant: Entrant, problem: Problem) -> Outcome:
    """`skipped` where a smaller problem of the workload was too much already, or says that this one would be."""
    smaller = _smaller(record, entrant, problem)
    for facts, cell in smaller:
        if cell.outcome.status in ("timed out", "out of memory"):
            return Outcome(status="skipped", reason=f"{cell.outcome.status} on {facts.name}, which is smaller")
    limit = record.settings.slowest_step_seconds
    timed = [(f, s) for f, cell in smaller if (s := [x for x in cell.samples if x.operation == "train"])]
    if limit is None or not timed:
        return Outcome()
    nearest, samples = max(timed, key=lambda pair: pair[0].flops)
    step = spread(samples).median / nearest.timed_steps * problem.flops / nearest.flops
    if step <= limit:
        return Outcome()
    reason = f"a step would take about {step:.2g} s, by that of {nearest.name}; the limit is {limit:g} s"
    return Outcome(status="skipped", reason=reason)


def _smaller(record: Record, entrant: Entrant, problem: Problem) -> list[tuple[ProblemFacts, Cell]]:
    """The entrant's cells on problems of the same workload with fewer flops."""
    facts = {
        p.name: p
        for p in record.problems
        if (p.workload, p.dtype) == (problem.workload, entrant.dtype) and p.flops < problem.flops
    }
    cells = [c for c in record.cells if (c.entrant, c.dtype) == (entrant.label, entrant.dtype)]
    return [(facts[c.problem], c) for c in cells if c.problem in facts]
