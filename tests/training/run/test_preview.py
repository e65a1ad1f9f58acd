"""The picture of training tiles: the tiles of the run, with outlines of their cells."""

import numpy as np
import pytest
from skimage.io import imread

from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data.loader import batches
from napari_centermask.training.data.tile import TrainTile
from napari_centermask.training.run.preview import contact_sheet, draw_tile, preview, write_preview

OFF = AugmentSettings(
    flip=False,
    rotate=0,
    scale=(1, 1),
    elastic=0,
    copy_paste=0,
    intensity=0,
    noise=0,
    blur=0,
    gradient=0,
    specks=0,
    invert=0,
)


def tile(**fields):
    """Six by six pixels, grey 0.2, with two cells that share a column."""
    masks = np.zeros((2, 6, 6), np.uint8)
    masks[0, 0:3, 0:3] = 1
    masks[1, 0:3, 2:5] = 1
    boxes = np.array([(0, 0, 3, 3), (2, 0, 5, 3)], np.float32)
    nothing = {"ignore": np.zeros((0, 4), np.float32)}
    return TrainTile(np.full((1, 6, 6), 0.2, np.float32), boxes, np.array([0, 1]), masks, **nothing | fields)


def test_six_by_six_tile_has_the_outline_of_each_cell_in_the_colour_of_its_category():
    drawn = draw_tile(tile())
    first, second = drawn[0, 0].tolist(), drawn[0, 4].tolist()
    assert first != second
    colours = np.full((6, 6), "-")
    for colour, mark in ((first, "a"), (second, "b"), ([51, 51, 51], "-")):
        colours[(drawn == colour).all(axis=2)] = mark
    assert ["".join(row) for row in colours] == ["aabbb-", "a-b-b-", "aabbb-", "------", "------", "------"]


def test_what_has_no_loss_is_marked():
    unknown = np.zeros((6, 6), np.uint8)
    unknown[4:] = 1
    drawn = draw_tile(tile(ignore=np.array([(3, 3, 6, 6)], np.float32), unreviewed=unknown))
    assert drawn[3, 3:6].tolist() == drawn[5, 3:6].tolist() == [[230, 45, 45]] * 3
    assert drawn[4, 4].tolist() == [128, 128, 128]  # a stripe
    assert drawn[5, 0].tolist() == [51, 51, 51]


def test_intensities_from_0_to_1_become_black_to_white_in_every_channel():
    image = np.zeros((3, 6, 6), np.float32)
    image[:, 5, 5], image[:, 5, 4] = (0.0, 1.0, 2.0), (-0.5, 0.5, 1.0)
    drawn = draw_tile(TrainTile(image, **_no_cells()))
    assert drawn[5, 5].tolist() == [0, 255, 255]
    assert drawn[5, 4].tolist() == [0, 128, 255]


def test_two_channels_are_magenta_and_green():
    image = np.zeros((2, 6, 6), np.float32)
    image[0, 0, 0], image[1, 0, 1] = 1.0, 1.0
    drawn = draw_tile(TrainTile(image, **_no_cells()))
    assert drawn[0, :2].tolist() == [[255, 0, 255], [0, 255, 0]]


def _no_cells():
    none = np.zeros((0, 4), np.float32)
    return {"boxes": none, "classes": np.zeros(0, np.int64), "masks": np.zeros((0, 6, 6), np.uint8), "ignore": none}


def test_small_tiles_are_laid_out_in_rows_at_twice_their_size():
    sheet = contact_sheet([tile()] * 5, across=2)
    assert sheet.shape == (3 * 16 + 4, 2 * 16 + 4, 3)
    np.testing.assert_array_equal(sheet[4:16, 4:16], draw_tile(tile()).repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_array_equal(sheet[4:16, 4:16], sheet[20:32, 20:32])
    assert (sheet[-16:-4, -16:-4] == sheet[0, 0]).all()  # there are only five


def test_the_tiles_are_those_that_the_network_gets_first(settings):
    pytest.importorskip("torch")
    still = settings.model_copy(update={"augment": OFF, "workers": 0})
    images = next(iter(batches(still, batch=4))).images.numpy()
    sheet = preview(still, n=4)
    side = 2 * settings.tile
    for number, image in enumerate(images):
        shown = sheet[4 : 4 + side : 2, number * (side + 4) + 4 : (number + 1) * (side + 4) : 2]
        grey = np.round(np.clip(image[0], 0, 1) * 255)
        inside = (shown == shown[..., :1]).all(axis=2)  # outlines have colours
        assert inside.mean() > 0.7
        np.testing.assert_array_equal(shown[inside][:, 0], grey[inside])
        assert not inside.all()


def test_the_same_settings_give_the_same_picture_and_another_seed_another(settings, tmp_path):
    write_preview(tmp_path / "one.png", settings)
    write_preview(tmp_path / "two.png", settings)
    write_preview(tmp_path / "other.png", settings.model_copy(update={"seed": 7}))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "other.png").read_bytes()
    assert imread(tmp_path / "one.png").shape[2] == 3
    assert not settings.out.exists()
