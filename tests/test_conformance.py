"""`python -m bench.agree --conformance` holds a backend to every promise and every value, in one command."""

import re
import subprocess
import sys

import pytest

from tests.running import ROOT

HERE = "tests.faults.backends:"
WRONG = {
    "AllZero": "gradient",
    "SignFlipped": "gradient",
    "OnePercentShort": "gradient",
    "AThousandthLong": "gradient",
    "OneElementMissing": "gradient",
    "Float32Upcast": "gradient",
    "NanInOnePlace": "form",
    "Infinite": "form",
    "OtherDtype": "form",
    "ShapeThatBroadcasts": "form",
    "ScalarForArray": "form",
    "Empty": "form",
    "Stale": "gradient halfway",
    "StaleValue": "loss",
    "MeanBesideTheGradient": "loss",
    "RemembersByShape": "loss",
    "RemembersTheBatch": "loss",
    "Foreseen": "loss",
    "WrongWhenLarge": "gradient",
    "OneBuffer": "outputs kept",
    "Meddling": "arguments untouched",
    "Lazy": "waits",
    "LazyInPart": "waits",
    "LazyGradient": "waits",
    "Nondeterministic": "repeatable",
    "DropsAStep": "trajectory",
    "Diverging": "form",
    "AliasesWhatItIsGiven": "put copies",
    "LosesPayloads": "arrays return",
    "MakesListsOfTuples": "trees return",
    "WrongWhenShort": "one step",
    "NeverQuiteStill": "no step",
}
"""What each faulty backend computes wrongly, by the promise that says so first."""


def conformance(names: list[str], problems: list[str]) -> tuple[int, dict[str, str]]:
    """Return the exit code of one command, and its line on each backend."""
    chosen = [x for name in names for x in ("--backend", name)] + [x for name in problems for x in ("--problem", name)]
    command = [sys.executable, "-m", "bench.agree", "--conformance", *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    promises = re.split("Warnings|Agreement", done.stdout.partition("Promises")[2])[0]
    lines = re.split(r"^- ", promises, flags=re.MULTILINE)[1:]
    return done.returncode, {(text := " ".join(line.split())).split()[0]: text.partition(" ")[2] for line in lines}


@pytest.fixture(scope="module")
def told() -> tuple[int, dict[str, str]]:
    return conformance([HERE + name for name in WRONG] + ["numpy"], ["factorisation/300x50r5"])


@pytest.mark.parametrize("name", WRONG)
def test_a_backend_that_computes_something_wrong_fails(told: tuple[int, dict[str, str]], name: str):
    line = told[1][HERE + name]
    assert line.startswith("BROKE ")
    assert WRONG[name] in line


def test_an_honest_backend_passes_and_the_line_counts_its_promises(told: tuple[int, dict[str, str]]):
    assert re.match(r"passed 20 promises in 40 checks\.", told[1]["numpy"])


def test_a_backend_for_one_workload_passes_on_it_and_says_what_it_is_not_for():
    """By itself the command tries every workload, in two dtypes."""
    code, lines = conformance(["backends.examples.gram:factory"], [])
    assert re.match(r"passed 20 promises in 80 checks; not for mlp on 4 of 8 cells\.", *lines.values())
    assert code == 0


def test_the_exit_code_tells_of_a_broken_promise(told: tuple[int, dict[str, str]]):
    assert told[0] == 1
