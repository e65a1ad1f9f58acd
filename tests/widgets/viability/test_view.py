"""What the boxes of the dock say and show."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QFileDialog
from stained_cells import disc, field


def test_without_probabilities_or_with_one_category_the_dock_says_what_to_do(viewer, open_dock):
    dock = open_dock({(): [disc(1, 20, 20)]})
    assert dock.threshold.note.text().startswith("The cells have no probabilities: run a model")
    assert not dock.threshold.slider.isEnabled()
    assert dock.viability.layer is None
    assert dock.counts.summary.image.text() == "Image: 1 live cell, 0 dead cells. Viability <b>100.0 %</b>"
    other = open_dock({(): [disc(1, 20, 20)]}, categories={1: "cell"})
    assert other.threshold.note.text().startswith("A threshold needs two categories; there is only one.")


def test_the_figures_of_an_evaluation_are_shown_as_wide_as_the_dock(viewer, open_dock, tmp_path, monkeypatch):
    dock = open_dock({(): field()})
    for name in ("roc", "confusion"):
        picture = QImage(400, 300, QImage.Format.Format_RGB32)
        picture.fill(Qt.GlobalColor.red)
        (tmp_path / "figures").mkdir(exist_ok=True)
        assert picture.save(str(tmp_path / "figures" / f"{name}.png"))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path))
    dock.counts.tabs.setCurrentWidget(dock.figures)
    dock.figures.open.click()
    assert [dock.figures.names.itemText(i) for i in range(2)] == ["figures/confusion", "figures/roc"]
    shown = dock.figures.picture.pixmap()
    assert shown.width() == dock.figures.picture.width()
    assert shown.width() * 3 == pytest.approx(shown.height() * 4, abs=4)
