"""What a race prints at its end: pytest-benchmark's tables, of whole calls, then the verdict."""

import json
import os
import subprocess
import sys

import pytest

from bench.records.schema import Record
from bench.records.store import newest, read
from bench.report import summary, terminal
from tests.running import ROOT


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Record, dict]:
    """The lines of a quick race, its record, and pytest-benchmark's JSON."""
    folder = tmp_path_factory.mktemp("race")
    command = ["-m", "pytest", "bench/", "--benchmark-only", "--quick", "--results", folder]
    command += ["--problem", "factorisation/12x8r2", "--backend", "numpy", "--backend", "numpy-inplace"]
    command += ["--benchmark-json", folder / "b.out", "--benchmark-histogram", folder / "drawn"]
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    # A person's folder has a shorter name.
    lines = (done.stdout + done.stderr).replace(str(folder), "results").splitlines()
    return lines, read(newest(folder)), json.loads((folder / "b.out").read_text())


def test_a_table_of_train_says_how_many_steps_a_call_are(race: tuple[list[str], Record, dict]):
    lines, record, json = race
    steps = record.problems[0].timed_steps
    (heading,) = [line for line in lines if "benchmark 'train" in line]
    assert f"factorisation/12x8r2 float32, {steps} steps a call'" in heading
    assert {b["extra_info"]["timed_steps"] for b in json["benchmarks"]} == {steps}
    assert "the time of one" in " ".join(lines)


def test_the_histograms_of_pytest_benchmark_are_drawn(race: tuple[list[str], Record, dict]):
    assert len([line for line in race[0] if "Generated histogram: results/drawn" in line]) == 3


def test_the_rows_and_the_races_own_lines_fit_eighty_columns(race: tuple[list[str], Record, dict]):
    lines, _, _ = race
    begin = lines.index(next(line for line in lines if line.startswith("bench/test_race.py")))
    pytest_benchmarks = ("  Outliers:", "  OPS:", "Generated histogram:")
    own = [line for line in lines[begin:] if not line.startswith(pytest_benchmarks)]  # its words and file names
    assert len([line for line in own if line.startswith("numpy-inplace ")]) == 3
    assert [line for line in own if len(line) > 80] == []


def test_the_verdict_comes_last(race: tuple[list[str], Record, dict]):
    lines, record, _ = race
    told = terminal.wrapped(summary.summary(record)).splitlines()
    end = next(i for i, line in enumerate(lines) if line.startswith("=====") and " passed" in line)
    assert lines[end - len(told) : end] == told
