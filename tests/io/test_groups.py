"""Images of one source stay in one split."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.groups import group_of, same_files, split_groups


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("exp/cells_t003_z01.tif", "exp/cells"),
        ("cells_T4.tif", "cells"),
        ("scan_x0_y512.png", "scan"),
        ("scan_x0y512_ch2.png", "scan"),
        ("slide tile-07.png", "slide"),
        ("frame_0012.png", "all frames"),
        ("field_012.png", "field_012"),
        ("BBBC_A01_s2.png", "bbbc_a01_s2"),
        ("matrix2.png", "matrix2"),
    ],
)
def test_names_tell_the_source(name, group):
    assert group_of(name) == group


@pytest.mark.parametrize("seed", range(20))
def test_splits_are_whole_repeatable_and_about_as_large_as_asked(seed):
    rng = np.random.default_rng(seed)
    groups = [f"g{k}" for k in rng.integers(0, 60, 400)]
    fractions = {"train": 0.7, "val": 0.15, "test": 0.15, "none": 0.0}
    splits = split_groups(groups, fractions, seed=seed)
    assert splits == split_groups(groups, fractions, seed=seed)
    assert all(len({s for s, h in zip(splits, groups, strict=True) if h == g}) == 1 for g in set(groups))
    for name, part in fractions.items():
        assert abs(splits.count(name) / 400 - part) < 0.05
    few = split_groups(["a", "a", "a", "a", "b", "c"], {"train": 0.9, "val": 0.05, "test": 0.05}, seed=seed)
    assert set(few) == {"train", "val", "test"}
    with pytest.raises(BadSettings, match="above 0"):
        split_groups(groups, {"train": -1})


def test_images_in_one_file_or_its_copy_share_their_file(lif, tmp_path):
    path, *_ = lif()
    copy = tmp_path / "copy.lif"
    copy.write_bytes(path.read_bytes())
    other = tmp_path / "other.tif"
    other.write_bytes(b"x")
    assert same_files([other, path / "Series 1", path / "Series_2_x", copy / "Series 1", tmp_path / "gone"]) == [
        0,
        1,
        1,
        1,
        4,
    ]
