"""What a device beside the CPU adds: the two in one table, where the one overtakes the other, and the transfers."""

from bench.records.schema import Entrant
from bench.report import scaling, sweep, units
from bench.report.findings import Findings, name
from bench.report.tables import RATIO_NOTE, judged, size, time
from bench.report.text import Section, Table


def section(f: Findings) -> Section | None:
    """None for the CPU itself."""
    if f.device == "cpu":
        return None
    text = (
        f"Time per step on {f.device} and of the same backend on the CPU of this machine. {RATIO_NOTE} `queued`: one"
        " timed call among several that are waited for together, so without the way to the device and back. `there` and"
        " `back`: the arrays of the problem to the device and the trained parameters from it, in no timed call."
    )
    tables = [*_side_by_side(f), _crossings(f), *(_transfers(f, p) for p in f.problems)]
    return Section(f"The CPU against {f.device}", [text], tables=[table for table in tables if table.rows])


def _on_cpu(f: Findings, e: Entrant) -> Entrant | None:
    wanted = (e.backend, e.dtype, e.allocator, "cpu")
    return next((o for o in f.record.entrants if (o.backend, o.dtype, o.allocator, o.device) == wanted), None)


def _pairs(f: Findings) -> list[tuple[Entrant, Entrant]]:
    return [(e, other) for e in f.racers if (other := _on_cpu(f, e)) is not None]


def _side_by_side(f: Findings) -> list[Table]:
    headers = ["size", "backend", "cpu", f.device, "ratio"]
    return [
        Table(
            workload,
            headers,
            [
                [size(p), name(e), time(f, other, p), time(f, e, p), judged(f.compare(e, other, p))]
                for p in problems
                for e, other in _pairs(f)
            ],
        )
        for workload, problems in f.workloads.items()
    ]


def _crossings(f: Findings) -> Table:
    rows = [
        [workload, name(e), scaling.overtaking(sweep.overtakes(*(sweep.points(f, x, problems) for x in (e, other))))]
        for workload, problems in f.workloads.items()
        for e, other in _pairs(f)
    ]
    return Table(f"Flops of a step from which {f.device} stays ahead", ["workload", "backend", "from"], rows)


def _transfers(f: Findings, problem: str) -> Table:
    rows = []
    for e in f.racers:
        cell, median = f.cell(e, problem), f.median(e, problem)
        if cell is None or median is None:
            continue
        lists = (cell.device_seconds, cell.put_seconds, cell.get_seconds)
        rows.append([name(e), units.seconds(median * f.steps(problem)), *(_fastest(seconds) for seconds in lists)])
    return Table(f"{problem}: one timed call", ["backend", "waited for", "queued", "there", "back"], rows)


def _fastest(seconds: list[float]) -> str:
    return units.seconds(min(seconds)) if seconds else units.ABSENT
