"""The findings in sentences, the verdict on a run, and its exit code.  Every number is computed from the record."""

from collections import Counter
from collections.abc import Iterable, Sequence

from bench.backend import MODES
from bench.console.exit import DISAGREEMENT, FAILED, GOOD
from bench.records.schema import OPERATIONS, Record
from bench.report import start, trust, units
from bench.report.findings import (
    Comparison,
    Findings,
    all_findings,
    by_hand,
    fastest,
    grouped,
    like_with_like,
    name,
    prototype,
    twins,
)
from bench.statistics import NEVER


def exit_code(found: Sequence[Findings]) -> int:
    """1 where backends disagree, 3 where cells failed otherwise or none ran, 0 when all that was to run did."""
    empty = [cell.outcome for f in found for cell in f.empty_cells()]
    if any(outcome.status == "disagrees" for outcome in empty):
        return DISAGREEMENT
    ran = any(f.outcome(e, p).status == "ok" for f in found for e in f.entrants for p in f.problems)
    return FAILED if any(outcome.failed for outcome in empty) or not ran else GOOD


def worst(codes: Iterable[int]) -> int:
    """A disagreement or a regression comes before a failed cell, and both before none."""
    return max(codes, key=(GOOD, FAILED, DISAGREEMENT).index, default=GOOD)


def summary(record: Record, found: Sequence[Findings]) -> str:
    """The verdict line: how many cells agree and were timed, how many not, and why; then what makes it no final one."""
    cells = sum(len(f.entrants) * len(f.problems) for f in found)
    empty = [cell.outcome.status for f in found for cell in f.empty_cells()]
    said = [f"{units.plural(cells, 'cell')}, {cells - len(empty)} good"]
    said += _counted(empty)
    told = f"{record.id}: {', '.join(said)}; {units.plural(len(trust.warnings(record, found)), 'warning')}."
    return " ".join([told, *trust.caveats(record, found)])


def widths(record: Record) -> str:
    """How wide the intervals are by now, once there are any: beside a line of progress."""
    found = [width for f in all_findings(record) if (width := trust.half_width(f)) is not None]
    return f"; intervals are +-{units.percent(max(found))} by now" if found else ""


def agreement_summary(found: Sequence[Findings]) -> str:
    """The last line of `bench.agree`."""
    words = [f.outcome(e, p).status for f in found for e in f.entrants for p in f.problems]
    ok = words.count("ok")
    said = [f"{units.plural(ok, 'cell')} of {len(words)} {'agrees' if ok == 1 else 'agree'}"]
    return ", ".join(said + _counted(word for word in words if word != "ok")) + "."


def _counted(words: Iterable[str]) -> list[str]:
    return [f"{n} {'disagree' if word == 'disagrees' and n > 1 else word}" for word, n in Counter(words).items()]


def findings(f: Findings) -> list[str]:
    """Three to six sentences on one dtype on one device; the first on agreement, the last on trust."""
    if not f.problems or all(f.median(e, p) is None for p in f.problems for e in f.entrants):
        timed = any(f.samples(e, p, op) for e in f.entrants for p in f.problems for op in OPERATIONS)
        if timed:
            return [
                _agree(f),
                "No descent was raced, so no backend is said to be faster.",
                "What was raced stands below.",
            ]
        return [_agree(f), "Nothing was timed, so there is no speed to compare.", "The reasons stand below."]
    said = [_agree(f), _overhead(f), _like(f), _fastest(f), _paid(f), _control(f)]
    return [sentence for sentence in said if sentence]


def _agree(f: Findings) -> str:
    words = [f.outcome(e, p).status for p in f.problems for e in f.entrants]
    wrong, ok = words.count("disagrees"), words.count("ok")
    if wrong:
        return f"{units.plural(wrong, 'cell')} of {wrong + ok} DISAGREE with the float64 reference, or break a promise, and are not timed."
    if not ok:
        return "No cell ran to its end, so nothing is known to agree."
    return (
        f"All {ok} cells that ran agree with the float64 reference."
        if ok > 1
        else "The cell that ran agrees with the float64 reference."
    )


def _overhead(f: Findings) -> str:
    """Each original's largest and smallest decided overhead, or that there is none to be seen."""
    found = [c for pair in twins(f) for p in f.problems if (c := f.compare(*pair, p)).interval is not None]
    by_original = grouped(found, lambda c: name(c.a))
    costs = grouped(by_original, lambda original: _cost(by_original[original]))
    if not costs:
        return "The autodiff overhead is not known: no backend ran beside its by-hand twin."
    return f"Autodiff overhead, time over that of the gradient derived by hand: {'; '.join(f'{units.listed(names)} {cost}' for cost, names in costs.items())}."


def _cost(found: list[Comparison]) -> str:
    decided = sorted((c for c in found if c.verdict != "undecided"), key=lambda c: -c.ratio.value)
    rest = len(found) - len(decided)
    if not decided:
        return f"within the noise on {_all(len(found))}"
    ends = [decided[0]] if len(decided) == 1 else [decided[0], decided[-1]]
    said = " and ".join(f"{units.times(c.ratio)} on {c.problem}" for c in ends)
    return said + (f" (within the noise on {rest} of {len(found)})" if rest else "")


def _all(n: int) -> str:
    return "the one problem" if n == 1 else f"all {n} problems"


def _like(f: Findings) -> str:
    """Libraries in the same mode: how often the one is faster than the other."""
    said = []
    for mode in MODES:
        for a, b in like_with_like(f, mode):
            found = [c for p in f.problems if (c := f.compare(a, b, p)).interval is not None]
            if found:
                said.append(f"{name(a)} against {name(b)} {_tally(found)}")
    return f"In the same mode: {'; '.join(said)}." if said else ""


def _tally(found: Iterable[Comparison]) -> str:
    """`faster on 5, slower on 2, undecided on 1`."""
    verdicts = [c.verdict for c in found]
    return ", ".join(
        f"{word} on {verdicts.count(word)}" for word in ("faster", "slower", "undecided") if word in verdicts
    )


def _fastest(f: Findings) -> str:
    """Who leads how often, and the widest margin over the reference."""
    winners = [(p, winner) for p in f.problems if (winner := fastest(f, p)) is not None]
    names = [name(winner) for _, winner in winners]
    led = [f"{w} on {names.count(w)}" for w in sorted(dict.fromkeys(names), key=lambda w: -names.count(w))]
    said = f"The least time per step: {units.listed(led)} of {units.plural(len(winners), 'problem')}"
    margins = [f.compare(w, f.reference, p) for p, w in winners if f.reference and w is not f.reference]
    decided = [c for c in margins if c.verdict == "faster"]
    if not decided or f.reference is None:
        return f"{said}."
    widest = min(decided, key=lambda c: c.ratio.value)
    return f"{said}; most clearly {name(widest.a)}{prototype(widest.a)} at {units.times(widest.ratio)} the time of {name(widest.b)} on {widest.problem}."


def _paid(f: Findings) -> str:
    """The dearest first call with autodiff, and after how many steps it has paid for itself."""
    calls = [
        (seconds, i, p)
        for i, e in enumerate(f.racers)
        for p in f.problems
        if e.mode != "eager" and not by_hand(e) and (seconds := start.first_call(f, e, p, "cold"))
    ]
    if not calls:
        return ""
    seconds, i, problem = max(calls)
    entrant = f.racers[i]
    first = ", which as the first problem pays what a library does once a process" if problem == f.problems[0] else ""
    said = f"The dearest first call with autodiff is {name(entrant)}'s on {problem}{first}: {units.seconds(seconds)} with cold caches"
    paid = start.breaks_even(f, entrant, problem, "cold")
    if paid is None or f.reference is None:
        return f"{said}."
    if paid.steps == NEVER:
        return f"{said}; against {name(f.reference)} it never pays for itself."
    return f"{said}; against {name(f.reference)} it has paid for itself after {steps(paid)} steps, in brackets the least and the most of a generation."


def steps(paid: start.BreakEven) -> str:
    """`350k [310k, 420k]`, or `never`."""
    value, least, most = ("never" if x == NEVER else units.count(x) for x in paid)
    return value if value == least == most else f"{value} [{least}, {most}]"


def _control(f: Findings) -> str:
    floor, width = trust.control_floor(f), trust.half_width(f)
    if floor is None:
        return "No control raced, so the noise of the machine is not known."
    said = (
        f"In train the interval of identical code against itself reached {units.percent(floor)} away from 1 at the most"
    )
    return said + (f"; the median half-width of the intervals is {units.percent(width)}." if width is not None else ".")
