"""The memory of a worker: where its heap begins, and room in it for a step."""

import os

import psutil

PAGE = 4096
ALIGNED = 16  # bytes, by glibc's malloc and with it NumPy; torch and JAX align to a cache line of 64
PLACES = PAGE // ALIGNED
PLACE = "BENCH_HEAP_PLACE"  # the variable that tells a worker where in a page its heap begins: one of PLACES


def place_heap() -> bytearray:
    """Return a block to be kept, of a size that PLACE tells: what is allocated after it lies elsewhere in its page.

    Otherwise the luck of one layout is taken for the entrant's speed (Mytkowicz et al., ASPLOS 2009; docs/measured.md).
    The block is too large for a gap in the heap, and too small for glibc to map it apart.
    """
    return bytearray(100 * 1024 + ALIGNED * int(os.environ.get(PLACE, "0")))


ROOM = 14
"""Room for so many times the bytes that a step must move: eager torch spreads over twelve times (docs/measured.md)."""


def give_room(step_bytes: float, processes: int) -> None:
    """Touch pages and free them, so that the heap keeps them for the calls; all `processes` get half of the memory at most.

    Otherwise a heap that keeps freed memory grows now and then into pages that nobody has touched (docs/measured.md).
    """
    size = max(2**25, ROOM * int(step_bytes))
    bytearray(min(size, psutil.virtual_memory().total // 2 // processes))
