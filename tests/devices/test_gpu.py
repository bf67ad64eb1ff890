"""What a GPU does not tell is left out, and ends no race."""

from bench.devices import DEVICES, available


def test_a_gpu_tells_what_it_is_and_how_it_is_or_nothing():
    gpu = DEVICES["cuda"]
    described = gpu.describe()
    assert ("cuda" in available()) == (described is not None)
    if described is not None:
        assert described.memory_bytes > 0


def test_a_gpu_that_tells_a_part_of_its_state_tells_that_part(monkeypatch):
    import pynvml

    def refuse(*asked: object) -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    for name in ("nvmlDeviceGetHandleByIndex", "nvmlDeviceGetClockInfo", "nvmlDeviceGetTemperature"):
        monkeypatch.setattr(pynvml, name, lambda *asked: 7)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetPowerUsage", refuse)
    assert DEVICES["cuda"].read() == {"sm_mhz": 7.0, "memory_mhz": 7.0, "celsius": 7.0}
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", refuse)
    assert DEVICES["cuda"].read() == {}
