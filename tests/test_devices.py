"""Devices: what they are called, which are here, and why others are not."""

import openvino as ov
import pytest

from pipeline.devices import Requested
from pipeline.errors import DeviceError
from pipeline.runtime import devices

TWO_GPUS = ["CPU", "GPU.0", "GPU.1"]


@pytest.mark.parametrize(
    ("text", "over", "names"),
    [
        ("CPU", "", ["CPU"]),
        ("cpu", "", ["CPU"]),
        ("GPU.1", "", ["GPU.1"]),
        ("AUTO", "AUTO", []),
        ("MULTI", "MULTI", []),
        ("AUTO:GPU,CPU", "AUTO", ["GPU", "CPU"]),
        ("auto: gpu, cpu", "AUTO", ["GPU", "CPU"]),
        ("HETERO:GPU.1,NPU,CPU", "HETERO", ["GPU.1", "NPU", "CPU"]),
        ("MULTI:GPU(4),CPU(2)", "MULTI", ["GPU", "CPU"]),
        ("BATCH:CPU(4)", "BATCH", ["CPU"]),
        ("AUTO:-GPU", "AUTO", ["GPU"]),
    ],
)
def test_a_text_is_taken_apart_and_put_together_again(
    text: str, over: str, names: list[str]
) -> None:
    requested = Requested.parse(text)

    assert requested.over == over
    assert [part.name for part in requested.parts] == names
    assert str(requested) == text.upper().replace(" ", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MYRIAD", "'MYRIAD' left OpenVINO in 2023: NPU is its successor"),
        ("HETERO:MYRIAD,CPU", "'MYRIAD' left OpenVINO in 2023: NPU is its successor"),
        ("HDDL", "NPU is its successor"),
        ("VPU", "NPU is its successor"),
        ("MYRIAD.1.2-ma2480", "left OpenVINO in 2023"),
        ("GNA", "left OpenVINO in 2024"),
        ("CPU.0", "there is one CPU device: want CPU"),
        ("AUTO:", "'': want a name"),
        ("AUTO:GPU,,CPU", "'': want a name"),
        ("", "'': want a name"),
        ("CPU,GPU", "want AUTO:, HETERO: or MULTI: before a list"),
        ("GPU:CPU", "'GPU' takes no list: ['AUTO', 'HETERO', 'MULTI', 'BATCH'] do"),
        ("AUTO:MULTI:CPU", "want a name"),
        ("HETERO:AUTO,CPU", "HETERO takes devices, and AUTO is none"),
        ("BATCH", "as BATCH:CPU(4)"),
        ("BATCH:CPU(0)", "want a name"),
        ("BATCH:GPU,CPU", "BATCH takes one device"),
        ("HETERO:CPU(2)", "take a number"),
        ("HETERO:-CPU", "leave devices out"),
        ("CPU\nX", "want a name"),
    ],
)
def test_a_text_that_is_none_says_what_would_be(text: str, said: str) -> None:
    with pytest.raises(DeviceError) as caught:
        Requested.parse(text)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "have", "used"),
    [
        ("GPU", TWO_GPUS, "GPU"),
        ("GPU.1", TWO_GPUS, "GPU.1"),
        ("GPU.0", ["CPU", "GPU"], "GPU.0"),
        ("AUTO", ["CPU"], "AUTO"),
        ("AUTO:GPU,CPU", ["CPU"], "AUTO:CPU"),
        ("HETERO:GPU,CPU", ["CPU", "GPU"], "HETERO:GPU,CPU"),
        ("HETERO:GPU.2,GPU.1,CPU", TWO_GPUS, "HETERO:GPU.1,CPU"),
        ("MULTI", TWO_GPUS, "MULTI:CPU,GPU.0,GPU.1"),
        ("MULTI:NPU(2),CPU(4)", ["CPU"], "MULTI:CPU(4)"),
        ("AUTO:-GPU", ["CPU"], "AUTO:-GPU"),
        ("AUTO:CPU,-GPU", ["CPU"], "AUTO:CPU,-GPU"),
        ("TPU", ["CPU", "TPU"], "TPU"),
    ],
)
def test_of_a_list_those_are_used_that_are_here(text: str, have: list[str], used: str) -> None:
    found = Requested.parse(text).here(have)

    assert str(found) == used
    asked = [part for part in Requested.parse(text).parts if not part.is_excluded]
    kept = [part for part in found.parts if not part.is_excluded]
    assert len(found.left_out) == max(0, len(asked) - len(kept))
    assert all("is not there: OpenVINO offers" in why for why in found.left_out)


@pytest.mark.parametrize("text", ["GPU.2", "NPU", "BATCH:NPU(4)", "AUTO:NPU,GPU.7"])
def test_where_nothing_of_it_is_here_it_says_what_is(text: str) -> None:
    with pytest.raises(DeviceError, match="is not there: OpenVINO offers .*'CPU', 'GPU.0'"):
        Requested.parse(text).here(TWO_GPUS)


def test_an_unknown_device_is_called_so() -> None:
    with pytest.raises(DeviceError, match="device 'TPU' is unknown: OpenVINO offers"):
        devices.parse("tpu")


def test_every_device_here_says_what_it_is() -> None:
    found = devices.detect()

    assert [device.name for device in found] == ov.Core().available_devices
    for device in found:
        assert devices.Device.from_dict(device.to_dict()) == device
        assert device.precisions
        assert device.full_name
    cpu = next(device for device in found if device.name == "CPU")
    assert {"fp32", "int8"} <= set(cpu.precisions)
    assert ov.__version__.startswith(cpu.plugin.partition("-")[0])
    assert cpu.memory_bytes is not None
    assert cpu.memory_bytes > 1e8
    assert cpu.threads
    assert cpu.optimal_requests
    assert cpu.streams is not None
    assert cpu.execution in ("f32", "bf16", "f16")


@pytest.mark.parametrize("name", ["GPU", "NPU"])
def test_a_device_that_is_not_here_says_why_and_one_that_is_runs(name: str) -> None:
    if any(have.partition(".")[0] == name for have in ov.Core().available_devices):
        device = devices.find(name)
        assert device.driver
        assert device.memory_bytes
        assert "fp16" in device.precisions
        return

    with pytest.raises(DeviceError, match=f"'{name}' is not there.*; the {name} plugin"):
        devices.find(name)
    assert f"the {name} plugin" in devices.lacking()[name]
    assert devices.parse(f"AUTO:{name},CPU").left_out


def test_a_list_is_no_device_to_describe() -> None:
    with pytest.raises(DeviceError, match="want one device"):
        devices.find("AUTO:CPU")
