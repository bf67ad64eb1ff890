"""The loss alone."""

from bench.operations import Operation

OPERATION = Operation(
    name="loss",
    member="loss",
    make=lambda backend, problem: backend.loss(problem),
    returns="loss",
    losses=None,
    # In either workload a loss takes at least a third of the arithmetic of a step.
    least_flops=lambda flops, steps: flops / 3,
)
