"""Our commands in the context menu of napari's layer list, which the manifest of a plugin cannot reach."""

from __future__ import annotations

_PLUGIN = "napari-centermask"
_MENU, _GROUP = "napari/layers/context", "1_conversion"
_IS_SOURCE = "num_selected_shapes_layers + num_selected_labels_layers + num_selected_points_layers > 0"
_ENTRIES = (
    ("layers_to_cells", "Layers to cells (CenterMask)", _IS_SOURCE),
    ("cells_to_labels", "Cells to a Labels layer (CenterMask)", None),
    ("cells_to_shapes", "Cells to a Shapes layer (CenterMask)", None),
    ("correct_in_view", "Correct what is in view (CenterMask)", "num_selected_labels_layers > 0"),
)


def extend_context_menu() -> None:
    """Add the entries, from the first use of the plugin on; without effect where napari arranges its menus otherwise.

    They leave with the plugin, when a person disables it.
    """
    try:
        from app_model.types import CommandRule, MenuItem
        from napari._app_model import get_app_model
        from npe2 import PluginManager
    except ImportError:
        return
    app, plugins = get_app_model(), PluginManager.instance()
    there = {item.command.id for item in dict(app.menus).get(_MENU, ()) if isinstance(item, MenuItem)}
    new = []
    for order, (name, title, when) in enumerate(_ENTRIES, start=10):
        command = f"{_PLUGIN}.{name}"
        if command not in there and command in app.commands:
            rule = CommandRule(id=command, title=title, enablement=when)
            new.append((_MENU, MenuItem(command=rule, group=_GROUP, order=order)))
    if new and _PLUGIN in plugins:
        plugins.get_context(_PLUGIN).register_disposable(app.menus.append_menu_items(new))
