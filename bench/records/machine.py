"""What a record says of the machine: what it is, how it was during a race, what it can do."""

from bench.records.kinds import Count, Fixed, Positive, Share, Strict
from bench.resources import Resources


class HostState(Fixed, frozen=True):
    """The machine during one race of a generation."""

    generation: Count
    seconds: Positive
    load: float
    steal_share: Share
    megahertz: list[float] = []
    """The slowest and the fastest clock seen, of any core."""


class Gpu(Strict):
    name: str
    driver: str
    memory_bytes: Count
    readings: list[dict[str, float]] = []
    """Clocks (MHz), power (W) and temperature (C) after each race."""


class Host(Strict):
    cpu: str
    cores: Count
    memory_bytes: Count
    system: str
    python: str
    gpu: Gpu | None = None


class Limits(Fixed, frozen=True):
    """What the machine itself can do with these resources, measured in the same run."""

    resources: Resources
    dtype: str
    matmul_flops_per_second: Positive
    """Of the product of two large square matrices."""
    copy_bytes_per_second: Positive
    """Bytes read plus bytes written, of an array larger than every cache."""
