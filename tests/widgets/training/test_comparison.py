"""The old and the new model side by side."""

from __future__ import annotations

import pytest
from played_job import COMPARES, OUTLIVES, comparison, installing, state

pytestmark = OUTLIVES


def test_both_models_are_shown_side_by_side_and_one_button_installs(train, wait, act, home, monkeypatch):
    from napari_centermask.widgets.training import new_model

    comparison(home, recommended=True)
    installed = []
    monkeypatch.setattr(new_model, "run_child", installing(installed))
    act(COMPARES)
    train.start.start.click()
    wait(lambda: state(train) == "done" and train.new_model.isVisible())
    box = train.comparison
    assert box.verdict.text() == "The new model is better."
    assert "+0.010 to +0.090" in box.chance.text()
    rows = [[box.figures.topLevelItem(i).text(c) for c in range(4)] for i in range(box.figures.topLevelItemCount())]
    assert rows[0] == ["Bioimage AP, mean .50–.90", "0.400", "0.450", "+0.050"]
    assert rows[4] == ["Panoptic quality", "–", "–", "–"]
    assert ["Boundary IoU of matched cells", "0.500", "0.750", "+0.250"] in rows
    assert ["COCO AP, small cells", "0.200", "–", "–"] in rows
    assert ["Cells cut by the border, mean IoU", "0.250", "0.250", "+0.000"] in rows
    assert ["Area of matched cells, predicted / annotated", "0.920", "1.000", "+0.080"] in rows
    assert not [row for row in rows if row[0].startswith("Class map")]  # a comparison of an earlier version has none
    assert [p.image.width() for p in box.pictures] == [60, 60]
    assert not train.new_model.predict.isEnabled()
    assert installed == []  # nothing is installed by itself
    train.new_model.install.click()
    wait(lambda: train.training.installed)
    assert train.training.job.folder.name == "cells"  # as an included model is called
    assert installed == [(train.training.latest.model, "cells-2")]
    assert train.new_model.predict.isEnabled()
    assert not train.new_model.install.isEnabled()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"per_image": 3, "verdict": {}}', '{"per_image": [], "verdict": {"sentence": 1}}']
)
def test_a_damaged_comparison_is_left_out(tmp_path, text):
    from napari_centermask.widgets.training.comparison import read_comparison

    (tmp_path / "comparison.json").write_text(text)
    assert read_comparison(tmp_path / "comparison.json") is None
