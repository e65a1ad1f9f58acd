import numpy as np

from napari_centermask.engines.graphs import roi_feed, roi_inputs


def test_boxes_carry_the_number_of_their_tile_and_types_are_the_graphs():
    pyramid = tuple(np.zeros((2, 4, n, n), np.float32) for n in (8, 4, 2))
    feed = roi_feed(pyramid, np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), np.array([0, 2]), 1, 4096.0)
    assert tuple(feed) == roi_inputs(3)
    assert feed["rois"].tolist() == [[1, 1, 2, 3, 4], [1, 5, 6, 7, 8]]
    assert [feed[name].dtype for name in ("rois", "classes", "image_area")] == [np.float32, np.int64, np.float32]
    assert all(feed[name] is level for name, level in zip(("p3", "p4", "p5"), pyramid, strict=True))


def test_no_boxes_are_an_empty_list_of_five_columns():
    pyramid = tuple(np.zeros((1, 4, n, n), np.float32) for n in (8, 4, 2))
    feed = roi_feed(pyramid, np.zeros((0, 4)), np.zeros(0), 0, 1.0)
    assert feed["rois"].shape == (0, 5)
    assert feed["classes"].shape == (0,)
