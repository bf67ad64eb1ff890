"""One line on a run, its exit code, and the lines that explain it."""

from collections import Counter
from collections.abc import Iterable

from bench.console.exit import DISAGREEMENT, FAILED, GOOD
from bench.records.schema import Outcome, Record
from bench.report import trust, units
from bench.report.findings import grouped, groups_of, name

OF_THE_PROCESS = ("crashed", "timed out", "out of memory")


def exit_code(record: Record) -> int:
    """Return 1 where backends disagree, 3 where cells failed otherwise or none ran, 0 when all that was to run did."""
    outcomes = _outcomes(record)
    statuses = {outcome.status for outcome in outcomes}
    failed = any(outcome.failed for outcome in outcomes) or "ok" not in statuses
    return DISAGREEMENT if "disagrees" in statuses else FAILED if failed else GOOD


def worst(codes: Iterable[int]) -> int:
    """Return the gravest code: a disagreement or a regression comes before a failed cell, and both before none."""
    return max(codes, key=(GOOD, FAILED, DISAGREEMENT).index, default=GOOD)


def summary(record: Record) -> str:
    """Return how many cells agree and were timed, how many not and why, and what makes the run no final one."""
    groups, (ok, cells, others) = groups_of(record), counted(record)
    said = ", ".join([units.plural(cells, "cell"), f"{ok} good", *others])
    told = f"{record.id}: {said}; {units.plural(len(trust.warnings(record, groups)), 'warning')}."
    return " ".join([told, *trust.caveats(record, groups)])


def progress(record: Record) -> str:
    """Return how wide the intervals are by now; '' until there are any."""
    widths = [width for g in groups_of(record) if (width := trust.half_width(g)) is not None]
    return f"; intervals are +-{units.percent(max(widths))} by now" if widths else ""


def reasons(record: Record) -> list[str]:
    """Return why cells have no numbers, a line for each reason, failures first."""
    cells = [(e, p, g.outcome(e, p)) for g in groups_of(record) for p in g.problems for e in g.entrants]
    where: dict[tuple[str, str, str], list[str]] = {}
    for e, problem, outcome in sorted(cells, key=lambda cell: not cell[2].failed):
        if outcome.status != "ok":
            printed = e.last_output.strip().splitlines()[-1:] if outcome.status in OF_THE_PROCESS else []
            last = "".join(f"; it last printed: {units.clip(line, 200)}" for line in printed)
            why = f"{outcome.reason or 'no reason was given'}{last}"
            where.setdefault((name(e), outcome.status, why), []).append(problem)
    alike = grouped(where, lambda key: (key[1], units.listed(list(dict.fromkeys(where[key]))), key[2]))
    told = {kind: units.listed([who for who, *_ in keys]) for kind, keys in alike.items()}
    return [f"{who} {status} on {problems}: {reason}" for (status, problems, reason), who in told.items()]


def _outcomes(record: Record) -> list[Outcome]:
    return [g.outcome(e, p) for g in groups_of(record) for e in g.entrants for p in g.problems]


def counted(record: Record) -> tuple[int, int, list[str]]:
    """Return how many cells are ok, of how many, and how often each other status is there."""
    counts = Counter(outcome.status for outcome in _outcomes(record))
    ok, cells = counts.pop("ok", 0), counts.total()
    return ok, ok + cells, [f"{n} {'disagree' if s == 'disagrees' and n > 1 else s}" for s, n in counts.items()]
