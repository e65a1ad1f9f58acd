"""Headers of weights and graphs are read without torch, and damaged ones refused."""

import json
import struct

import numpy as np
import pytest
from small_models import SMALL, write_graph

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.headers import read_onnx, read_safetensors


def header(entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04",
        b"\xff" * 8 + b"{}",
        struct.pack("<Q", 10**12) + b"{}",
        struct.pack("<Q", 4) + b"nope",
        header([]),
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
        header({"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}) + b"12345678",
        header({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}) + b"12345678",
        header({"a": {"dtype": "X", "shape": [2], "data_offsets": [0, 8]}}) + b"12345678",
        header({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}) + b"12345678",
        header({"a": {"shape": [2]}}) + b"12345678",
        header({"a": 3}),
        header({"__metadata__": 3}),
    ],
    ids=str,
)
def test_a_damaged_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadModel):
        read_safetensors(path)


@pytest.mark.parametrize("cut", [0, 1, 7, 40, -1])
def test_a_truncated_graph_is_refused(tmp_path, cut):
    card = ModelCard(name="graph", licence="CC0-1.0", model=SMALL, diameter=30.0)
    path = tmp_path / "g.dense.onnx"
    write_graph(path, card, {"image": (0, 3, 0, 0)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadModel):
        read_onnx(path)


def test_a_random_file_is_not_a_graph(tmp_path):
    path = tmp_path / "g.dense.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(BadModel):
        read_onnx(path)
