"""Settings check their values."""

import pytest

from napari_centermask.settings import AugmentSettings


def test_settings_whose_ends_are_in_the_wrong_order_are_refused():
    for wrong in ((1.6, 0.5), (0, 1), (-1, 1), (1, float("inf"))):
        with pytest.raises(ValueError, match="the smaller first"):
            AugmentSettings(scale=wrong)
    assert AugmentSettings(scale=(1, 1)).scale == (1, 1)
