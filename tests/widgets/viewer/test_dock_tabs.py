"""The tabs of our docks: names while there is room, and icons."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabBar, QWidget

from napari_centermask.widgets.parts.icons import TITLES
from napari_centermask.widgets.viewer.dock_tabs import tabs_of


@pytest.fixture
def bar_of(qtbot):
    """The tab bar of a window with docks of these titles and of this width, the last one in front."""
    windows = []

    def make(titles, width):
        window = QMainWindow()
        qtbot.addWidget(window)
        windows.append(window)
        docks = [QDockWidget(title, window) for title in titles]
        for dock in docks:
            dock.setWidget(QWidget())
            window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
            if dock is not docks[0]:
                window.tabifyDockWidget(docks[0], dock)
        docks[-1].raise_()
        window.resize(1000, 300)
        window.show()
        qtbot.waitUntil(lambda: any(bar.count() == len(titles) for bar in window.findChildren(QTabBar)))
        bar = next(bar for bar in window.findChildren(QTabBar) if bar.count() == len(titles))
        bar.resize(width, bar.height())
        tabs_of(window).refresh()
        return bar

    return make


def seen(bar):
    return [not bar.tabIcon(n).isNull() for n in range(bar.count())]


def test_with_room_each_tab_has_icon_and_name(bar_of):
    bar = bar_of(TITLES[:3], 600)
    assert seen(bar) == [True] * 3
    assert not bar.styleSheet()


def test_with_less_room_names_come_first(bar_of):
    bar = bar_of(TITLES[:3], 600)
    names = sum(bar.fontMetrics().horizontalAdvance(title) + 24 for title in TITLES[:3])
    bar = bar_of(TITLES[:3], names + 10)
    assert seen(bar) == [False] * 3
    assert not bar.styleSheet()


def test_the_tabs_of_all_docks_are_icons_with_the_name_of_the_one_in_front_and_tooltips(bar_of):
    bar, last = bar_of(TITLES, 330), len(TITLES) - 1
    assert seen(bar) == [True] * len(TITLES)
    slim = {bar.tabRect(n).width() for n in range(last)}
    assert max(slim) < 40
    front = bar.tabRect(last)
    assert front.width() > bar.fontMetrics().horizontalAdvance(TITLES[last])
    assert [bar.tabToolTip(n) for n in range(len(TITLES))] == list(TITLES)
    assert [bar.tabText(n) for n in range(len(TITLES))] == list(TITLES)  # for who cannot see the icons


def test_the_tabs_of_other_plugins_are_left_as_they_are(bar_of):
    bar = bar_of((*TITLES, "Another plugin"), 330)
    assert not any(seen(bar))
    assert not bar.styleSheet()
