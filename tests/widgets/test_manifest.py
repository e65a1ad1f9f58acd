"""What the manifest contributes, reached the way napari reaches it."""

from __future__ import annotations

from pathlib import Path

import pytest
from npe2.manifest.utils import import_python_name
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListView, QTableView, QTreeView, QWidget

import napari_centermask
from napari_centermask.widgets.parts.empty import EmptyNote
from napari_centermask.widgets.parts.first_hint import FirstHint
from napari_centermask.widgets.parts.help import HelpButton, HelpWindow
from napari_centermask.widgets.viewer.state import state_of

pytestmark = pytest.mark.usefixtures("plugin")
PLUGIN = "napari-centermask"
IN_ORDER = [
    "Segment",
    "Correct",
    "Review",
    "Project",
    "Measure",
    "Viability",
    "Tracks",
    "Fine-tune",
    "Models",
    "Compress",
    "Export",
]


def entries(menu):
    """Texts of a menu that napari shows, without separators, marks of shortcuts, and "Empty", which it hides."""
    texts = [a.text().replace("&", "").removesuffix(" (CenterMask)") for a in menu.actions()]
    return [text for text in texts if text not in ("", "Empty")]


def test_the_dock_opens_from_the_plugin(viewer, engine):
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    assert type(dock).__name__ == "SegmentDock"
    assert dock.source is None


def test_every_command_of_the_manifest_is_there(plugin):
    commands = plugin.manifest.contributions.commands
    assert len(commands) > 15
    assert all(callable(import_python_name(command.python_name)) for command in commands)


def test_the_question_mark_of_every_dock_opens_a_page(viewer, engine, plugin, qtbot):
    """By a click on the button as a person sees it."""
    titles = set()
    for widget in plugin.manifest.contributions.widgets:
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, widget.display_name)
        dock.window().show()
        qtbot.waitUntil(dock.isVisible, timeout=30_000)
        (button,) = dock.findChildren(HelpButton)
        assert button.isVisible(), widget.display_name
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        shown = button.window().findChild(HelpWindow)
        assert shown.isVisible(), widget.display_name
        titles.add(shown.windowTitle())
    assert len(titles) == len(plugin.manifest.contributions.widgets)


def test_every_dock_of_ours_begins_with_a_hint_that_stays_away(viewer, engine, plugin, qtbot, hints):
    hints.undo()
    names = [widget.display_name for widget in plugin.manifest.contributions.widgets]
    shown = [viewer.window.add_plugin_dock_widget(PLUGIN, name)[1].findChild(FirstHint) for name in names]
    assert all(hint is not None and not hint.isHidden() for hint in shown)
    shown[0].done.click()
    assert [hint.isHidden() for hint in shown] == [True] + [False] * (len(names) - 1)
    shown[1].none.click()
    assert all(hint.isHidden() for hint in shown)


def test_every_empty_list_in_a_dock_says_what_would_fill_it(viewer, engine, plugin):
    silent = []
    for widget in plugin.manifest.contributions.widgets:
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, widget.display_name)
        kinds = QListView, QTableView, QTreeView
        views = [v for kind in kinds for v in dock.findChildren(kind) if is_ours(v)]
        silent += [
            (widget.display_name, v.parentWidget(), v)
            for v in views
            if not v.model().rowCount() and not says_something(v)
        ]
    assert not silent


def is_ours(view):
    """Not the list that a combo box opens, nor one in a menu of pyqtgraph's plots."""
    above = view
    while above := above.parentWidget():
        if above.metaObject().className() in ("QComboBoxPrivateContainer", "QMenu", "PlotWidget"):
            return False
    return isinstance(view.parentWidget(), QWidget)


def says_something(view):
    note = view.viewport().findChild(EmptyNote)
    return note is not None and not note.isHidden() and note.text()


def test_docks_stand_in_the_menu_in_the_order_of_work(make_napari_viewer):
    window = make_napari_viewer().window._qt_window
    plugins = next(a for a in window.menuBar().actions() if a.text().replace("&", "") == "Plugins").menu()
    ours = next(a for a in plugins.actions() if a.text() == "CenterMask").menu()
    assert entries(ours) == IN_ORDER


def test_layers_menus_offer_what_fits_them(make_napari_viewer):
    window = make_napari_viewer().window._qt_window
    layers = next(a for a in window.menuBar().actions() if a.text().replace("&", "") == "Layers").menu()
    offered = {a.text().replace("&", ""): entries(a.menu()) for a in layers.actions() if a.menu()}
    assert offered["Segment"][:2] == ["Segment the active image", "Segment"]
    to_cells = "Layers to cells (Shapes, Labels, Points as seeds)"
    in_view = "Correct what is in view (of a large image)"
    assert offered["Annotate"] == [to_cells, in_view, "Correct", "Review", "Project"]
    assert offered["Layer Type"][-3:] == [to_cells, "Cells to a Labels layer", "Cells to a Shapes layer"]
    assert "Viability" in offered["Measure"]
    assert "Viability" in offered["Classify"]
    assert offered["Track"] == ["Tracks"]


def test_the_context_menu_of_layers_has_the_conversions_from_the_first_use_on(make_napari_viewer):
    from napari._app_model import get_app_model

    state_of(make_napari_viewer())
    menu = get_app_model().menus.get_menu("napari/layers/context")
    titles = [item.command.title for item in menu if hasattr(item, "command")]
    assert [title.removesuffix(" (CenterMask)") for title in titles if "CenterMask" in title] == [
        "Layers to cells",
        "Cells to a Labels layer",
        "Cells to a Shapes layer",
        "Correct what is in view",
    ]


def test_the_palette_greys_out_what_needs_a_path_or_data(plugin):
    contributed = plugin.manifest.contributions
    called_by_napari = {c.command for c in (*contributed.readers, *contributed.writers)}
    assert {c.id for c in contributed.commands if c.enablement == "False"} == called_by_napari


def test_the_icon_ships_with_the_package(plugin):
    package, _, name = plugin.manifest.icon.partition(":")
    folder = Path(napari_centermask.__file__).parent / package.removeprefix("napari_centermask.")
    assert (folder / name).read_text(encoding="utf-8").startswith("<svg")
