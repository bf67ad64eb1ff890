"""What a worker is asked, and what it answers: plain data in msgpack; nothing is ever unpickled.

A request is a call of a method of `worker.Worker`, whose annotations say what is read.  Answers have the types of the
record that they go into: what a record could not hold is not read.
"""

from functools import partial
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from bench.backend import Mode
from bench.records.schema import Count, Nanoseconds, Outcome, Positive, Share


class Request(Struct):
    """A call of the worker's method with what is given, in the order of its parameters."""

    method: str
    given: list[Any]


class Answer(Struct):
    """What the method returned, still packed; or why it could not be done."""

    outcome: Outcome
    found: msgspec.Raw = msgspec.Raw(msgspec.msgpack.encode(None))


class Loaded(Struct):
    import_seconds: Positive
    mode: Mode
    versions: dict[str, str]
    peak_of_the_process: bool  # whether the most device memory that it tells is that of the whole process
    operations: list[str]  # those that the backend has


class Prepared(Struct):
    first_call_seconds: dict[str, Positive]
    compilations: Count | None  # programs that the first calls compiled; None from a backend that does not count them


class Sample(Struct):
    nanoseconds: Nanoseconds
    loss: float  # the last loss of the last call
    distance: float  # Euclidean, from the start of the last call to the params or the gradient that it returned


class Tallied(Struct):
    cores_used: Share
    idle_cpu_share: Share
    busy_threads: Count
    compilations: Count
    strays: Count  # threads that may run on another core than those that the process was pinned to


class Transferred(Struct):
    device_peak_bytes: Count | None
    put_seconds: Positive  # params and batch, NumPy -> device
    get_seconds: Positive  # trained params, device -> NumPy
    device_seconds: Positive | None  # one `train` among several that are waited for together; None on the CPU


def _encode(value: Any) -> Any:
    """Return an array as (dtype, shape, bytes)."""
    if isinstance(value, np.ndarray):
        value = np.asarray(value, order="C")
        return (value.dtype.str, value.shape, value.tobytes())
    raise NotImplementedError(f"cannot send a {type(value).__name__}")


def _decode(kind: type, value: Any) -> Any:
    """Return the array that `_encode` was given; ValueError when the bytes do not fill the shape."""
    dtype, shape, data = value
    if np.dtype(dtype).hasobject:
        raise ValueError("arrays of objects are not accepted")
    return np.frombuffer(data, dtype).reshape(shape).copy()


pack = partial(msgspec.msgpack.encode, enc_hook=_encode)
unpack = partial(msgspec.msgpack.decode, dec_hook=_decode)
