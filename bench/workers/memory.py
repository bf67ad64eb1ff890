"""The memory of a worker: where its heap begins, and room in it for a step."""

import os

import psutil

PAGE = 4096
ALIGNED = 16
"""glibc's malloc aligns to so many bytes, and with it NumPy its arrays; torch and JAX align to a cache line of 64."""
PLACES = PAGE // ALIGNED
PLACE = "BENCH_HEAP_PLACE"
"""The environment variable that tells a worker where in a page its heap begins: one of PLACES."""


def place_heap() -> bytearray:
    """Return a block to be kept, of a size that PLACE tells: what is allocated after it lies elsewhere in its page.

    Otherwise all processes of an entrant lay out their arrays much alike, and the luck of a layout is taken for the entrant's
    speed (Mytkowicz et al., "Producing Wrong Data Without Doing Anything Obviously Wrong!", ASPLOS 2009; docs/measured.md).
    The block is too large for a gap in the heap, and too small for glibc to map it apart.
    """
    return bytearray(100 * 1024 + ALIGNED * int(os.environ.get(PLACE, "0")))


ROOM = 14
"""Room for so many times the bytes that a step must move: eager torch spreads over twelve times (docs/measured.md)."""


def give_room(step_bytes: float, processes: int) -> None:
    """Touch pages now and free them, so that the heap keeps them for the calls of the race.

    Otherwise a heap that keeps freed memory grows now and then into pages that nobody has touched (docs/measured.md).  All
    `processes` together are given at most half of the machine's memory.
    """
    size = max(2**25, ROOM * int(step_bytes))
    bytearray(min(size, psutil.virtual_memory().total // 2 // processes))
