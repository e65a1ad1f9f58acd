"""Open napari with an image and the cells of its COCO file: python -m napari_centermask.widgets.viewer.demo IMAGE COCO."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from qtpy.QtCore import QTimer

from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.images import read_plane
from napari_centermask.widgets.viewer.dock import open_dock
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of


def show(image: Path, coco: Path) -> None:
    """Show the image, its cells and the Segment dock; returns when the window is closed."""
    import napari

    viewer = napari.Viewer(title="CenterMask")
    plane = read_plane(image)
    rgb = len(plane) == 3
    source = viewer.add_image(np.moveaxis(plane, 0, -1) if rgb else plane[0], name=image.stem, rgb=rgb)
    open_dock(viewer, "Segment")
    session = session_of(viewer)
    shown = session.begin(source, ImagePlanes.of(source), threshold=0.0)
    session.put(shown, (), read_coco(coco)[0].instances)
    QTimer.singleShot(0, viewer.reset_view)  # once the dock has taken its place
    napari.run()


if __name__ == "__main__":
    show(Path(sys.argv[1]), Path(sys.argv[2]))
