"""The same code on more threads, by another allocator, at other sizes."""

import re

import msgspec
import pytest

from bench.records.schema import Record
from bench.report import sections
from bench.report.document import Section
from bench.report.findings import groups_of
from bench.report.pictures import draw
from tests.reported import FEW, IRIS, MLP, sentences, table, texts
from tests.sample_record import on_threads, sample_record


@pytest.fixture(scope="module")
def threaded() -> list[Section]:
    return sections.report(on_threads(sample_record(FEW, [IRIS, MLP]), 2, gain=1.6))


def test_the_speed_up_and_its_efficiency_are_those_of_the_same_backend(threaded: list[Section]):
    rows = [row for row in table(threaded, f"{IRIS} by threads").rows if row[0].value == "jax-scan"]
    assert [row[1].value for row in rows] == [1, 2]
    assert rows[1][3].key == pytest.approx(1.6, rel=1e-4)
    assert rows[1][4].key == pytest.approx(0.8, rel=1e-4)
    low, high = rows[1][3].value.interval()
    assert rows[1][4].value.interval() == pytest.approx((low / 2, high / 2))
    assert low < 1.6001
    assert high > 1.5999


def test_the_share_is_of_the_limit_of_as_many_threads(threaded: list[Section]):
    one, two = [row[5].key for row in table(threaded, f"{IRIS} by threads").rows if row[0].value == "numpy"]
    assert two / one == pytest.approx(1.6 * 9e10 / 1.6e11, rel=1e-2)


def test_on_two_cores_the_rows_of_two_threads_are_called_indicative(threaded: list[Section]):
    assert "rows of 2 threads are indicative" in " ".join(sentences(threaded))


def test_more_threads_have_their_own_times_and_no_answer_of_their_own(threaded: list[Section]):
    assert [s.title for s in threaded if s.title.startswith("All times")] == [
        "All times (float32, 1 thread)", "All times (float32, 2 threads)",
    ]  # fmt: skip
    assert len([s for s in threaded if s.title.startswith("The answer")]) == 1


def test_threads_have_a_picture_of_each_model():
    groups = groups_of(on_threads(sample_record(("numpy", "jax-scan"), [IRIS, MLP]), 2, gain=1.6))
    (picture,) = draw("threads", groups)
    assert [panel.alt.split(":")[0] for panel in picture.panels] == [IRIS, MLP]
    assert all(" us" in panel.svg or "\u00b5s" in panel.svg for panel in picture.panels), "its axis has ticks"
    assert draw("threads", groups[:1]) == []


def test_a_picture_of_one_count_says_no_other():
    groups = groups_of(on_threads(sample_record(("numpy", "jax-scan"), [IRIS, MLP]), 2, gain=1.6))
    (answer,), (threads,) = (draw(what, groups) for what in ("answer", "threads"))
    assert "1 thread, float32" in answer.panels[0].svg
    assert "1 thread, 2 threads, float32" in threads.panels[0].svg


def test_the_answers_of_both_models_have_one_axis_and_say_what_the_size_of_a_marker_means():
    groups = groups_of(sample_record(FEW, [IRIS, "factorisation/2000x1000r32", MLP]))
    first, second = [re.findall(r">([\d.]+)</text>", p.svg) for p in draw("answer", groups)[0].panels]
    assert first == second and len(first) >= 3
    assert all(text in draw("answer", groups)[0].panels[0].svg for text in ("log axis", "small step", "large step"))


def test_a_record_of_one_count_has_no_threads_section(report: list[Section]):
    assert [s for s in report if "Threads" in s.title] == []


def two_allocators() -> Record:
    record = sample_record(FEW, [IRIS])
    kept = sample_record(FEW, [IRIS], slower={"numpy": 0.5})
    record.settings.allocators = ["default", "kept"]
    for entrant in kept.entrants:
        record.entrants.append(msgspec.structs.replace(entrant, label=f"{entrant.label}@kept", allocator="kept"))
    record.cells += [msgspec.structs.replace(c, entrant=f"{c.entrant}@kept") for c in kept.cells]
    return record


def test_two_allocators_stand_side_by_side():
    rows = texts(table(sections.report(two_allocators()), "Time with float32, 1 thread, default allocator"))
    assert rows["numpy"][0].startswith("2.0")
    assert rows["jax-scan"][0].split()[0] in ("0.99", "1.00", "1.01")


def test_the_fastest_is_told_for_the_smallest_and_the_largest_step(report: list[Section]):
    sizes = table(report, "The fastest by size")
    assert [row[0].value for row in sizes.rows] == [IRIS, "factorisation/2000x1000r32", MLP, "mlp/1000x400-128-10"]
    assert sizes.rows[0][2].value == "jax-scan"
