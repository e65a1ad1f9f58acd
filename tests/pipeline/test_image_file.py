"""An image file is read, yielded and segmented, whatever calls it."""

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadImage
from napari_centermask.pipeline.image_file import OpenedFile, segment_file
from napari_centermask.settings import SegmentSettings

SHAPE = (300, 260)


def run(steps):
    """What a generator yields, and its value."""
    yielded = []
    while True:
        try:
            yielded.append(next(steps))
        except StopIteration as end:
            return yielded, end.value


def test_all_planes_of_a_file_are_segmented_after_it_was_yielded(fake, tmp_path):
    drawn = fake.draw(SHAPE, fake.place(SHAPE, 12, radii=(14, 18)))[0]
    tifffile.imwrite(
        tmp_path / "z.tif", np.stack([drawn, drawn]).astype(np.uint8), imagej=True, metadata={"axes": "ZYX"}
    )
    steps, done = run(segment_file(tmp_path / "z.tif", fake.engine(), SegmentSettings(tile=256, diameter=32)))
    (opened,) = [step for step in steps if isinstance(step, OpenedFile)]
    assert opened.image.leading == (2,)
    assert opened.kind == done.kind == "fluorescence"
    assert [plane.plane.index for plane in done.planes] == [(0,), (1,)]
    assert all(len(plane.cells) > 5 for plane in done.planes)
    assert done.left_out == []


def test_a_file_that_cannot_be_read_says_so(fake, tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0 nothing")
    with pytest.raises(BadImage, match=r"a\.tif"):
        run(segment_file(tmp_path / "a.tif", fake.engine(), SegmentSettings()))
