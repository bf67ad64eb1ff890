"""Messages over a socket, each with its length first; sending and receiving both use up the time that is left."""

import math
import socket
import struct
import time
from collections.abc import Callable

_LENGTH = struct.Struct("!Q")
_SLICE = 1.0
"""Seconds to wait at a time.  No more are charged at once, so that time in which this process was suspended is not."""


class Channel:
    """One end of a connection."""

    left = math.inf
    """Seconds that sending and receiving may take from now on; then they raise TimeoutError."""

    def __init__(self, end: socket.socket, gone: Callable[[], bool] = lambda: False) -> None:
        """`gone` tells whether the other side has ended: a process that it started may hold the connection open."""
        self._socket, self._gone = end, gone

    def send(self, message: bytes) -> None:
        """Send the message; TimeoutError where the other side does not take it in time."""
        view = memoryview(_LENGTH.pack(len(message)) + message)
        while view:
            sent = self._in_time(self._socket.send, view)
            view = view[sent:]

    def receive(self) -> bytes:
        """Return the next message; TimeoutError where it does not come in time, EOFError where the other side is gone."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        found = bytearray(count)
        view = memoryview(found)
        while view:
            got = self._in_time(self._socket.recv_into, view)
            if not got:
                raise EOFError
            view = view[got:]
        return bytes(found)

    def _in_time(self, move: Callable[[memoryview], int], part: memoryview) -> int:
        while self.left > 0:
            seconds, began = min(_SLICE, self.left), time.monotonic()
            self._socket.settimeout(None if self.left == math.inf else seconds)
            try:
                return move(part)
            except TimeoutError:
                if self._gone():
                    raise EOFError from None
            finally:
                self.left -= min(time.monotonic() - began, seconds)
        raise TimeoutError

    @property
    def closed(self) -> bool:
        return self._socket.fileno() < 0

    def close(self) -> None:
        self._socket.close()
