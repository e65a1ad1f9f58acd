"""All docks work on a laptop's screen."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import (
    QAbstractScrollArea,
    QCheckBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QTabBar,
    QToolButton,
    QWidget,
)

from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.icons import TITLES
from napari_centermask.widgets.parts.layout import FittedLabel

WIDTH = 330


@pytest.mark.parametrize("size", [(1280, 720), (1366, 768), (1500, 1000)], ids="{0[0]} x {0[1]}".format)
def test_all_docks_fit_the_screen(make_napari_viewer, qtbot, size):
    """A small one, and one at which scroll bars come and go while docks are laid out."""
    viewer = make_napari_viewer(show=True)
    window = viewer.window._qt_window
    window.resize(*size)
    viewer.add_image(np.zeros((64, 64), np.uint8), name="an image with a rather long name.tif")
    qtbot.waitUntil(lambda: (window.width(), window.height()) == size)
    for name in TITLES:
        frame, dock = viewer.window.add_plugin_dock_widget("napari-centermask", name)
        qtbot.waitUntil(dock.isVisible)
        area = next(a for a in dock.findChildren(QScrollArea) if a.parent() is dock)
        for fold in dock.findChildren(Fold) if size == (1366, 768) else ():
            fold.expand(animate=False)
        qtbot.waitUntil(lambda area=area: area.widget().width() <= area.viewport().width())
        assert (window.width(), window.height()) == size, name
        assert window.minimumSizeHint().height() <= size[1], name
        assert dock.minimumSizeHint().width() <= WIDTH, name
        assert area.widget().minimumSizeHint().width() + area.verticalScrollBar().sizeHint().width() <= WIDTH, name
        assert frame.width() <= WIDTH, name
        qtbot.waitUntil(lambda dock=dock, area=area: not cut_texts(dock, area))
    (bar,) = [bar for bar in window.findChildren(QTabBar) if bar.parent() is window]
    assert bar.sizeHint().width() <= bar.width()  # all tabs are seen


def cut_texts(dock: QWidget, area: QScrollArea) -> list[str]:
    """The texts of buttons and labels that are shown in part only."""
    cut = []
    for kind in (QPushButton, QToolButton, QCheckBox, QLabel):
        for shown in (w for w in dock.findChildren(kind) if w.isVisible() and w.text()):
            needs_height = shown.heightForWidth(shown.width()) if shown.hasHeightForWidth() else 0
            is_whole = shown.width() >= shown.minimumSizeHint().width() and shown.height() >= needs_height
            if not isinstance(shown.parent().parent(), QAbstractScrollArea):
                right = shown.mapTo(area.widget(), QPoint(shown.width(), 0)).x()
                is_whole = is_whole and right <= area.viewport().width()
            if not is_whole:
                cut.append(shown.text())
    return cut


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
