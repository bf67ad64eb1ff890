"""Show how far a run is: one line on a terminal that is written over, plain lines elsewhere.

Nothing moves between two lines, because a display that refreshes itself would compute while backends take turns.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def reporter() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line; on a terminal the last line stays in view."""
    began = time.monotonic()

    def stamped(line: str) -> str:
        return f"{time.monotonic() - began:4.0f} s  {line}"

    def plain(line: str) -> None:
        with contextlib.suppress(OSError):  # a run does not end because its reader has left
            print(stamped(line), file=sys.stderr, flush=True)

    if not sys.stderr.isatty():
        yield plain
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield lambda line: live.update(Text(stamped(line)), refresh=True)
