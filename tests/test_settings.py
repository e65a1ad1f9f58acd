"""Settings check their values."""

import pytest

from napari_centermask.settings import AugmentSettings, TrainSettings


def test_settings_whose_ends_are_in_the_wrong_order_are_refused():
    for wrong in ((1.6, 0.5), (0, 1), (-1, 1), (1, float("inf"))):
        with pytest.raises(ValueError, match="the smaller first"):
            AugmentSettings(scale=wrong)
    assert AugmentSettings(scale=(1, 1)).scale == (1, 1)


def test_a_run_in_the_current_folder_has_the_name_of_that_folder(tmp_path, monkeypatch):
    (tmp_path / "first" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "first")
    assert TrainSettings(data=["fields"], out=".").out == tmp_path / "first"
    assert TrainSettings(data=["fields"], out="..").out == tmp_path
    assert TrainSettings(data=["fields"], out="run").out.as_posix() == "run"
