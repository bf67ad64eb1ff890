"""A picture that leaves something out says so in its title or in the place that is empty."""

from bench.record import Outcome
from bench.report import look, pictures
from bench.report.findings import all_findings
from tests.sample_record import sample_record

TWINS = ("numpy", "torch-eager", "torch-eager-by-hand", "jax-scan", "jax-scan-by-hand")


def overhead(record) -> pictures.Drawing:
    drawing = pictures.overhead(all_findings(record)[0])
    assert drawing is not None
    return drawing


def title(drawing: pictures.Drawing) -> str:
    return drawing.sheet.headings[0].get_text()


def test_a_picture_of_more_problems_than_it_has_panels_says_how_many_it_shows():
    many = [f"factorisation/{10 * i}x9r2" for i in range(1, look.MOST_PANELS + 3)]
    assert title(overhead(sample_record(TWINS, many))).endswith(
        f", the first {look.MOST_PANELS} of {len(many)} problems"
    )
    assert "the first" not in title(overhead(sample_record(TWINS, many[: look.MOST_PANELS])))


def test_a_row_of_the_overhead_without_a_ratio_says_why():
    record = sample_record(TWINS, ["factorisation/iris", "mlp/iris"])
    record.cell("jax-scan-by-hand", "mlp/iris", "float32").samples = []
    record.cell("jax-scan-by-hand", "mlp/iris", "float32").outcome = Outcome(word="crashed", reason="SIGSEGV")
    said = [[text.get_text() for text in axes.texts] for axes in overhead(record).sheet.axes]
    assert said == [[], ["crashed"]]
