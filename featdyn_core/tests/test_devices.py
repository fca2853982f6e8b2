"""Devices by name, arithmetic settings, and the dropout seed."""

import pytest
import torch

from featdyn_core.devices import exact_arithmetic, resolve_device, seeded_dropout
from featdyn_core.errors import DeviceError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("count", "auto"), [(0, "cpu"), (2, "cuda")])
def test_devices_that_are_there(monkeypatch, count, auto):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert resolve_device("auto") == torch.device(auto)
    assert resolve_device("cpu") == torch.device("cpu")
    if count:
        assert resolve_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize(("name", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_device_that_is_not_there_is_refused(monkeypatch, name, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    message = rf"there is no device '{name}' \(CUDA devices found: {count}\); use --device cpu"
    with pytest.raises(DeviceError, match=message):
        resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x"])
def test_unknown_device_is_refused(name):
    with pytest.raises(DeviceError, match=f"unknown device '{name}'; use auto, cpu or cuda"):
        resolve_device(name)


def settings():
    backends = torch.backends
    return {
        "matmul": backends.cuda.matmul.fp32_precision,
        "conv": backends.cudnn.conv.fp32_precision,
        "cpu matmul": backends.mkldnn.matmul.fp32_precision,
        "cpu conv": backends.mkldnn.conv.fp32_precision,
        "deterministic": backends.cudnn.deterministic,
        "benchmark": backends.cudnn.benchmark,
    }


@pytest.mark.parametrize(("tf32", "on_gpu"), [(False, "ieee"), (True, "tf32")])
def test_arithmetic_is_exact_for_a_time(tf32, on_gpu):
    before = settings()
    with exact_arithmetic(tf32=tf32):
        assert settings() == {
            "matmul": on_gpu,
            "conv": on_gpu,
            "cpu matmul": "ieee",
            "cpu conv": "ieee",
            "deterministic": True,
            "benchmark": False,
        }
    assert settings() == before


def test_an_error_gives_the_settings_back():
    before = settings()
    with pytest.raises(ZeroDivisionError), exact_arithmetic():
        1 / 0  # noqa: B018
    assert settings() == before


def test_dropout_is_seeded_and_the_global_generator_put_back():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded_dropout(7, CPU):
        first = torch.nn.functional.dropout(torch.ones(50))
    with seeded_dropout(7, CPU):
        again = torch.nn.functional.dropout(torch.ones(50))
    with seeded_dropout(8, CPU):
        other = torch.nn.functional.dropout(torch.ones(50))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.rand(3), expected)
