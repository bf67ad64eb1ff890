"""How far the numbers can be trusted stands beside them."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench import agree
from bench.records import calibration
from bench.records.calibration import Calibration, Rate, Trial
from bench.records.schema import Race, Record
from bench.report import times, trust
from bench.report.document import Section, Table
from bench.report.findings import groups_of
from bench.report.units import percent
from tests.reported import IRIS, PAIR, reported, sentences, table, tables
from tests.sample_record import sample_record


def warned(record: Record) -> str:
    return " ".join(trust.warnings(record, groups_of(record)))


def test_a_quiet_run_has_no_warning(sample: Record):
    assert warned(sample) == ""


def test_what_should_give_pause_is_said():
    record = sample_record(["numpy"], [IRIS], generations=5, noise=0)
    for samples in record.cell("control", IRIS, "float32").samples:
        samples.nanoseconds[:] = [round(1.05 * x) for x in samples.nanoseconds]
    disturbed = {"steal_share": 0.2, "megahertz": [1000.0, 3000.0], "load": 7.0}
    record.host_states[0] = msgspec.structs.replace(record.host_states[0], **disturbed)
    record.warnings.append("the host was restarted")
    record.entrants[0].busy_threads, record.entrants[0].cores, record.entrants[1].idle_cpu_share = [2], [], [0.5]
    record.limits = []
    for warning in (
        "the host was restarted",
        "up to 20.0 % of the processor's time",
        "between 1000 and 3000 MHz",
        "The load rose to 7.00",
        "the control on factorisation/iris reaches 5.00 % from 1",
        "not pinned to a core, so noisier: numpy",
        "more threads were busy than were given: numpy",
        "busy while others had their turn: control",
        "too good to be true",
    ):
        assert warning.lower() in warned(record).lower()


def test_what_says_tf32_and_is_as_exact_as_float32_is_named():
    record = sample_record(PAIR, [IRIS], dtype="tf32")
    assert "as exact as" not in warned(record)
    cell = record.cell(PAIR[1], IRIS, "tf32")
    cell.checks = [msgspec.structs.replace(c, error=c.tolerance / 10_000) for c in cell.checks]
    assert f"As exact as float32, so not rounded to tf32: `{PAIR[1]}` on `{IRIS}`." in warned(record)


def test_generations_that_were_left_out_are_not_said_to_be_few_that_raced():
    record = sample_record(PAIR, [IRIS], generations=3)
    record.races = [Race(g, IRIS, "float32", 0, {}, {}) for g in range(3)]
    record.settings.generations = 3
    del record.cells[0].samples[1:]
    told = trust.caveats(record, groups_of(record))
    assert told == ["Of some cells 1 of 3 generations are left: there is no interval and no verdict."]


@pytest.mark.parametrize(
    ("status", "quick", "generations", "said"),
    [
        ("complete", True, 3, "A quick run of only 3 generations: its intervals are wide."),
        ("unfinished", False, 2, "The run is unfinished, not complete: it has 2 of 8 generations."),
        ("unfinished", False, 2, "A run of only 2 generations: there is no interval and no verdict."),
    ],
)
def test_what_is_no_final_result_says_so_last_and_on_top_of_the_page(
    status: str, quick: bool, generations: int, said: str, tmp_path: Path
):
    record = sample_record(PAIR, [IRIS], generations=generations)
    record.status, record.settings.quick, record.settings.generations = status, quick, 3 if quick else 8
    _, printed, _ = reported(record, tmp_path)
    assert said in " ".join(printed.partition("== Written ==")[2].split())
    assert f'<p class="caveat">{said}' in (tmp_path / "out" / "report.html").read_text()


def test_how_many_single_intervals_miss_is_said_once(report: list[Section]):
    (said,) = [s for s in sentences(report) if "expected to miss" in s]
    shown = {cell.value for t in tables(report) for row in t.rows for cell in row if type(cell).__name__ == "Ratio"}
    single = sum(e.confidence == 0.95 for e in shown)
    assert said.startswith(f"This report shows {single} single 95 % intervals. About {round(single / 20)} of them")
    assert len(shown) > single > 100


def test_every_cell_says_what_its_width_comes_from(report: list[Section]):
    full = table(report, f"{IRIS}, every cell")
    between, needed = full.headers.index("between processes"), full.headers.index("for +-1 %")
    rows = [row for row in full.rows if row[0].value not in ("numpy", "control")]
    assert all(0.5 < row[between].key <= 1 for row in rows), "the sample's processes differ more than its rounds"
    assert all(3 <= row[needed].key < 60 for row in rows)


def test_the_calibration_is_told_and_one_that_cannot_be_read_is_not(sample: Record, tmp_path: Path):
    trial = Trial(backend="numpy", problem=IRIS, races=3, call_seconds=0.005, half_widths=[0.01, 0.012, 0.02])
    trial.false_verdicts, trial.detected = Rate(times=2, trials=40), {"5": Rate(times=19, trials=20)}
    found = Calibration(
        host=sample.host, commit="", code="", versions={}, generations=8, rounds=6, warm_up_seconds=0.02, margin=0.03,
        first="2026-01-01", last="", clock_overhead_seconds=1e-7, trials=[trial],
    )  # fmt: skip
    calibration.save(found, tmp_path)
    _, _, markdown = reported(sample_record(PAIR, [IRIS]), tmp_path)
    assert "false verdicts 2 of 40 [0.61 %, 16.9 %]; 5 % slower, noticed 19 of 20" in markdown
    (g,) = groups_of(sample)
    assert "strays" in trust.promise(g, found)[0], "it is of another version of the code"
    found.code = calibration.code_checksum()
    assert trust.promise(g, found) == [
        "Identical code got a wrong verdict in 2 of 40 comparisons; 5 % more work was noticed in 19 of 20,"
        " with intervals of +-1.20 %."
    ]
    (tmp_path / calibration.FILE).write_text("{")
    assert "error rates are not known" in reported(sample_record(PAIR, [IRIS]), tmp_path)[2]


def test_without_a_calibration_the_control_and_the_width_of_the_intervals_speak_for_the_record():
    (g,) = groups_of(sample_record(["numpy", "jax-scan"], [IRIS]))
    reach = float(np.expm1(g.control_ratio(IRIS).reach))
    width = g.ratio(g.named("jax-scan"), g.reference, IRIS).half_width
    told = f"Here the control strays at most {percent(reach)} from 1, to the end of its interval; the median"
    assert trust.promise(g, None) == [f"{told} interval is +-{percent(width)}."]
    assert trust.promise(groups_of(sample_record(["numpy"], [IRIS], control=False))[0], None) == []


def test_every_check_stands_beside_its_tolerance(sample: Record):
    found = table(agree.agreement(sample), IRIS)
    checks = [c for c in sample.cells if c.problem == IRIS]
    assert len(found.rows) == sum(len(c.checks) for c in checks)
    assert [row[2].key for row in found.rows] == [check.error for c in checks for check in c.checks]
    assert {row[4].text for row in found.rows} == {"pass"}


def test_how_much_longer_middle_samples_took_than_the_fastest_is_told():
    record = sample_record(["numpy"], [IRIS], control=False)
    for samples in record.cells[0].samples:
        samples.nanoseconds[:] = [1000, 1250, 1250, 9000]
    assert "the middle one took 25.0 % longer" in trust._of_the_checks(groups_of(record)[0])
    parts = times.section(groups_of(record)[0]).parts
    in_full = next(part for part in parts if isinstance(part, Table) and "every cell" in part.title)
    assert in_full.rows[0][in_full.headers.index("middle sample")].text == "25.0 %"
