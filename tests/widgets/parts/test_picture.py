"""A picture from a file keeps its shape."""

import numpy as np
from PIL import Image

from napari_centermask.widgets.parts.picture import Picture, read_picture


def test_a_large_picture_is_made_smaller_and_what_is_none_is_left_out(tmp_path, qapp):
    Image.fromarray(np.zeros((600, 2400), np.uint8)).save(tmp_path / "large.png")
    (tmp_path / "text.png").write_text("no picture")
    image = read_picture(tmp_path / "large.png")
    assert (image.width(), image.height()) == (1200, 300)
    assert read_picture(tmp_path / "text.png") is None
    assert read_picture(tmp_path / "missing.png") is None


def test_a_picture_is_as_wide_as_its_dock_and_not_wider_than_it_is(tmp_path, qtbot):
    Image.fromarray(np.zeros((100, 400), np.uint8)).save(tmp_path / "a.png")
    picture = Picture()
    qtbot.addWidget(picture)
    picture.set_image(read_picture(tmp_path / "a.png"))
    for width, height in ((200, 50), (800, 100)):
        picture.resize(width, 300)
        assert picture.sizeHint().height() == height
        assert picture.pixmap().height() == height
    picture.set_image(None)
    assert picture.isHidden()
