"""A computer has another name once something that decides about speed differs."""

import pytest

from napari_centermask.engines import machine
from napari_centermask.engines.machine import cpu_name, machine_name, n_cores, versions


def test_the_name_has_the_cores_the_processor_and_the_runtimes():
    text = machine_name()
    assert text.startswith(f"{n_cores()} x {cpu_name()}")
    assert f"openvino {versions()['openvino']}" in text


@pytest.mark.parametrize(
    ("name", "other"),
    [("cpu_name", lambda: "another"), ("gpu_names", lambda: ["NVIDIA H200"]), ("versions", lambda: {"openvino": "1"})],
)
def test_another_processor_gpu_or_version_is_another_computer(monkeypatch, name, other):
    before = machine_name()
    monkeypatch.setattr(machine, name, other)
    assert machine_name() != before
