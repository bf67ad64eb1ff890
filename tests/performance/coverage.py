"""How often a 95 % interval misses, by simulation from records: `python -m tests.performance.coverage RECORD...`

The log ratios of a cell are centred and scaled to one variance, and pooled over all cells that were raced against NumPy.  From
the pool as many are drawn as a run has generations, and Student's interval of them holds the pool's mean or misses it.  What
belongs to one cell alone, as a rare slow kind of process, is diluted by the others.
"""

import sys
from pathlib import Path

import numpy as np

from bench.records.store import read
from bench.report.findings import groups_of
from bench.statistics import log_ratios, of_logs

DRAWS = 20_000


def residuals(path: Path) -> list[np.ndarray]:
    """Return the centred and scaled log ratios of every cell, an array of one length for each."""
    found = []
    for g in groups_of(read(path)):
        for e in (e for e in g.racers if g.base and e is not g.base):
            logs = [log_ratios(g.samples(e, p), g.samples(g.base, p)) for p in g.problems]
            found += [(x - x.mean()) / x.std(ddof=1) * np.sqrt(len(x) / (len(x) - 1)) for x in logs if len(x) > 2]
    return [x for x in found if len(x) == max(map(len, found))]


def missed(cells: list[np.ndarray], seed: int = 0) -> float:
    """Return the share of intervals that miss."""
    pool, rng = np.concatenate(cells), np.random.default_rng(seed)
    intervals = (of_logs(draw).interval() for draw in rng.choice(pool, (DRAWS, len(cells[0]))))
    truth = float(np.exp(pool.mean()))
    return float(np.mean([not low <= truth <= high for low, high in intervals]))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        of = residuals(Path(name))
        print(f"{name}: {len(of)} cells of {len(of[0])} generations, {missed(of):.2%} of the intervals miss")
