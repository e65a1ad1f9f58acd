"""The detector of a family is the one that its record names; cut cells do not tell their size."""

from types import SimpleNamespace

import numpy as np

from napari_centermask.pipeline.detections import CenterMaskDetector
from napari_centermask.pipeline.detector import counting, make_detector
from napari_centermask.pipeline.map_detector import MapDetector
from napari_centermask.settings import SegmentSettings


def test_the_family_of_the_card_decides(fake):
    for kind, detector in (("centermask", CenterMaskDetector), ("unet", MapDetector)):
        assert type(make_detector(fake.engine(fake.card(kind=kind)), SegmentSettings())) is detector


def test_cut_cells_count_only_where_the_window_is_the_image_and_others_are_few():
    scaled = SimpleNamespace(shape=(100, 80))
    few, many = np.array([True, True, False, False]), np.array([True, False, False, False])
    assert counting(few, (0, 0, 100, 80), scaled).all()
    assert counting(few, (0, 0, 100, 70), scaled).tolist() == [False, False, True, True]
    assert counting(many, (0, 0, 100, 80), scaled).tolist() == [False, True, True, True]
