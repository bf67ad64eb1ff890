"""Define what a backend may use: a kind of device, and how many threads and processes."""

from typing import Annotated

import msgspec
from msgspec import Meta

AtLeastOne = Annotated[int, Meta(ge=1)]


class Resources(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """The resources of one entrant: one thread of the CPU unless more is said."""

    device: str = "cpu"  # a module of `bench/devices/`
    threads: AtLeastOne = 1  # CPU threads that it may compute with; each has a core of its own
    processes: AtLeastOne = 1

    @property
    def label(self) -> str:
        """Return what differs from one CPU thread, `cuda` or `2 threads`; '' for one CPU thread."""
        counts = {"threads": self.threads, "processes": self.processes}
        more = [f"{count} {what}" for what, count in counts.items() if count > 1]
        return ", ".join(more if self.device == "cpu" else [self.device, *more])
