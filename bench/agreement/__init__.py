"""Agreement: whether backends compute the same as the reference, and how closely they must.

`answers`     what a backend computes, in its own process; it knows neither the right answer nor the tolerances
`reference`   the gradient by hand in float64, held against central differences of its own loss
`tolerances`  what rounding alone does to the reference
`checks`      the answers against the reference: an error beside a tolerance for each
`promises`    the promises of the protocol that need no reference
`lab_report`  the lab report's two exercises in numbers
"""
