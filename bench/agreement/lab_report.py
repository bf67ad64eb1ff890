"""The lab report in numbers: how alike learnt factor and PCA scores are, and how far a split moves the accuracies."""

import numpy as np

import backends
from bench.backend import REFERENCE
from bench.problem import Arrays, Problem
from bench.records.schema import LabReport
from bench.workloads import datasets, factorisation, mlp

PROBLEM = "factorisation/iris"
"""The first exercise."""
SPLITS, STARTS = 20, 8
"""Shuffles of the second exercise's rows, and starts of each."""


def lab_report(backend: str, problem: Problem, params: Arrays, svd_error: float) -> LabReport:
    """Return PCA scores and the factor U that `backend` learnt from PROBLEM, side by side.

    `r_squared` is the share of the scores' variance that the best linear map from U explains.  The principal angles
    (Bjorck and Golub 1973) lie between the two column spaces, in degrees.
    """
    from scipy.linalg import subspace_angles  # takes seconds to import, and one problem alone needs it
    from sklearn.decomposition import PCA

    U = np.asarray(params["U"], np.float64)
    scores = PCA(U.shape[1]).fit_transform(np.asarray(problem.batch["A"], np.float64))
    mapped = U @ np.linalg.lstsq(U, scores, rcond=None)[0]
    return LabReport(
        backend=backend,
        labels=[int(label) for label in datasets.iris()[1]],
        pca_scores=scores.tolist(),
        learnt=U.tolist(),
        r_squared=float(1 - np.sum((scores - mapped) ** 2) / np.sum((scores - scores.mean(axis=0)) ** 2)),
        principal_angles_degrees=[float(a) for a in np.degrees(subspace_angles(U, scores))],
        reconstruction_error=factorisation.quality(problem, params)["reconstruction_error"],
        svd_error=svd_error,
        split_accuracies=_split_accuracies(),
    )


def _split_accuracies() -> list[list[float]]:
    """Return [training, test] accuracy of the second exercise for every split and start, by the reference."""
    numpy, found = backends.load(REFERENCE, "cpu", "float32"), []
    for split in range(SPLITS):
        for seed in range(STARTS):
            problem = mlp.iris("float32", seed, split)
            params, _ = numpy.trainer(problem, problem.num_steps)(problem.params, problem.batch)
            found.append(list(mlp.quality(problem, dict(params)).values()))
    return found
