"""Commands of the manifest that open no widget of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari.viewer
    from napari.viewer import Viewer

    from napari_centermask.widgets.segment.dock import SegmentDock


def open_dock(viewer: Viewer) -> SegmentDock:
    """Open the CenterMask dock with the active image layer."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-centermask", "CenterMask")
    active = viewer.layers.selection.active
    if active is not None:
        dock.image.layers.layer = active
    return dock


def segment_active(viewer: "napari.viewer.Viewer") -> None:  # noqa: UP037 - napari injects by this very text
    """Segment the active image layer with the dock's settings."""
    open_dock(viewer).start()
