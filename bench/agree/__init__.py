"""Do the backends agree, how closely they must, and why.

`evidence`   what a backend computes for the gates; runs in its own process
`reference`  the hand-derived gradient in float64, and what rounding alone does to it
`gates`      the evidence against the reference: an error beside a tolerance for each promise
"""

from bench.agree.evidence import Evidence
from bench.agree.reference import Reference

__all__ = ["Evidence", "Reference"]
