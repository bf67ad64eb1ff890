"""What a backend may use: a kind of device, and how many threads and processes."""

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
        told = [self.device if self.device != "cpu" else ""]
        told += [f"{count} {what}" if count > 1 else "" for what, count in (("threads", self.threads),)]
        told += [f"{self.processes} processes" if self.processes > 1 else ""]
        return ", ".join(filter(None, told))
