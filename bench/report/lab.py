"""The lab report's two exercises: its published numbers beside ours."""

from bench.records.schema import Run
from bench.report import units
from bench.report.findings import Findings, name
from bench.report.text import Section, Table

EXERCISE_1, EXERCISE_2 = "factorisation/iris", "mlp/iris"
DESCENT_ERROR, SVD_ERROR = 15.228847, 15.228833
ACCURACIES = (
    (0.96, 0.92),
    (0.98, 0.94),
    (0.99, 0.92),
    (1.00, 0.92),
    (0.99, 0.90),
    (0.97, 0.92),
    (1.00, 0.94),
    (0.99, 0.92),
)
"""(training, test) over eight random starts, as published."""


def runs(f: Findings, problem: str, quality: str) -> dict[str, list[Run]]:
    """The runs that state `quality`, in the order of their seeds, of every backend that agrees."""
    found = {name(e): _stating(f, e, problem, quality) for e in f.racers if f.outcome(e, problem).status == "ok"}
    return {backend: stated for backend, stated in found.items() if stated}


def _stating(f: Findings, entrant, problem: str, quality: str) -> list[Run]:
    cell = f.cell(entrant, problem)
    return sorted((r for r in cell.runs if quality in r.quality), key=lambda r: r.seed) if cell else []


def section(f: Findings) -> Section | None:
    """None where the record has neither exercise."""
    tables = [table for table in (_exercise_1(f), _exercise_2(f)) if table is not None]
    text = (
        "The report published one start of the first exercise and eight of the second, without their seeds, its scaling,"
        " width, steps or rate: its accuracies are a range to land in, not a target."
    )
    return Section("The lab report", [text, *_alike(f)], tables=tables) if tables else None


def _alike(f: Findings) -> list[str]:
    lab = f.record.lab
    if lab is None:
        return []
    angles = ", ".join(f"{angle:.3f}" for angle in lab.principal_angles_degrees)
    said = (
        f"The scatter of U that {lab.backend} learnt is that of the principal components, rotated and scaled: the best linear"
        f" map from U to the PCA scores explains {100 * lab.r_squared:.4f} % of their variance (R^2), and the principal angles"
        f" between the two column spaces are {angles or 'unknown'} degrees."
    )
    return [said]


def _exercise_1(f: Findings) -> Table | None:
    rows = []
    if f.record.lab is not None:
        rows += [
            ["gradient descent", f"{f.record.lab.reconstruction_error:.6f}", f"{DESCENT_ERROR:.6f}"],
            ["truncated SVD", f"{f.record.lab.svd_error:.6f}", f"{SVD_ERROR:.6f}"],
        ]
    errors = [
        r.quality["reconstruction_error"] for rs in runs(f, EXERCISE_1, "reconstruction_error").values() for r in rs
    ]
    if errors:
        rows.append(
            ["descent, all starts and backends", f"{min(errors):.6f} to {max(errors):.6f}", f"{DESCENT_ERROR:.6f}"]
        )
    return Table(f"{EXERCISE_1}: reconstruction error", ["", "ours", "lab report"], rows) if rows else None


def _exercise_2(f: Findings) -> Table | None:
    found = runs(f, EXERCISE_2, "test_accuracy")
    if not found:
        return None
    backend, ours = next(iter(found.items()))
    rows = [[str(i + 1), str(run.seed), _pair(run), _published(i)] for i, run in enumerate(ours)]
    note = f"Ours by {backend}. {_same(found, backend)}"
    return Table(f"{EXERCISE_2}: accuracy, training / test", ["start", "our seed", "ours", "lab report"], rows, note)


def _pair(run: Run) -> str:
    training = run.quality.get("train_accuracy")
    return f"{units.ABSENT if training is None else format(training, '.2f')} / {run.quality['test_accuracy']:.2f}"


def _published(i: int) -> str:
    return f"{ACCURACIES[i][0]:.2f} / {ACCURACIES[i][1]:.2f}" if i < len(ACCURACIES) else "none"


def _same(found: dict[str, list[Run]], backend: str) -> str:
    """Whether one backend's answer is another's from the same start."""
    ours = {run.seed: run.quality for run in found[backend]}
    others = [who for who, theirs in found.items() if any(ours.get(r.seed, r.quality) != r.quality for r in theirs)]
    if others:
        return f"From the same start, other accuracies came from {units.listed(others)}."
    return f"{units.plural(len(found) - 1, 'other backend')} came to the same accuracies from the same starts."
