"""A compiled mode dispatches what its name says: the whole step, or the whole descent, as one program."""

import re

import pytest

from bench.workloads import pose
from tests.conftest import NUM_STEPS, SMALL, loaded

torch = pytest.importorskip("torch")

PROGRAMS = [
    ("torch-compile", "factorisation"),
    ("torch-compile", "mlp"),
    ("torch-compile-by-hand", "factorisation"),
    ("torch-compile-by-hand", "mlp"),
    ("torch-compile-tuned", "mlp"),
    ("torch-scan", "factorisation"),  # torch refuses to compile a scan with a break
]


def trained(name: str, problem_name: str) -> dict:
    """Return the counters of torch's compiler after one descent; programs that were compiled before are on the disk."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    backend, problem = loaded(name), pose(problem_name)
    backend.wait(backend.trainer(problem, NUM_STEPS)(backend.put(problem.params), backend.put(problem.batch)))
    return torch._dynamo.utils.counters


@pytest.mark.parametrize(("name", "workload"), PROGRAMS)
def test_a_compiled_mode_is_one_graph_without_a_break_and_found_on_the_disk_the_next_time(name: str, workload: str):
    counters = trained(name, SMALL[workload])
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 1
    assert trained(name, SMALL[workload])["inductor"]["fxgraph_cache_hit"] == 1


@pytest.mark.parametrize("name", ["torch-compile", "torch-scan"])
def test_a_second_problem_is_compiled_for_its_own_shapes(name: str):
    """Dynamo would take it for the first one's program, called with other shapes."""
    backend = loaded(name)
    for size in (SMALL["factorisation"], "factorisation/30x9r3"):
        problem = pose(size)
        backend.wait(backend.trainer(problem, NUM_STEPS)(backend.put(problem.params), backend.put(problem.batch)))
        assert torch._dynamo.utils.get_compilation_metrics()[-1].shape_env_guard_count == 0


def test_tf32_is_the_algorithm_of_jax_products_on_a_gpu_and_not_a_hint():
    import jax

    from backends.jax.loops import PRECISION

    problem = pose(SMALL["factorisation"])
    with jax.default_matmul_precision(PRECISION["tf32"]):
        gradient = jax.jit(loaded("jax-jit").gradient("factorisation"))
        traced = gradient.trace(dict(problem.params), dict(problem.batch))
        program = traced.lower(lowering_platforms=("cuda",)).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line]
    assert len(products) == 3
    assert all("lhs_precision_type = tf32" in line for line in products)


def test_xla_doubles_the_residual_with_autodiff_and_by_hand_the_smaller_products():
    """What README says of where autodiff's cost on the larger factorisations lies."""
    import jax

    problem = pose("factorisation/300x200r8")

    def arrays_of_the_residuals_size(name: str) -> int:
        gradient = jax.jit(loaded(name).gradient("factorisation"))
        program = gradient.lower(dict(problem.params), dict(problem.batch)).compile().as_text()
        return len(
            re.findall(r"^ *%\S+ = f32\[300,200\]\S* (?!parameter)", program.partition("ENTRY")[2], re.MULTILINE)
        )

    assert arrays_of_the_residuals_size("jax-jit") == arrays_of_the_residuals_size("jax-jit-by-hand") + 1
