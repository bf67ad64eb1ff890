"""The race of one problem in one generation, by its steps: prepare, check, rounds.  Each returns what it found.

`prepare`         every entrant loads its library and compiles the problem
`check`           its answers are held against the reference, before anything is timed
`rounds`          the entrants take turns
`refusals`        what no honest entrant does, and samples that are no measurement
`machine_limits`  measures what the machine itself can do
"""
