"""Show what is going on: one line on a terminal that is written over, plain lines elsewhere.

Nothing moves between two lines: a display that refreshes itself would compute while backends take turns.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator


def _print(line: str) -> None:
    """A reader may have left; what goes on does not end by that."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def reporter() -> Iterator[Callable[[str], None]]:
    """Yield a function to say a line with; on a terminal the last line stays in view."""
    began = time.monotonic()

    def stamped(line: str) -> str:
        return f"{time.monotonic() - began:4.0f} s  {line}"

    if not sys.stderr.isatty():
        yield lambda line: _print(stamped(line))
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield lambda line: live.update(Text(stamped(line)), refresh=True)
