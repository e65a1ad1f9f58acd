"""Pictures of detectron2's Visualizer: an image with the cells that were found or annotated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.instances import Instances
from napari_centermask.core.normalise import RANGE
from napari_centermask.detectron2.installed import require
from napari_centermask.io.images import read_plane
from napari_centermask.io.whole_file import whole_file


def as_instances(cells: Instances) -> Any:
    """Our cells as `detectron2.structures.Instances`, as its models predict them; masks have the size of the image.

    Raises
    ------
    MissingExtra
        Without detectron2.
    """
    require()
    import torch
    from detectron2.structures import Boxes
    from detectron2.structures import Instances as Their

    every = list(cells)
    order = {category: index for index, category in enumerate(cells.categories)}
    masks = np.zeros((len(every), *cells.shape), bool)
    for mask, cell in zip(masks, every, strict=True):
        y0, x0, y1, x1 = cell.box
        mask[y0:y1, x0:x1] = cell.mask
    boxes = np.array([[c.box[1], c.box[0], c.box[3], c.box[2]] for c in every], np.float32).reshape(-1, 4)
    return Their(
        cells.shape,
        pred_boxes=Boxes(torch.from_numpy(boxes)),
        scores=torch.tensor([1.0 if c.score is None else c.score for c in every]),
        pred_classes=torch.tensor([order.get(c.category, 0) for c in every], dtype=torch.int64),
        pred_masks=torch.from_numpy(masks),
    )


def draw(image: np.ndarray, cells: Instances, *, scale: float = 1.0) -> np.ndarray:
    """The picture of an image with its cells.

    Parameters
    ----------
    image
        (C, H, W); one channel is shown in grey, the first three in colour, over their usual range.
    scale
        Size of the picture relative to the image.

    Returns
    -------
    numpy.ndarray
        (H, W, 3) uint8.
    """
    theirs = as_instances(cells)
    from detectron2.utils.visualizer import ColorMode, Visualizer

    names = {"thing_classes": list(cells.categories.values())}
    shown = Visualizer(_shown(image), metadata=_Names(names), scale=scale, instance_mode=ColorMode.IMAGE)
    picture: np.ndarray = shown.draw_instance_predictions(theirs).get_image()
    return picture


def write_picture(path: Path, image: Path, cells: Instances, *, plane: tuple[int, ...] = ()) -> None:
    """Write the picture of an image file, or of one of its planes, as PNG."""
    from PIL import Image

    picture = draw(np.asarray(read_plane(image, plane)), cells)
    with whole_file(path) as part, part.open("wb") as stream:
        Image.fromarray(picture).save(stream, format="PNG")


class _Names(dict[str, Any]):
    """What the Visualizer asks of its metadata."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, default)

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(name)
        return self[name]


def _shown(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8."""
    three = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    low, high = np.percentile(three, RANGE)
    scaled = (three.astype(np.float32) - low) / max(float(high - low), 1e-6)
    shown: np.ndarray = (scaled.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(shown)
