"""What the parts of the models dock show of a model."""

from __future__ import annotations

from installed_models import choose

from napari_centermask.widgets.models.tasks import Inventory
from napari_centermask.widgets.models.view import ListBox
from napari_centermask.widgets.parts.empty import EmptyNote


def test_a_card_tells_what_a_model_was_made_from_and_how_good_it_is(dock):
    choose(dock, "second")
    text = dock.card.text.text()
    for part in (
        "second ← first",
        "1,200 steps in 9.5 minutes",
        "mine (01234567)",
        "2 images, with those of its parents",
        "3 channels,",
        "AP 0.400, AP50 0.600, Boundary IoU 0.550, mIoU 0.800",
        "Not for &lt;tissue&gt;.",
    ):
        assert part in text
    assert (
        "test fields: bioimage AP 0.512, Boundary IoU 0.710, bioimage AP of outlines 0.440, mIoU 0.810, "
        "pixel accuracy 0.970, Dice 0.890, predicted / annotated area 0.920, recall of cells cut by the border 0.500, "
        "mean IoU of cells cut by the border 0.350<" in text
    )
    dock.card.fold.expand(animate=False)
    curves = dock.card.curves
    assert curves.plots[0].lines["loss"].getData()[0].tolist() == [10, 20]
    curves.over_time.click()
    assert curves.plots[0].lines["loss"].getData()[0].tolist() == [0.5, 1.0]
    assert curves.plots[1].lines["AP"].getData()[0].tolist() == [1.0]
    choose(dock, "first")
    assert "made from it</td><td>second" in dock.card.text.text()


def test_an_empty_list_says_that_no_model_is_installed_only_after_looking(qtbot):
    box = ListBox()
    qtbot.addWidget(box)
    note = box.tree.findChild(EmptyNote)
    assert note.text() == "Listing the models…"
    box.show_inventory(Inventory((), (), (), ()))
    assert note.text().startswith("No model is installed.")
