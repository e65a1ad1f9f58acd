"""Requirements for another machine name the versions that are installed here."""

import re
from importlib.metadata import version

import pytest

from napari_centermask.cloud import pins
from napari_centermask.core.errors import BadSettings


def test_what_training_needs_is_pinned_with_all_that_it_requires():
    lines = pins.pinned()
    names = {re.split("[=<>!~]", line)[0].lower() for line in lines}
    assert f"numpy=={version('numpy')}" in lines
    assert {"torch", "torchvision", "onnx", "pydantic", "pydantic-core"} <= {name.replace("_", "-") for name in names}
    assert "napari-centermask" not in names
    assert not any("+" in line for line in lines)


def test_a_package_that_is_not_installed_keeps_its_bounds(monkeypatch):
    here = pins.distribution

    def without_torch(name):
        if name == "torch":
            raise pins.PackageNotFoundError(name)
        return here(name)

    monkeypatch.setattr(pins, "distribution", without_torch)
    (line,) = [line for line in pins.pinned() if re.match("torch[=<>]", line)]
    assert line.startswith("torch>=")


def test_without_an_installation_of_ours_the_remedy_is_named(monkeypatch):
    def nothing(name):
        raise pins.PackageNotFoundError(name)

    monkeypatch.setattr(pins, "distribution", nothing)
    with pytest.raises(BadSettings, match="pip install napari-centermask"):
        pins.pinned()
