"""The lab report's two exercises: its published numbers beside ours."""

from collections.abc import Sequence

from bench.records.schema import LabReport, Run
from bench.report import units
from bench.report.cells import Cell, Count, Text
from bench.report.document import Part, Section, Table
from bench.report.findings import Group, name

EXERCISE_1, EXERCISE_2 = "factorisation/iris", "mlp/iris"
DESCENT_ERROR, SVD_ERROR = 15.228847, 15.228833
TRAINING = (0.96, 0.98, 0.99, 1.00, 0.99, 0.97, 1.00, 0.99)
TEST = (0.92, 0.94, 0.92, 0.92, 0.90, 0.92, 0.94, 0.92)
"""Accuracies over eight random starts, as published."""
PUBLISHED = [f"{training:.2f} / {test:.2f}" for training, test in zip(TRAINING, TEST, strict=True)]


def runs(g: Group, problem: str, quality: str) -> dict[str, list[Run]]:
    """Return the runs that state `quality`, by seed, of every backend that agrees."""
    cells = {name(e): g.cell(e, problem) for e in g.racers if g.outcome(e, problem).status == "ok"}
    stated = {who: [r for r in cell.runs if quality in r.quality] for who, cell in cells.items() if cell}
    return {who: sorted(found, key=lambda r: r.seed) for who, found in stated.items() if found}


def section(g: Group, pictures: Sequence[Part] = ()) -> Section | None:
    """Return both exercises beside ours; None where the record has neither."""
    report, accuracies = g.record.lab, runs(g, EXERCISE_2, "test_accuracy")
    tables = [table for table in (_reconstruction(g), _accuracies(accuracies)) if table.rows]
    if not tables:
        return None
    text = (
        "A lab report published one start of the first exercise and eight of the second. It gives neither the seeds nor the"
        " split into training and test rows, so its accuracies are a range and not a target."
    )
    ours = [run.quality["test_accuracy"] for run in next(iter(accuracies.values()), [])]
    above, below = sum(x > max(TEST) for x in ours), sum(x < min(TEST) for x in ours)
    told = (
        f"Of our {len(ours)} test accuracies {above} lie above the published range and {below} below it."
        if ours
        else ""
    )
    sentences = [text, _alike(report) if report else "", told, _splits(report) if report else ""]
    return Section("The lab report", [*filter(None, sentences), *tables, *pictures], folded=True)


def _alike(report: LabReport) -> str:
    angles = units.listed([f"{angle:.3f}" for angle in report.principal_angles_degrees]) or "unknown"
    return (
        f"U as {units.code(report.backend)} learnt it is the matrix of principal components, rotated and scaled. The best"
        f" linear map from it leaves {units.percent(max(0.0, 1 - report.r_squared))} of their variance unexplained."
        f" The principal angles between the two column spaces are {angles} degrees."
    )


def _splits(report: LabReport) -> str:
    """Return where the published accuracies lie among those of many splits and starts; '' without those."""
    tests = sorted(pair[1] for pair in report.split_accuracies if len(pair) == 2)
    if not tests:
        return ""
    low, high = (tests[round(share * (len(tests) - 1))] for share in (0.025, 0.975))
    return (
        "The split moves the test accuracy more than the start does."
        f" Over {len(tests)} pairs of a split and a start, 95 % of the test accuracies lie from {low:.2f} to {high:.2f}."
        f" So do {sum(low <= test <= high for test in TEST)} of the {len(TEST)} published ones."
    )


def _reconstruction(g: Group) -> Table:
    rows = []
    if g.record.lab is not None:
        rows.append(["gradient descent", f"{g.record.lab.reconstruction_error:.6f}", f"{DESCENT_ERROR:.6f}"])
        rows.append(["truncated SVD", f"{g.record.lab.svd_error:.6f}", f"{SVD_ERROR:.6f}"])
    found = runs(g, EXERCISE_1, "reconstruction_error").values()
    if errors := [run.quality["reconstruction_error"] for some in found for run in some]:
        rows.append(["all starts and backends", f"{min(errors):.6f} to {max(errors):.6f}", f"{DESCENT_ERROR:.6f}"])
    title = f"{EXERCISE_1}: reconstruction error"
    return Table(title, ["error", "ours", "lab report"], [[Text(said) for said in row] for row in rows])


def _accuracies(found: dict[str, list[Run]]) -> Table:
    backend, ours = next(iter(found.items()), ("", []))
    rows: list[list[Cell]] = []
    for i, run in enumerate(ours):
        training = run.quality.get("train_accuracy")
        pair = f"{'-' if training is None else f'{training:.2f}'} / {run.quality['test_accuracy']:.2f}"
        rows.append([Count(i + 1), Count(run.seed), Text(pair), Text(PUBLISHED[i] if i < len(PUBLISHED) else "-")])
    same = {run.seed: run.quality for run in ours}
    others = [who for who, theirs in found.items() if any(same.get(r.seed, r.quality) != r.quality for r in theirs)]
    told = (
        f"differ in {units.listed(others)}"
        if others
        else f"are the same in {units.plural(len(found) - 1, 'other backend')}"
    )
    note = f"Ours by {backend}. From the same starts they {told}."
    return Table(f"{EXERCISE_2}: training / test accuracy", ["start", "our seed", "ours", "lab report"], rows, note)
