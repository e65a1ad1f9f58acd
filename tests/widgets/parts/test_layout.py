"""All docks work on a laptop's screen."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractScrollArea,
    QCheckBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QToolButton,
    QWidget,
)

from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.icons import TITLES
from napari_centermask.widgets.parts.layout import FittedLabel
from napari_centermask.widgets.project.session import project_session_of

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


def test_channels_are_counted_where_their_names_have_no_room(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    names = ["DAPI, ex 405, em 450/50", "phalloidin, ex 488, em 525/50", "GFP"]
    layer = viewer.add_image(np.zeros((3, 64, 64), np.uint8), name="field", axis_labels=("c", "y", "x"))
    layer.metadata["channel_names"] = names
    frame, dock = viewer.window.add_plugin_dock_widget("napari-centermask", "Segment")
    area = next(a for a in dock.findChildren(QScrollArea) if a.parent() is dock)
    channels = dock.image.channels
    qtbot.waitUntil(channels.isVisible)
    channels.set_value(None)
    assert channels.text() == "all 3 channels"
    assert frame.width() <= WIDTH
    assert not cut_texts(dock, area)
    channels.menu().actions()[0].setChecked(False)
    assert channels.text() == "2 of 3 channels"
    assert ", ".join(names[1:]) in channels.toolTip()
    channels.menu().actions()[1].setChecked(False)
    assert channels.text() == names[2]
    channels.set_value(None)
    viewer.window._qt_window.resizeDocks([frame], [700], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: channels.text() == ", ".join(names))
    viewer.window._qt_window.resizeDocks([frame], [WIDTH], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: channels.text() == "all 3 channels")


@pytest.mark.parametrize("name", ["Models", "Fine-tune"])
def test_the_data_of_a_project_are_named_in_full(make_napari_viewer, qtbot, tmp_path, name):
    folder = tmp_path / "a project with a rather long name"
    folder.mkdir()
    tifffile.imwrite(folder / "field.tif", np.zeros((64, 64), np.uint8))
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    session = project_session_of(viewer)
    session.open(folder)
    frame, dock = viewer.window.add_plugin_dock_widget("napari-centermask", name)
    data = dock.comparing.data if name == "Models" else dock.start.data
    qtbot.waitUntil(data.isVisible)
    style, option = data.style(), QStyleOptionComboBox()
    data.initStyleOption(option)
    field = style.subControlRect(
        QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, data
    )
    assert frame.width() <= WIDTH
    assert data.fontMetrics().horizontalAdvance(data.currentText()) <= field.width()
    assert data.itemData(0, Qt.ItemDataRole.ToolTipRole) == str(folder)
    session.close()


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
    label.resize(300, label.height())
    assert label.minimumHeight() == high
    label.setText("one line")
    assert label.minimumHeight() == low
