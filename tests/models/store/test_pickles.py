"""Pickles are read without running what they name."""

import pickle

import numpy as np
import pytest

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.pickles import read_state


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("numpy", "load"),
        ("numpy", "ndarray.tofile"),
        ("numpy.core.multiarray", "fromfile"),
        ("collections", "defaultdict"),
        ("torch.storage", "_load_from_bytes"),
    ],
)
def test_the_array_reader_admits_no_other_class(module, name, tmp_path):
    # protocol 4: push module and name, look them up; nothing is called
    short = [b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)]
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04" + b"".join(short) + b"\x93.")
    with pytest.raises(BadModel, match="cannot be opened: it asks for"):
        read_state(tmp_path / "a.pkl")


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {"a": "text"}}, {"model": {}}, {"a": np.array(["x"])}, 3])
def test_files_with_other_content_are_refused(content, tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(BadModel, match=r"a\.pkl"):
        read_state(tmp_path / "a.pkl")


def test_a_file_of_nested_references_is_refused_quickly(tmp_path):
    nested = []
    for _ in range(60):  # 2 ** 60 leaves if ever walked
        nested = [nested, nested]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"model": {"a": nested}}))
    with pytest.raises(BadModel, match="more than a dictionary"):
        read_state(tmp_path / "a.pkl")
