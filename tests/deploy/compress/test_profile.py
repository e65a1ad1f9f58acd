"""The profiles of the engines name what takes the time."""

import numpy as np
import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.deploy.profile import format_operators, profile

IMAGE = np.random.default_rng(0).integers(0, 255, (1, 64, 64), np.uint8)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_the_slowest_operators_come_first_and_shares_sum_to_one(models, engine):
    rows = profile(models["unet"], IMAGE, engine=engine, runs=2)
    assert [row.ms for row in rows] == sorted((row.ms for row in rows), reverse=True)
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert {row.graph for row in rows} == {"maps"}
    assert any("Conv" in row.kind for row in rows)
    assert "By kind: " in format_operators(rows, most=3)


def test_an_engine_without_a_profile_is_refused(models):
    with pytest.raises(BadSettings, match="Only the engines onnx and openvino"):
        profile(models["unet"], IMAGE, engine="torch")
