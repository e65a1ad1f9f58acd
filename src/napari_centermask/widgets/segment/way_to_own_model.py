"""The way from a model that does not suit to one of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.viewer import Viewer


def open_fine_tuning(viewer: Viewer) -> None:
    """Open the docks in which cells are drawn and a model is fine-tuned on them, that for drawing in front."""
    from napari.utils.notifications import show_info

    frames = [
        viewer.window.add_plugin_dock_widget("napari-centermask", f"CenterMask: {name}")[0]
        for name in ("Project", "Fine-tune", "Correct")
    ]
    frames[-1].raise_()
    show_info(
        "1. In Project, open the folder of your images. 2. In Correct, draw about 20 cells. 3. In Review, mark a region where "
        "all cells are drawn. 4. Press Fine-tune."
    )
