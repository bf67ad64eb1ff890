"""A message arrives whole or not at all; whoever does not send or take it in time is waited for no longer."""

import socket
import threading
import time
from types import SimpleNamespace

import pytest

from bench.workers import channel
from bench.workers.channel import Channel

LARGE = bytes(range(256)) * 40_000
"""More than a connection holds."""


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_message_larger_than_a_connection_holds_arrives_as_it_was_sent(ends):
    sender, receiver = map(Channel, ends)
    sending = threading.Thread(target=lambda: (sender.send(LARGE), sender.send(b"")))
    sending.start()
    assert receiver.receive() == LARGE
    assert receiver.receive() == b""
    sending.join()


@pytest.mark.parametrize(
    "move",
    [
        lambda ours, theirs: ours.send(LARGE),
        lambda ours, theirs: ours.receive(),
        lambda ours, theirs: (theirs.sendall(b"\0\0\0\0\0\0\0\5hal"), ours.receive()),
    ],
    ids=["it reads nothing", "it answers nothing", "it stops in the middle of an answer"],
)
def test_the_deadline_holds_for_sending_and_for_every_part_of_an_answer(ends, move):
    ours = Channel(ends[0])
    ours.left = 0.1
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        move(ours, ends[1])
    assert 0.1 <= time.monotonic() - began < 1
    assert ours.left <= 0


def test_what_was_waited_for_one_message_is_missing_for_the_next(ends):
    ours = Channel(ends[0])
    ours.left = 100.0
    sending = threading.Timer(0.05, lambda: Channel(ends[1]).send(b"late"))
    sending.start()
    assert ours.receive() == b"late"
    sending.join()  # or it uses the clock of the next test
    assert 99 < ours.left < 99.96


def test_time_in_which_this_process_was_suspended_is_not_charged(ends, monkeypatch: pytest.MonkeyPatch):
    ours, clock = Channel(ends[0]), iter([0.0, 5000.0])
    ours.left = 10.0
    monkeypatch.setattr(channel, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    ends[1].sendall(b"\0\0\0\0\0\0\0\0")
    ours.receive()
    assert ours.left == 9.0


def test_a_side_that_is_gone_ends_the_wait_though_its_child_holds_the_connection_open(ends, monkeypatch):
    monkeypatch.setattr(channel, "_SLICE", 0.01)
    ours = Channel(ends[0], gone=lambda: True)
    ours.left = 10.0
    with pytest.raises(EOFError):
        ours.receive()


def test_a_connection_that_is_closed_ends_the_wait(ends):
    ends[1].close()
    with pytest.raises(EOFError):
        Channel(ends[0]).receive()
