"""A picture that leaves something out says so in its title or in the place that is empty.  Several are drawn at once."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from backends import LIBRARIES
from bench.records.schema import Outcome
from bench.records.store import save
from bench.report import look, pictures
from bench.report.findings import all_findings
from tests.running import ROOT
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
    record.cell("jax-scan-by-hand", "mlp/iris", "float32").outcome = Outcome(status="crashed", reason="SIGSEGV")
    said = [[text.get_text() for text in axes.texts] for axes in overhead(record).sheet.axes]
    assert said == [[], ["crashed"]]


def test_each_interval_has_the_colour_of_its_library():
    """Of two colours in a tuple matplotlib would make one."""
    from matplotlib.colors import to_hex

    modes = ["torch-eager", "torch-eager-by-hand", "jax-scan", "jax-scan-by-hand"]
    (axes, *_) = overhead(sample_record(modes, ["factorisation/iris"])).sheet.axes
    intervals = [lines for lines in axes.collections if lines.get_alpha() == 0.4]
    drawn = [to_hex(colour).upper() for lines in intervals for colour in lines.get_colors()]
    assert drawn == [LIBRARIES["torch"].colour, LIBRARIES["jax"].colour]


def reporting(folder: Path, cores: int) -> subprocess.Popen:
    """The program at work on a record, on so many cores."""
    sizes = [f"factorisation/{size}" for size in ("iris", "digits", "1000x100r10", "2000x1000r32")]
    save(sample_record(TWINS, [*sizes, "mlp/iris"]), folder / "a.json")
    return subprocess.Popen(
        [sys.executable, "-m", "bench.report", str(folder / "a.json"), "--results", str(folder / f"on {cores}")],
        cwd=ROOT,
        preexec_fn=partial(_alone_on, range(cores)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _alone_on(cores: range) -> None:
    """A process group of its own, that heeds Ctrl-C, though these tests may be confined to one core."""
    os.setpgid(0, 0)
    os.sched_setaffinity(0, cores)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


several_cores = pytest.mark.skipif(os.cpu_count() == 1, reason="one core draws one picture at a time")


@several_cores
def test_the_same_record_gives_the_same_bytes_on_many_cores_and_on_one(tmp_path: Path):
    for cores in (1, 2):
        assert reporting(tmp_path, cores).communicate(timeout=60)[1] == ""
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / f"on {n}").iterdir()} for n in (1, 2))
    assert one == two
    assert {"report.md", "report-overhead.png", "report-scatter.png", "report-sweep.png"} <= set(one)


INTERRUPTED = "interrupted; run it again\n"


@several_cores
@pytest.mark.parametrize(
    ("told", "later", "code", "said"),
    [
        (signal.SIGTERM, 0.3, -signal.SIGTERM, ""),
        (signal.SIGINT, 0.0, 130, INTERRUPTED),
        (signal.SIGINT, 0.02, 130, INTERRUPTED),
    ],
)
def test_who_draws_ends_with_the_report_and_in_silence(tmp_path: Path, told: int, later: float, code: int, said: str):
    process = reporting(tmp_path, 2)
    while not (drawing := psutil.Process(process.pid).children()):
        assert process.poll() is None
        time.sleep(0.005)
    time.sleep(later)
    # As a terminal does, to all of them; a kill is of the report alone.
    (os.killpg if told == signal.SIGINT else os.kill)(process.pid, told)
    assert (process.communicate(timeout=60)[1], process.returncode) == (said, code)
    assert psutil.wait_procs(drawing, timeout=5)[1] == []
