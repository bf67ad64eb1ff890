"""The loss and its gradient."""

from bench.operations import Operation

OPERATION = Operation(
    name="value_and_grad",
    member="value_and_grad",
    make=lambda backend, problem: backend.value_and_grad(problem),
    returns="(loss, grads)",
    losses=0,
    least_flops=lambda flops, steps: flops,
)
