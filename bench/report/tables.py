"""The findings as sections of tables, with their headings and the notes below them."""

from collections.abc import Sequence

from bench.backend import MODES, REFERENCE
from bench.records.schema import Entrant, Record
from bench.report import start, units, words
from bench.report.findings import (
    Comparison,
    Empty,
    Findings,
    Gated,
    fastest,
    gated,
    grouped,
    like_with_like,
    name,
    nearest,
    overheads,
    prototype,
    twins,
)
from bench.report.text import Section, Table
from bench.statistics import ratio

RATIO_NOTE = (
    "A ratio is of turns side by side, so it need not be the quotient of two medians; where the reference entered twice,"
    " both its processes count. In brackets the 95 % interval over the generations; `~` marks a ratio that cannot be told"
    " from 1, or from the control's own spread."
)
OF_THE_PROCESS = ("crashed", "timed out", "out of memory")
GATES = {"gradient": ("gradient",), "trajectory": ("trajectory", "loss"), "end": ("trained params", "end state")}
"""Column of the agreement table: words in the names of the gates it stands for."""


def size(problem: str) -> str:
    """`2000x1000r32` of `factorisation/2000x1000r32`."""
    return problem.partition("/")[2] or problem


def judged(c: Comparison) -> str:
    """The ratio with its interval, and `~` behind it when it is undecided."""
    return (
        units.ABSENT if c.interval is None else units.interval(c.interval) + (" ~" if c.verdict == "undecided" else "")
    )


def overhead(f: Findings) -> Section | None:
    if not twins(f):
        return None
    tables = []
    for workload, problems in f.workloads.items():
        rows = [_overhead_row(f, c) for p in problems for c in overheads(f, p)]
        tables.append(Table(workload, ["size", "backend", "time / by hand", "extra a step"], rows))
    text = (
        "Time per step with the library's autodiff over the time of the same library in the same mode with the gradient"
        " derived by hand. In brackets the 95 % interval over the generations. `extra a step` is what the ratio is beyond 1,"
        " times the time by hand; `undecided` where the ratio cannot be told from 1, or from the control's own spread. Below 1 autodiff gains: the library's"
        " backward pass beats the operations in which the gradient is written by hand."
    )
    return Section("Autodiff overhead", [text], tables=tables)


def _overhead_row(f: Findings, c: Comparison) -> list[str]:
    if c.interval is None:
        empty = next((e for e in (c.a, c.b) if not f.samples(e, c.problem)), c.a)
        said = word(f, empty, c.problem)
        return [size(c.problem), name(c.a), said if empty is c.a else f"by hand: {said}", ""]
    return [size(c.problem), name(c.a), units.interval(c.interval), _extra(f, c)]


def _extra(f: Findings, c: Comparison) -> str:
    """Seconds; of the ratio, and not of two medians, which may differ the other way."""
    by_hand = f.median(c.b, c.problem)
    if c.verdict == "undecided" or c.interval is None or by_hand is None:
        return "undecided"
    value, *ends = [(end - 1) * by_hand for end in c.interval if end is not None]
    return units.seconds(value, (ends[0], ends[1]))


def word(f: Findings, entrant: Entrant, problem: str) -> str:
    """What fills an empty cell."""
    found = f.outcome(entrant, problem).status
    return units.ABSENT if found == "ok" else found


def like(f: Findings) -> Section | None:
    tables = []
    for mode in MODES:
        for a, b in like_with_like(f, mode):
            rows = [[p, time(f, a, p), time(f, b, p), judged(f.compare(a, b, p))] for p in f.problems]
            headers = ["problem", name(a), name(b), "ratio"]
            tables.append(Table(f"{mode}: {name(a)} / {name(b)}", headers, rows))
    text = f"Time per step of two libraries in the same mode. {RATIO_NOTE}"
    return Section("Libraries in the same mode", [text], tables=tables) if tables else None


def time(f: Findings, entrant: Entrant, problem: str) -> str:
    median = f.median(entrant, problem)
    return word(f, entrant, problem) if median is None else units.seconds(median)


def across(f: Findings) -> Section:
    reference = "" if f.reference is None else f" and against {name(f.reference)}"
    on_device = "" if f.device == "cpu" else " `memory`: the most that lay on the device during one `train`."
    text = (
        f"Median time per step of `train`, against the fastest{reference}. {RATIO_NOTE} `grad/loss`: value_and_grad over"
        " loss, of eager modes and compiled steps. `first call`: of `train`, with cold / warm caches. `pays after`: the steps"
        " after which the cold first call is made up for against the reference, with the least and the most of the"
        f" generations.{on_device} Compare backends of the same mode first."
    )
    return Section("Time per step, all backends", [text], tables=[_problem_table(f, p) for p in f.problems])


def _problem_table(f: Findings, problem: str) -> Table:
    against = [] if f.reference is None else [f"against {name(f.reference)}"]
    headers = [
        "backend",
        "a step",
        "against fastest",
        *against,
        "grad/loss",
        "first call",
        "pays after (steps)",
        *([] if f.device == "cpu" else ["memory"]),
    ]
    rows = [[name(e), *_measurements(f, e, problem)] for e in f.entrants]
    facts = f.facts(problem)
    work = "" if facts is None else f": {units.count(facts.flops)} flops a step, {facts.timed_steps} steps a timed call"
    return Table(f"{problem}{work}", headers, rows)


def _measurements(f: Findings, e: Entrant, problem: str) -> list[str]:
    """All columns but the first; each of them the outcome's word where the cell is empty."""
    if not f.samples(e, problem):
        return [word(f, e, problem)] * (5 + (f.reference is not None) + (f.device != "cpu"))
    best = fastest(f, problem)
    gradient = f.ratio(e, e, problem, "value_and_grad", "loss")
    against = (
        [] if f.reference is None else ["reference" if e is f.reference else judged(f.compare(e, f.reference, problem))]
    )
    return [
        time(f, e, problem),
        "fastest" if e is best else judged(f.compare(e, best, problem)) if best else units.ABSENT,
        *against,
        units.ABSENT if gradient is None else units.interval(gradient),
        first_calls(f, e, problem),
        paid_after(f, e, problem),
        *([] if f.device == "cpu" else [memory(f, e, problem)]),
    ]


def memory(f: Findings, e: Entrant, problem: str) -> str:
    """Return the most that lay on the device."""
    peak = start.peak_bytes(f, e, problem)
    return units.ABSENT if peak is None else units.bytes_(peak)


def allocators(record: Record) -> Section | None:
    """Return what keeping freed memory does to each backend; None for a record of one allocator."""
    default, kept = (
        (Findings(record, *key) for key in _both(record)) if len(record.settings.allocators) > 1 else (None, None)
    )
    if default is None or kept is None:
        return None
    rows = []
    for e in default.racers:
        other = kept.named(e.backend)
        found = [ratio(default.samples(e, p), kept.samples(other, p)) if other else None for p in default.problems]
        rows.append([name(e), *(units.ABSENT if x is None else units.interval(x) for x in found)])
    text = (
        "Time per step by glibc's allocator as it comes, over that of the same backend whose process keeps the memory that it"
        " frees. In brackets the 95 % interval over the generations."
    )
    return Section("The allocator", [text], tables=[Table("default / kept", ["backend", *default.problems], rows)])


def _both(record: Record) -> list[tuple[str, str, str]]:
    """Return the keys of the findings of either allocator, on the record's first device."""
    first = record.entrants[0]
    return [(first.dtype, first.device, allocator) for allocator in ("default", "kept")]


def first_calls(f: Findings, e: Entrant, problem: str) -> str:
    cold, warm = start.first_call(f, e, problem, "cold"), start.first_call(f, e, problem, "warm")
    if cold is None and warm is None:
        return units.ABSENT
    return " / ".join("-" if call is None else units.seconds(call) for call in (cold, warm))


def paid_after(f: Findings, e: Entrant, problem: str) -> str:
    if e.mode == "eager":
        return "no compiling"
    paid = start.breaks_even(f, e, problem, "cold")
    return words.steps(paid) if paid else units.ABSENT


def agreeing(f: Findings) -> Section:
    found = gated(f, f.problems)
    failures = [
        f"{name(g.entrant)} on {g.problem} fails {g.gate.name}: {g.gate.what}" for g in found if not g.gate.passed
    ]
    text = (
        "Every backend must pass every gate before it takes a turn. Shown is, of each gate and of each backend, the cell that"
        " came nearest to its tolerance, a small multiple of what rounding alone does. The reference is the hand-derived"
        " gradient in float64."
    )
    if not found:
        return Section("Agreement", ["No gate was tried."])
    return Section("Agreement", [text], failures, [*_by_gate(f), _by_backend(f, found)])


def agreeing_in_full(f: Findings) -> Section:
    """Every backend on every problem, with the gate of each kind that came nearest to its tolerance."""
    text = (
        "Error / tolerance against the hand-derived gradient in float64: of the gates of each kind, the one that came"
        " nearest. A tolerance is a small multiple of what rounding alone does to the reference."
    )
    headers = ["backend", *GATES, "verdict"]
    found = [Table(p, headers, [_gate_row(f, e, p) for e in f.entrants]) for p in f.problems]
    return Section(f"Agreement ({f.title})", [text], tables=found)


def _gate_row(f: Findings, e: Entrant, problem: str) -> list[str]:
    mine = [g for g in gated(f, [problem]) if g.entrant is e]
    kinds = [[g for g in mine if any(word in g.gate.name for word in words)] for words in GATES.values()]
    return [
        name(e),
        *(_error(nearest(kind)) if kind else units.ABSENT for kind in kinds),
        _said(f.outcome(e, problem).status),
    ]


def _said(word: str) -> str:
    return {"ok": "pass", "disagrees": "FAIL"}.get(word, word)


def _by_gate(f: Findings) -> list[Table]:
    tables = []
    for workload, problems in f.workloads.items():
        by_gate = grouped(gated(f, problems), lambda g: g.gate.name)
        worst = {gate: nearest(found) for gate, found in by_gate.items()}
        rows = [[gate, _error(g), f"{name(g.entrant)} on {size(g.problem)}"] for gate, g in worst.items()]
        tables += [Table(workload, ["gate", "error / tolerance", "nearest"], rows)] if rows else []
    return tables


def _by_backend(f: Findings, found: list[Gated]) -> Table:
    by_backend = grouped(found, lambda g: name(g.entrant))
    rows = [
        [who, f"{sum(g.gate.passed for g in mine)} of {len(mine)}", _error(worst), worst.gate.name]
        for who, mine in by_backend.items()
        for worst in [nearest(mine)]
    ]
    return Table("By backend", ["backend", "passed", "error / tolerance", "nearest gate"], rows)


def _error(g: Gated) -> str:
    """A gate that allows no error is a promise, kept or broken."""
    error = "not finite" if g.gate.error is None else f"{g.gate.error:.0e}"
    if g.gate.tolerance == 0:
        return "kept" if g.gate.passed else "broken"
    return f"{error} / {g.gate.tolerance:.0e}{'' if g.gate.passed else ' FAILED'}"


def entrants(f: Findings) -> Section:
    headers = ["backend", "mode", "threads", "import", "busy", "versions"]
    rows = [
        [name(e), (e.mode or "unknown") + prototype(e), str(e.threads or "unknown"), _import(e), _busy(e), _versions(e)]
        for e in f.entrants
    ]
    note = "`threads`: the limit that was set. `busy`: the threads that took processor time in a race, by turns where the core is one."
    return Section("The backends", tables=[Table("As they entered", headers, rows, note)])


def _busy(e: Entrant) -> str:
    return span(e.busy_threads) if e.busy_threads else units.ABSENT


def span(values: Sequence[float]) -> str:
    """`2`, or `2 to 3`."""
    return " to ".join(dict.fromkeys(units.number(x) if x % 1 else f"{x:.0f}" for x in (min(values), max(values))))


def _import(e: Entrant) -> str:
    if e.library == REFERENCE:
        return "with the harness"  # which computes with NumPy, too, and has it loaded before
    found = start.import_seconds(e)
    return (units.ABSENT if e.outcome.status == "ok" else e.outcome.status) if found is None else units.seconds(found)


def _versions(e: Entrant) -> str:
    return ", ".join(f"{library} {version}" for library, version in e.versions.items()) or "unknown"


def reasons(f: Findings) -> list[Section]:
    """Why cells are empty: one line for each reason, failures first."""
    cells = sorted(f.empty_cells(), key=lambda cell: not cell.outcome.failed)
    found = grouped(cells, lambda cell: (name(cell.entrant), cell.outcome.status, _why(cell)))
    alike = grouped(found, lambda key: (*key[1:], units.listed([cell.problem for cell in found[key]])))
    items = [
        f"{units.listed([who for who, *_ in keys])} {what} on {problems}: {why}"
        for (what, why, problems), keys in alike.items()
    ]
    return [Section(f"Empty cells ({f.title})", items=items)] if items else []


def _why(cell: Empty) -> str:
    """The reason; where the process failed, and not its answer, the last line that it printed, too."""
    printed = cell.entrant.last_output.strip().splitlines() if cell.outcome.status in OF_THE_PROCESS else []
    last = f"; it last printed: {units.clip(printed[-1], 200)}" if printed else ""
    return (cell.outcome.reason or "no reason was given") + last
