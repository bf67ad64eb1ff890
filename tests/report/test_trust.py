"""How far the numbers can be trusted stands beside them."""

import re
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.records import calibration
from bench.records.calibration import Calibration, Rate, Trial
from bench.records.schema import Gpu, Record
from bench.records.store import save
from bench.report import text, trust, words
from bench.report.findings import all_findings
from tests.reported import IRIS, MLP, PAIR, called, reported, without_samples
from tests.sample_record import sample_record


def test_calibration_is_told_and_a_broken_one_is_not(tmp_path: Path):
    whole = without_samples(sample_record(["numpy"], [MLP]))
    assert "was not calibrated" in reported(whole, tmp_path)[1]
    (tmp_path / "calibration.json").write_text("{")
    with pytest.raises(UsageError, match="is not a calibration"):
        calibration.read(tmp_path)
    trial = Trial(
        problem=IRIS, call_seconds=0.005, false_verdicts=Rate(times=2, tried=40), half_widths=[0.01, 0.012, 0.02]
    )
    trial.detected["5"] = Rate(times=19, tried=20)
    found = Calibration(
        host=whole.host, commit="", versions={}, generations=8, rounds=6, warm_up_seconds=0.02, first="2026-01-01", last="",
        clock_overhead_seconds=1e-7, races=3, trials=[trial],
    )  # fmt: skip
    calibration.save(found, tmp_path)
    told = " ".join(reported(whole, tmp_path)[1].split())
    assert "a false verdict in 2 of 40 [0.61 %, 16.9 %]" in told
    assert "5 % in 19 of 20" in told
    assert "median half-width 1.20 %" in told


def test_what_should_give_pause_is_said(tmp_path: Path):
    record = sample_record(["numpy"], [IRIS], generations=5, noise=0)
    for samples in record.cell("control", IRIS, "float32").samples:
        samples.nanoseconds = [round(1.05 * x) for x in samples.nanoseconds]
    record.host_states[0].steal_share, record.host_states[1].megahertz, record.host_states[2].load = (
        0.2,
        [1000.0, 3000.0],
        7.0,
    )
    record.warnings.append("the host was restarted")
    told = " ".join(reported(record, tmp_path)[1].split())
    for warning in (
        "Warning: the host was restarted",
        "up to 20.0 % of the processor's time",
        "between 1000 and 3000 MHz",
        "The load rose to 7.00",
        "only 5 generations",
        "the control came to 1.05 x [1.05, 1.05] on factorisation/iris",
    ):
        assert warning in told


def test_a_load_that_the_backends_make_as_they_get_ready_on_every_core_is_no_warning():
    record = sample_record(["numpy"], [IRIS])
    record.host.cores, record.host_states[2].load = 16, 12.0
    assert trust.warnings(record, all_findings(record)) == []
    record.host_states[2].load = 17.0
    assert "The load rose to 17.0" in trust.warnings(record, all_findings(record))[0]


def test_a_run_in_which_nothing_can_be_too_fast_says_so(tmp_path: Path):
    record = sample_record(["own:make"], [IRIS])
    record.limits[0].matmul_flops_per_second = {"float64 numpy": 9e10}
    told = " ".join(reported(record, tmp_path)[1].split())
    assert "no library's matrix product was measured" in told
    record.limits[0].matmul_flops_per_second["float32 numpy"] = 9e10
    assert "matrix product was measured" not in reported(record, tmp_path)[1]


def test_a_quiet_run_gets_no_warning(whole: Record):
    assert trust.warnings(whole, all_findings(whole)) == []


def test_a_quick_run_without_descents_is_called_one():
    record = _quick(sample_record(PAIR, [IRIS], generations=3))
    for cell in record.cells:
        cell.samples = [s for s in cell.samples if s.operation != "train"]
    assert trust.caveats(record, all_findings(record)) == ["A quick run of only 3 generations: its intervals are wide."]


def _quick(record: Record) -> Record:
    record.settings.quick = True
    return record


def _interrupted(record: Record) -> Record:
    record.status, record.settings.generations = "interrupted", 8
    return record


NOT_FINAL = {
    "quick": (
        lambda: _quick(sample_record(PAIR, [IRIS], generations=3)),
        ["A quick run of only 3 generations: its intervals are wide."],
    ),
    "interrupted": (
        lambda: _interrupted(sample_record(PAIR, [IRIS], generations=2)),
        [
            "The run is interrupted, not complete: it has 2 of 8 generations.",
            "A run of only 2 generations: there is no interval and no verdict.",
        ],
    ),
}


@pytest.mark.parametrize("which", NOT_FINAL)
def test_what_is_no_final_result_says_so_first_and_last_and_above_who_won_on_the_page(which: str, tmp_path: Path):
    make, caveats = NOT_FINAL[which]
    _, printed, markdown = reported(make(), tmp_path)
    verdict = text.wrapped(words.summary(make(), all_findings(make())))
    assert all(caveat in " ".join(verdict.split()) for caveat in caveats)
    assert printed.partition("Verdict\n=======\n\n")[2].startswith(verdict)
    assert printed.endswith(f"{verdict}\n")
    assert all(caveat in markdown.partition("\n\n- ")[0] for caveat in caveats)
    page = (tmp_path / "out" / "report.html").read_text()
    shown = re.findall(r'<p class="(caveat|lead)">([^<]+)', page)
    assert shown[: len(caveats)] == [("caveat", caveat) for caveat in caveats]
    assert [kind for kind, _ in shown[len(caveats) :]] == ["lead"] * 2


def test_of_two_records_the_one_that_is_no_final_result_is_named(tmp_path: Path):
    save(sample_record(PAIR, [IRIS]), tmp_path / "a.json")
    save(_quick(sample_record(PAIR, [IRIS], generations=3, seed=1)), tmp_path / "b.json")
    printed = called(str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--results", str(tmp_path))[1]
    assert "B: A quick run of only 3 generations: its intervals are wide." in printed
    assert "A: " not in printed


def test_what_says_tf32_and_is_as_exact_as_float32_is_named():
    record = sample_record(PAIR, [IRIS], dtype="tf32")
    assert not [told for told in trust.warnings(record, all_findings(record)) if "as exact as float32" in told]
    (gate,) = [g for g in record.cell(PAIR[1], IRIS, "tf32").checks if g.name == "gradient at the start, by norm"]
    gate.error = gate.tolerance / 10_000
    (told,) = [told for told in trust.warnings(record, all_findings(record)) if "as exact as float32" in told]
    assert told.endswith(f"were not rounded to tf32: {PAIR[1]} on {IRIS}.")


def test_what_each_process_kept_busy_and_what_the_gpu_read_is_shown(tmp_path: Path):
    record = sample_record(PAIR, [IRIS])
    record.entrants[0].busy_threads = [2, 2, 3]
    record.host.gpu = Gpu("A GPU", "1.0", 2**30, [{"sm_mhz": 345.0, "watts": 70.5}, {"sm_mhz": 1980.0, "watts": 70.5}])
    printed = reported(record, tmp_path)[1]
    assert re.search(r"^torch-eager +eager +1 +[\d.]+ s +2 to 3 +torch", printed, re.MULTILINE)
    assert re.search(r"^GPU between races +sm_mhz 345 to 1980, watts 70.5$", printed, re.MULTILINE)
