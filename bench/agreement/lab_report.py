"""The lab report's picture in numbers: how alike the learnt factor U and the PCA scores are."""

import numpy as np

from bench.agreement.answers import Evidence
from bench.agreement.reference import Reference
from bench.records.schema import LabReport, Record
from bench.workloads import datasets, factorisation

PROBLEM = "factorisation/iris"
"""The report's first exercise."""


def keep(record: Record, backend: str, reference: Reference, evidence: Evidence) -> None:
    """Put the report into `record`, as the first backend learnt it; all of them agree."""
    if reference.problem.name == PROBLEM and record.lab is None:
        record.lab = lab_report(backend, reference, evidence)


def lab_report(backend: str, reference: Reference, evidence: Evidence) -> LabReport:
    """For PROBLEM: PCA scores and U side by side.

    `r_squared` is the share of the scores' variance that the best linear map from U explains;
    the principal angles (Bjorck and Golub 1973) lie between the two column spaces, in degrees.
    """
    # Here, not above: they take seconds to import, and one problem alone needs them.
    from scipy.linalg import subspace_angles
    from sklearn.decomposition import PCA

    problem = reference.problem
    U = np.asarray(evidence.params["U"], np.float64)
    scores = PCA(U.shape[1]).fit_transform(np.asarray(problem.batch["A"], np.float64))
    mapped = U @ np.linalg.lstsq(U, scores, rcond=None)[0]
    return LabReport(
        backend=backend,
        labels=[int(label) for label in datasets.iris()[1]],
        pca_scores=scores.tolist(),
        learnt=U.tolist(),
        r_squared=float(1 - np.sum((scores - mapped) ** 2) / np.sum((scores - scores.mean(axis=0)) ** 2)),
        principal_angles_degrees=[float(a) for a in np.degrees(subspace_angles(U, scores))],
        reconstruction_error=factorisation.quality(problem, evidence.params)["reconstruction_error"],
        svd_error=factorisation.lower_bound(problem),
    )
