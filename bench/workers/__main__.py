"""`python -m bench.workers FD`: the program of a worker's process, which answers requests from the socket FD."""

from bench.workers import memory

KEPT = memory.place_heap()  # before NumPy is imported, whose small arrays lie where importing left gaps

import contextlib
import ctypes
import signal
import socket
import sys

from bench.workers.channel import Channel
from bench.workers.worker import Worker, answer


def main(descriptor: int) -> None:
    """Answer requests until the parent closes the connection."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no endless loop outlives the race
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    worker, parent = Worker(), Channel(socket.socket(fileno=descriptor))
    while True:
        try:
            asked = parent.receive()
        except EOFError:
            return
        parent.send(answer(worker, asked))


if __name__ == "__main__":
    main(int(sys.argv[1]))
