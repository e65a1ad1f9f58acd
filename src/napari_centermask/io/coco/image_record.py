"""One image of a COCO file with its cells, as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_centermask.core.counted import counted
from napari_centermask.core.instances import Box, Instance, Instances


@dataclass(frozen=True)
class ImageRecord:
    """One image of a COCO file, or one plane of a stack: planes are records of one file name.

    Attributes
    ----------
    id, file_name
        As in the file.
    path
        Where the image should be; None if it has no file name.
    shape
        (H, W).
    instances
        Its cells.
    extra
        All other fields of the image, `pixel_size_um` among them.
    plane, leading
        Position on the t and z axes and their sizes; empty for a single image.
    reviewed
        Rectangles that a person marked as reviewed: all cells are right and none is missing.
    last_id
        The largest id that any cell of the image has or had.
    threshold
        Predicted cells below this score are kept but not shown.
    seams
        (y, x) positions of the seams between the tiles of the prediction.
    crowds
        Regions of many cells that nobody outlined one by one (`iscrowd`): neither cells nor background.
    n_empty
        Annotations without any pixels; they are left out.
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
    crowds: tuple[Instance, ...] = ()
    n_empty: int = 0

    @property
    def pixel_size_um(self) -> float | None:
        """Side of a pixel in micrometres; None if the file does not give it."""
        value = self.extra.get("pixel_size_um")
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 1e12:
            return None
        return float(value)


def left_out(records: Iterable[ImageRecord]) -> str:
    """Which annotations are not cells, as a sentence; empty if all are."""
    records = list(records)
    n_crowds, n_empty = sum(len(r.crowds) for r in records), sum(r.n_empty for r in records)
    parts = []
    if n_crowds:
        parts.append(f"Ignored {counted(n_crowds, 'crowd region')}: neither cells nor background.")
    if n_empty:
        parts.append(f"Left out {counted(n_empty, 'annotation')} without an outline.")
    return " ".join(parts)
