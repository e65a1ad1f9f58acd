"""Commands of the manifest that open no widget of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_centermask.widgets.viewer.dock import open_dock

if TYPE_CHECKING:
    import napari.viewer
    from napari.viewer import Viewer

    from napari_centermask.widgets.segment.dock import SegmentDock


def open_on_active(viewer: Viewer) -> SegmentDock:
    """Open the dock Segment with the active image layer."""
    dock: SegmentDock = open_dock(viewer, "Segment")[1]
    active = viewer.layers.selection.active
    if active is not None:
        dock.image.layers.layer = active
    return dock


def segment_active(viewer: "napari.viewer.Viewer") -> None:  # noqa: UP037 - napari injects by this very text
    """Segment the active image layer with the dock's settings."""
    open_on_active(viewer).start()
