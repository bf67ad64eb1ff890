"""What is going on, while it goes on: one live line on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator


def _print(line: str) -> None:
    """Who reads it may have left; what goes on does not end by that."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def reporter() -> Iterator[Callable[[str], None]]:
    """A function to say a line with; on a terminal the last one stays in view with a spinner."""
    began = time.monotonic()

    def stamped(line: str) -> str:
        return f"{time.monotonic() - began:4.0f} s  {line}"

    if not sys.stderr.isatty():
        yield lambda line: _print(stamped(line))
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    with console.status("starting") as status:
        yield lambda line: status.update(escape(stamped(line)))
