"""What the manifest contributes, reached the way napari reaches it."""

from __future__ import annotations

import pytest
from npe2.manifest.utils import import_python_name

pytestmark = pytest.mark.usefixtures("plugin")
PLUGIN = "napari-centermask"


def test_the_dock_opens_from_the_plugin(viewer, engine):
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "CenterMask")
    assert type(dock).__name__ == "SegmentDock"
    assert dock.source is None


def test_every_command_of_the_manifest_is_there(plugin):
    commands = plugin.manifest.contributions.commands
    assert len(commands) > 15
    assert all(callable(import_python_name(command.python_name)) for command in commands)
