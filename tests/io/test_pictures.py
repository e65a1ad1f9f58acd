"""Pictures are read, and their heads tell what reading them gives."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from made_images import chunk
from PIL import Image

from napari_centermask.core.errors import BadImage
from napari_centermask.io.images import read_header, read_image, read_plane


def test_blank_pictures_are_not_called_damaged(tmp_path):
    Image.new("1", (8000, 8000)).save(tmp_path / "a.png")
    assert not read_plane(tmp_path / "a.png").any()


def test_transparency_is_dropped_and_palettes_are_resolved(tmp_path):
    Image.new("RGBA", (5, 4), (1, 2, 3, 99)).save(tmp_path / "a.png")
    assert read_plane(tmp_path / "a.png").shape == (3, 4, 5)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_the_head_of_a_picture_tells_what_reading_it_gives(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new(mode, (7, 5)).save(path)
    header, image = read_header(path), read_image(path)
    assert (header.data.shape, header.axes, header.name) == (image.data.shape, image.axes, image.name)


@pytest.mark.parametrize(("kind", "n"), [(2, 3), (6, 4), (4, 2)])
def test_colours_of_16_bits_are_refused_rather_than_cut_to_8(tmp_path, kind, n):
    lines = b"".join(b"\0" + line.tobytes() for line in np.arange(4 * 5 * n, dtype=">u2").reshape(4, 5 * n))
    header = struct.pack(">IIBBBBB", 5, 4, 16, kind, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(BadImage, match=r"colours of 16 bits.*TIFF"):
        read_image(tmp_path / "a.png")
