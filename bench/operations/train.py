"""Gradient descent over `problem.timed_steps` steps."""

from bench.operations import Operation

OPERATION = Operation(
    name="train",
    member="trainer",
    make=lambda backend, problem: backend.trainer(problem, problem.timed_steps),
    returns="(params, losses)",
    losses=1,
    least_flops=lambda flops, steps: flops * steps,
    takes_steps=True,
)
