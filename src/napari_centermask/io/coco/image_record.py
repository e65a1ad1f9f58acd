"""One image of a COCO file with its cells, as the rest of the program sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_centermask.core.instances import Box, Instances


@dataclass(frozen=True)
class ImageRecord:
    """One image of a COCO file, or one plane of a stack: planes are records of one file name.

    Attributes
    ----------
    id, file_name
        As in the file.
    path
        Where the image should lie; None if it has no file name.
    shape
        (H, W).
    instances
        Its cells.
    extra
        All other fields of the image; `pixel_size_um` is one of them.
    plane, leading
        Position on the t and z axes and their sizes; empty for a single image.
    reviewed
        Rectangles in which a person says that all is right and complete.
    last_id
        The largest id that any cell of the image has or had.
    threshold
        Predicted cells below this score are kept, not shown.
    seams
        (y, x) positions of the seams between the tiles of the prediction.
    """

    id: int
    file_name: str
    path: Path | None
    shape: tuple[int, int]
    instances: Instances
    extra: dict[str, Any] = field(default_factory=dict)
    plane: tuple[int, ...] = ()
    leading: tuple[int, ...] = ()
    reviewed: tuple[Box, ...] = ()
    last_id: int = 0
    threshold: float = 0.0
    seams: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    @property
    def pixel_size_um(self) -> float | None:
        """Side of a pixel in micrometres; None if the file does not tell."""
        value = self.extra.get("pixel_size_um")
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 1e12:
            return None
        return float(value)
