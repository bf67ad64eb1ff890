"""What the race asks of a worker, and what it answers: plain data, msgpack, nothing ever unpickled.

Answers have the types of the record that they go into: what the record could not hold is not read.
"""

from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from bench.agreement.answers import Evidence
from bench.backend import Mode
from bench.problem import Arrays, Problem
from bench.records.schema import Count, Nanoseconds, Operation, Positive, Share, Status


class Load(Struct, tag=True):
    """Import one framework and make one backend."""

    backend: str
    device: str
    dtype: str


class Loaded(Struct, tag=True):
    import_seconds: Positive
    mode: Mode
    versions: dict[str, str]
    peak_of_the_process: bool
    """Whether the most device memory that it tells is that of the whole process."""


class Pin(Struct, tag=True):
    """Every thread to `cores`; nowhere, where there are none."""

    cores: list[int]


class Prepare(Struct, tag=True):
    """Compile `operations` for the problem and call each once, timed."""

    problem: Problem
    operations: list[Operation]


class Prepared(Struct, tag=True):
    first_call_seconds: dict[Operation, Positive]
    compilations: Count | None
    """Programs that the first calls compiled; None from a backend that does not count them."""


class Testify(Struct, tag=True):
    """Run the prepared problem for the gates of agreement: see `agree.Evidence`."""

    halfway: Arrays
    decoy: Problem
    others: list[Problem]


class Promise(Struct, tag=True):
    """Try the promises of the protocol that need no reference: see `agree.promises`."""


class Promised(Struct, tag=True):
    broken: dict[str, str]
    """By promise, how it was broken; '' where it was kept."""


class Pilot(Struct, tag=True):
    """How long one call of each operation takes, roughly."""

    operations: list[Operation]


class Piloted(Struct, tag=True):
    call_seconds: dict[Operation, Positive]


class Begin(Struct, tag=True):
    """Put the batch on the device anew, from the core that is raced on; from now on count what is done."""

    step_bytes: float
    """What a step must move."""
    room_for: int
    """Processes that share out the memory, so that the heap of each has room for a step; 0 where none is to have room."""
    warm_up_seconds: float
    """Of untimed calls at the beginning of a turn, at least; the device may need more."""


class Turn(Struct, tag=True):
    """One operation after another: untimed calls from one start, and one timed sample, each call from a start of its own."""

    calls: dict[Operation, int]
    """In a sample of each operation, in this order."""
    seed: int


class Sample(Struct):
    nanoseconds: Nanoseconds
    loss: float
    """The last loss of the last call."""
    distance: float
    """Euclidean, from the start of the last call to the params or the gradient that it returned."""


class Turned(Struct, tag=True):
    samples: dict[Operation, Sample]


class Tally(Struct, tag=True):
    """What the process did since `Begin`, in its turns and outside of them."""


class Tallied(Struct, tag=True):
    cores_used: Share
    idle_cpu_share: Share
    busy_threads: Count
    compilations: Count
    strays: Count
    """Threads, of its own or of a process that it started, that may run on another core than that of `Pin`."""


class Weigh(Struct, tag=True):
    """Peak device memory of one `train`, how long its arrays travel, and how long it takes when nobody waits for it."""


class Weighed(Struct, tag=True):
    device_peak_bytes: Count | None
    put_seconds: Positive
    """Params and batch, NumPy -> device."""
    get_seconds: Positive
    """Trained params, device -> NumPy."""
    device_seconds: Positive | None
    """Of one `train` among several that are waited for together; None on the CPU."""


class Probe(Struct, tag=True):
    """What the machine can do, as this library drives it."""

    side: int
    """Of the square matrices that are multiplied."""
    copied_bytes: int


class Probed(Struct, tag=True):
    matmul_flops_per_second: Positive
    copy_bytes_per_second: Positive
    """Bytes read plus bytes written."""
    dispatch_seconds: Positive


class Done(Struct, tag=True):
    """Nothing to report."""


class Trouble(Struct, tag=True):
    """It could not be done: the word for the cell, and why."""

    status: Status
    reason: str


Request = Load | Pin | Prepare | Testify | Promise | Pilot | Begin | Turn | Tally | Weigh | Probe
Answer = Loaded | Prepared | Evidence | Promised | Piloted | Turned | Tallied | Weighed | Probed | Done | Trouble


def _encode(value: Any) -> Any:
    """msgspec hook: an array as (dtype, shape, bytes), so that nothing is ever unpickled."""
    if isinstance(value, np.ndarray):
        value = np.asarray(value, order="C")
        return (value.dtype.str, value.shape, value.tobytes())
    raise NotImplementedError(f"cannot send a {type(value).__name__}")


def _decode(kind: type, value: Any) -> Any:
    """msgspec hook: the inverse of `_encode`; ValueError when the bytes do not fill the shape."""
    dtype, shape, data = value
    if np.dtype(dtype).hasobject:
        raise ValueError("arrays of objects are not accepted")
    return np.frombuffer(data, dtype).reshape(shape).copy()


_requests = msgspec.msgpack.Decoder(Request, dec_hook=_decode)
_answers = msgspec.msgpack.Decoder(Answer, dec_hook=_decode)


def pack(message: Request | Answer) -> bytes:
    return msgspec.msgpack.encode(message, enc_hook=_encode)


def unpack_request(message: bytes) -> Request:
    return _requests.decode(message)


def unpack_answer(message: bytes) -> Answer:
    return _answers.decode(message)
