"""The lab report's two exercises: its published numbers beside ours."""

from collections.abc import Sequence

from bench.report import units
from bench.report.document import Cell, Part, Section, Table
from bench.report.findings import Group, name

EXERCISE_1, EXERCISE_2 = "factorisation/iris", "mlp/iris"
DESCENT_ERROR, SVD_ERROR = 15.228847, 15.228833
TRAINING = (0.96, 0.98, 0.99, 1.00, 0.99, 0.97, 1.00, 0.99)
TEST = (0.92, 0.94, 0.92, 0.92, 0.90, 0.92, 0.94, 0.92)  # accuracies over eight random starts, as published
TEXT = "A lab report published one start of exercise 1 and eight of exercise 2, without seeds or split: a range, no target."


def section(g: Group, pictures: Sequence[Part] = ()) -> Section | None:
    """Return both exercises beside ours; None where the record has neither."""
    report, errors = g.record.lab, _values(g, EXERCISE_1, "reconstruction_error")
    rows, told = [], [TEXT]
    if report:
        rows.append(["error by descent", f"{report.reconstruction_error:.6f}", f"{DESCENT_ERROR:.6f}"])
        rows.append(["error by truncated SVD", f"{report.svd_error:.6f}", f"{SVD_ERROR:.6f}"])
        angles = units.listed([f"{angle:.3f}" for angle in report.principal_angles_degrees]) or "unknown"
        told.append(
            f"U as {units.code(report.backend)} learnt it is the matrix of principal components, rotated and scaled. The"
            f" best linear map from it leaves {units.percent(max(0.0, 1 - report.r_squared))} of their variance unexplained."
            f" The principal angles between the two column spaces are {angles} degrees."
        )
    if every := [x for some in errors.values() for x in some]:
        rows.append(["error, all starts and backends", f"{min(every):.6f} to {max(every):.6f}", f"{DESCENT_ERROR:.6f}"])
    for what, published in {"training": TRAINING, "test": TEST}.items():
        if found := _values(g, EXERCISE_2, f"{what.removesuffix('ing')}_accuracy"):
            backend, ours = next(iter(found.items()))
            ranges = [f"{min(some):.2f} to {max(some):.2f}" for some in (ours, published)]
            rows.append([f"{what} accuracy, {len(ours)} starts", *ranges])
            above, same = sum(x > max(published) for x in ours), sum(some == ours for some in found.values())
            told.append(
                f"Of our {len(ours)} {what} accuracies {above} lie above the published range."
                f" {same} of {len(found)} backends came to the same ones as {units.code(backend)}."
            )
    if tests := sorted(pair[1] for pair in report.split_accuracies if len(pair) == 2) if report else []:
        low, high = (tests[round(share * (len(tests) - 1))] for share in (0.025, 0.975))
        told.append(
            "The split moves the test accuracy more than the start does."
            f" Over {len(tests)} pairs of a split and a start, 95 % of the test accuracies lie from {low:.2f} to {high:.2f}."
            f" So do {sum(low <= test <= high for test in TEST)} of the {len(TEST)} published ones."
        )
    table = Table("Both exercises", ["what", "ours", "lab report"], [[Cell(said) for said in row] for row in rows])
    return Section("The lab report", [*told, table, *pictures], folded=True) if rows else None


def _values(g: Group, problem: str, quality: str) -> dict[str, list[float]]:
    """Return what every start came to, by the backends that agree."""
    cells = {name(e): g.cell(e, problem) for e in g.racers if g.outcome(e, problem).status == "ok"}
    stated = {who: [r.quality[quality] for r in c.runs if quality in r.quality] for who, c in cells.items() if c}
    return {who: values for who, values in stated.items() if values}
