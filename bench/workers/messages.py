"""What a worker is asked, and what it answers: plain data in msgpack; nothing is ever unpickled.

Answers have the types of the record that they go into: what a record could not hold is not read.
"""

from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from bench.agreement.answers import Computed
from bench.backend import Mode
from bench.records.schema import Count, Nanoseconds, Positive, Share, Status
from bench.resources import Resources


class Load(Struct, tag=True):
    """Import one library and make one backend."""

    backend: str
    resources: Resources
    dtype: str


class Loaded(Struct, tag=True):
    import_seconds: Positive
    mode: Mode
    versions: dict[str, str]
    peak_of_the_process: bool
    """Whether the most device memory that it tells is that of the whole process."""
    operations: list[str]
    """Those that the backend has."""


class Pin(Struct, tag=True):
    """Pin every thread to `cores`; to none where there are none."""

    cores: list[int]


class Prepare(Struct, tag=True):
    """Compile `operations` for the problem and call each once, timed."""

    problem: str
    """The path of its file."""
    operations: list[str]


class Prepared(Struct, tag=True):
    first_call_seconds: dict[str, Positive]
    compilations: Count | None
    """Programs that the first calls compiled; None from a backend that does not count them."""


class Compute(Struct, tag=True):
    """Run the prepared problem for the checks of agreement: see `agreement.answers.compute`.

    Each field is the path of a problem's file.
    """

    halfway: str
    decoy: str
    others: list[str]


class Promise(Struct, tag=True):
    """Try the promises of the protocol that need no reference: see `agreement.promises`."""


class Promised(Struct, tag=True):
    broken: dict[str, str]
    """By promise, how it was broken; '' where it was kept."""


class Pilot(Struct, tag=True):
    """Tell roughly how long one call of each operation takes."""

    operations: list[str]


class Piloted(Struct, tag=True):
    call_seconds: dict[str, Positive]


class Begin(Struct, tag=True):
    """Put the batch on the device anew, from the core that is raced on, and count from now on what is done."""

    step_bytes: float
    """Bytes that a step must move."""
    room_for: int
    """Processes that share the memory, so that the heap of each gets room for a step; 0 where none is to have room."""
    warm_up_seconds: float
    """The least time of untimed calls that begin a turn; the device may need more."""


class Turn(Struct, tag=True):
    """Take one timed sample of each operation, in this order, after untimed calls; each timed call has a start of its own."""

    calls: dict[str, int]
    """Calls in a sample, by operation."""
    seed: int


class Sample(Struct):
    nanoseconds: Nanoseconds
    loss: float
    """The last loss of the last call."""
    distance: float
    """The Euclidean distance from the start of the last call to the params or the gradient that it returned."""


class Turned(Struct, tag=True):
    samples: dict[str, Sample]


class Tally(Struct, tag=True):
    """Tell what the process did since `Begin`, in its turns and outside of them."""


class Tallied(Struct, tag=True):
    cores_used: Share
    idle_cpu_share: Share
    busy_threads: Count
    compilations: Count
    strays: Count
    """Threads that may run on another core than those of `Pin`."""


class Transfer(Struct, tag=True):
    """Measure the device memory of one `train`, how long its arrays travel, and its time when nobody waits for it."""


class Transferred(Struct, tag=True):
    device_peak_bytes: Count | None
    put_seconds: Positive
    """Params and batch, NumPy -> device."""
    get_seconds: Positive
    """Trained params, device -> NumPy."""
    device_seconds: Positive | None
    """The time of one `train` among several that are waited for together; None on the CPU."""


class Probe(Struct, tag=True):
    """Measure what the machine can do, by this library."""

    side: int
    """Rows and columns of the matrices that are multiplied."""
    copied_bytes: int


class Probed(Struct, tag=True):
    matmul_flops_per_second: Positive
    copy_bytes_per_second: Positive
    """Bytes read plus bytes written."""


class Done(Struct, tag=True):
    """It is done, and there is nothing to report."""


class Trouble(Struct, tag=True):
    """It could not be done: the status for the cell, and why."""

    status: Status
    reason: str


Request = Load | Pin | Prepare | Compute | Promise | Pilot | Begin | Turn | Tally | Transfer | Probe
Answer = Loaded | Prepared | Computed | Promised | Piloted | Turned | Tallied | Transferred | Probed | Done | Trouble


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


_requests = msgspec.msgpack.Decoder(Request)
_answers = msgspec.msgpack.Decoder(Answer, dec_hook=_decode)


def pack(message: Request | Answer) -> bytes:
    return msgspec.msgpack.encode(message, enc_hook=_encode)


def unpack_request(message: bytes) -> Request:
    return _requests.decode(message)


def unpack_answer(message: bytes) -> Answer:
    return _answers.decode(message)
