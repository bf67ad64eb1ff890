"""The best loops one would write by hand for the factorisation, with no interface in between.

`python -m bench.interface` races every mode against its bare loop: what the suite's shapes - dicts,
exchangeable gradients and loops - cost a call is their ratio.  A bare loop names its arrays, knows
its loss, and shares with the suite only how arrays are put, got and waited for.
"""
