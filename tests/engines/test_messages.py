"""Messages arrive as they were sent, and nothing else is taken for one."""

import io
import struct

import numpy as np
import pytest

from napari_centermask.engines.messages import receive, send


def test_values_and_arrays_arrive_as_they_were_sent():
    stream = io.BytesIO()
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::-1], np.zeros((0, 4), np.int64), np.array(3.5)]
    send(stream, {"call": "masks", "index": 1}, *arrays)
    send(stream, {})
    stream.seek(0)
    values, received = receive(stream)
    assert values == {"call": "masks", "index": 1}
    for given, got in zip(arrays, received, strict=True):
        assert given.dtype == got.dtype
        assert np.array_equal(given, got)
    received[0][0, 0] = 7  # writable
    assert receive(stream) == ({}, [])
    with pytest.raises(EOFError):
        receive(stream)


@pytest.mark.parametrize("arrays", ['[["|O", [2]]]', '[["<f8", [-3]]]', '[["<f8", [99999999999]]]'])
def test_an_array_that_none_of_ours_can_be_is_refused(arrays):
    head = f'{{"arrays": {arrays}}}'.encode()
    with pytest.raises(ValueError, match="none of ours"):
        receive(io.BytesIO(struct.pack("<Q", len(head)) + head + bytes(64)))


def test_something_else_is_refused():
    with pytest.raises(ValueError, match="none of ours"):
        receive(io.BytesIO(b"\xff" * 64))
