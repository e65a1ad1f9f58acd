"""Commands of napari's Layers menus: layers of any origin to cells, and cells to plain layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from napari.utils.notifications import show_info, show_warning

from napari_centermask.core.errors import BadSettings
from napari_centermask.widgets.edit.cell_layers import labels_of, shapes_of
from napari_centermask.widgets.edit.conversion import conversions_of
from napari_centermask.widgets.edit.large_parts import parts_of
from napari_centermask.widgets.viewer.dock import open_dock
from napari_centermask.widgets.viewer.state import session_of, unwrapped
from napari_centermask.widgets.work.gate import attempt

if TYPE_CHECKING:
    import napari.viewer
    from napari.viewer import Viewer

    from napari_centermask.widgets.viewer.shown import Shown


def layers_to_cells(viewer: "napari.viewer.Viewer") -> None:  # noqa: UP037 - napari injects by this very text
    """Turn the selected Shapes, Labels and Points layers into cells of their image."""
    viewer = unwrapped(viewer)
    chosen = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    attempt(conversions_of(viewer).start, chosen)


def correct_in_view(viewer: "napari.viewer.Viewer") -> None:  # noqa: UP037
    """Correct what is in view of a large image, whose cells are lazy layers."""
    viewer = unwrapped(viewer)
    if attempt(parts_of(viewer).start):
        open_dock(viewer, "Correct")


def cells_to_labels(viewer: "napari.viewer.Viewer") -> None:  # noqa: UP037
    """Copy the cells of the active image to a plain Labels layer."""
    attempt(_to_labels, unwrapped(viewer))


def cells_to_shapes(viewer: "napari.viewer.Viewer") -> None:  # noqa: UP037
    """Copy the cells of the active image to a Shapes layer, which keeps overlaps."""
    attempt(_to_shapes, unwrapped(viewer))


def _to_labels(viewer: Viewer) -> None:
    layer, loss = labels_of(_cells_in_use(viewer))
    viewer.add_layer(layer)
    if loss:
        show_warning(f"{layer.name}: {loss} 'Cells to a Shapes layer' keeps overlaps.")


def _to_shapes(viewer: Viewer) -> None:
    layer = shapes_of(_cells_in_use(viewer), viewer)
    viewer.add_layer(layer)
    show_info(f"{layer.name}: {len(layer.data):,} outlines. 'Layers to cells' turns them into cells again.")


def _cells_in_use(viewer: Viewer) -> Shown:
    """The cells of the active layer's image, or of the only image that has some, with what is being painted."""
    session = session_of(viewer)
    active = viewer.layers.selection.active
    source = None if active is None else session.image_of(active)
    with_cells = [x for x in viewer.layers if isinstance(x, Image) and _has_cells(session.shown(x))]
    if source not in with_cells and len(with_cells) == 1:
        source = with_cells[0]
    shown = session.shown(source) if source in with_cells else None
    if shown is None:
        raise BadSettings("Select an image with cells in the layer list first.")
    if shown.edits is not None:
        shown.edits.finish()
    return shown


def _has_cells(shown: Shown | None) -> bool:
    return shown is not None and shown.result.n_visible() > 0
