"""Signals during a run: the first Ctrl-C waits, everything else ends at once, and nothing breaks into the end."""

import os
import signal

import pytest

from bench.console import exit
from bench.console.interrupts import TOLD_TO_END, Interrupted, Interrupts

pytestmark = pytest.mark.usefixtures("signals")
HEARD = (signal.SIGINT, *TOLD_TO_END)


def stopped_by(*told: signal.Signals) -> int | None:
    """Return which of the signals, by its place, raised Interrupted; None where none did."""
    for place, one in enumerate(told):
        try:
            os.kill(os.getpid(), one)
        except Interrupted:
            return place
    return None


def test_the_first_ctrl_c_waits_until_the_race_at_hand_is_done(capfd: pytest.CaptureFixture):
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        interrupts.end_if_asked()
        assert stopped_by(signal.SIGINT) is None
        assert "finishing the race at hand (Ctrl-C again to stop at once)" in capfd.readouterr().err
        interrupts.end_if_asked()


@pytest.mark.parametrize(("told", "place"), [([signal.SIGINT, signal.SIGINT], 1), *(([one], 0) for one in TOLD_TO_END)])
def test_a_second_ctrl_c_and_a_signal_to_end_stop_at_once_and_are_the_last_that_is_heard(
    told: list[signal.Signals], place: int
):
    with pytest.raises(Interrupted), Interrupts():
        assert stopped_by(*told) == place
        assert stopped_by(*HEARD) is None
        raise Interrupted
    assert stopped_by(*HEARD) is None


def test_a_run_that_ends_before_it_is_interrupted_leaves_signals_as_they_were():
    before = [signal.getsignal(one) for one in HEARD]
    with Interrupts():
        assert stopped_by(signal.SIGINT) is None
    assert [signal.getsignal(one) for one in HEARD] == before


def test_a_signal_that_nohup_ignores_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts():
        assert stopped_by(signal.SIGHUP) is None


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyboardInterrupt(), "interrupted; run it again"),
        (Interrupted("go on with --resume x"), "go on with --resume x"),
    ],
)
def test_every_command_ends_with_130_and_a_line(error: BaseException, line: str, capsys: pytest.CaptureFixture):
    def work() -> int:
        raise error

    assert exit.ended(work) == exit.INTERRUPTED == 130
    assert capsys.readouterr().err == f"{line}\n"
