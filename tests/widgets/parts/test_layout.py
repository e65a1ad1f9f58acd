"""All docks work on a laptop's screen."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QAbstractScrollArea, QPushButton, QScrollArea, QToolButton, QWidget

from napari_centermask.widgets.parts.layout import FittedLabel

DOCKS = "Segment Correct Review Project Viability Fine-tune Models".split()


@pytest.mark.parametrize("size", [(1280, 720), (1500, 1000)], ids="{0[0]} x {0[1]}".format)
def test_all_docks_fit_the_screen(make_napari_viewer, qtbot, size):
    """A small one, and one at which scroll bars come and go while docks are laid out."""
    viewer = make_napari_viewer(show=True)
    window = viewer.window._qt_window
    window.resize(*size)
    viewer.add_image(np.zeros((64, 64), np.uint8), name="an image with a rather long name.tif")
    qtbot.waitUntil(lambda: (window.width(), window.height()) == size)
    for name in DOCKS:
        _, dock = viewer.window.add_plugin_dock_widget("napari-centermask", name)
        qtbot.waitUntil(dock.isVisible)
        area = next(a for a in dock.findChildren(QScrollArea) if a.parent() is dock)
        qtbot.waitUntil(lambda area=area: area.widget().width() <= area.viewport().width())
        assert (window.width(), window.height()) == size, name
        assert window.minimumSizeHint().height() <= size[1], name
        _assert_no_button_is_cut(dock, area)


def _assert_no_button_is_cut(dock: QWidget, area: QScrollArea) -> None:
    buttons = [b for kind in (QPushButton, QToolButton) for b in dock.findChildren(kind) if b.isVisible()]
    assert buttons
    for button in buttons:
        assert button.width() >= button.minimumSizeHint().width(), button.text()
        if not isinstance(button.parent().parent(), QAbstractScrollArea):
            right = button.mapTo(area.widget(), QPoint(button.width(), 0)).x()
            assert right <= area.viewport().width(), button.text()


def test_a_fitted_label_grows_with_its_text_and_shrinks_with_its_width(qtbot):
    label = FittedLabel()
    qtbot.addWidget(label)
    label.resize(300, 20)
    label.show()
    label.setText("one line")
    low = label.minimumHeight()
    label.setText("as many words as need several lines of this width " * 3)
    high = label.minimumHeight()
    assert high > 2 * low > 0
    label.resize(150, label.height())
    assert label.minimumHeight() > high
