"""What error messages propose to install never breaks what is installed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from napari_centermask.core import extras
from napari_centermask.core.extras import how_to_install

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def packages(*names: str) -> set[str]:
    """What extras install, without versions."""
    found = set()
    for name in names:
        for requirement in EXTRAS[name]:
            package, _, inner = re.match(r"([\w-]+)(\[([\w,-]+)\])?", requirement).groups()
            found |= packages(*inner.split(",")) if package == "napari-centermask" else {package}
    return found


@pytest.mark.parametrize(
    "asked",
    [
        ("train", "onnx"),
        ("train", "unet"),
        *((name,) for name in EXTRAS if not name.startswith(("gpu", "test", "dev"))),
    ],
)
def test_a_hint_never_puts_the_two_onnx_runtimes_into_one_environment(monkeypatch, asked):
    for has_gpu in (False, True):
        monkeypatch.setattr(extras, "is_installed", lambda name, has=has_gpu: has and name == "onnxruntime-gpu")
        command = how_to_install(*asked)
        named = re.fullmatch(r"pip install 'napari-centermask\[([\w,-]+)\]'", command).group(1).split(",")
        wrong = "onnxruntime" if has_gpu else "onnxruntime-gpu"
        assert wrong not in packages(*named)
        assert packages(*asked) - {"onnxruntime"} <= packages(*named)


def test_one_environment_segments_and_trains_on_a_gpu():
    assert {"onnxruntime-gpu", "torch", "torchvision", "onnx", "onnxscript"} <= packages("gpu-train")
    for usual, with_gpu in extras._WITH_GPU.items():
        assert packages(usual) ^ packages(with_gpu) == {"onnxruntime", "onnxruntime-gpu"}


def test_every_hint_looks_at_what_is_installed():
    hints = re.compile(r"napari-centermask\[\w")
    for path in (ROOT / "src").rglob("*.py"):
        if path.name != "extras.py":
            assert not hints.search(path.read_text(encoding="utf-8")), path
