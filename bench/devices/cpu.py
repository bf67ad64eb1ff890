"""The CPU."""

from bench.devices import Device, Probe

DEVICE = Device(
    name="cpu",
    describe=lambda: None,
    available=lambda: True,
    read=dict,
    probe=Probe(side=1536, copied_bytes=2**27),
    least_warm_up_seconds=0.0,
    is_the_cpu=True,
)
