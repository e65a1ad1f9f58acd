"""What a format that holds one cell per pixel would lose, counted before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from napari_centermask.core.compose import label_image
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result


@dataclass(frozen=True)
class Loss:
    """Numbers over all planes of all results.

    Attributes
    ----------
    cells
        In the results, rejected ones too.
    rejected
        Not shown, and so not written.
    changed
        Cells that lose a part of their pixels to a cell above them.
    gone
        Cells of which nothing is left.
    pixels, all_pixels
        Pixels that are lost, of those of all shown cells.
    """

    cells: int = 0
    rejected: int = 0
    changed: int = 0
    gone: int = 0
    pixels: int = 0
    all_pixels: int = 0

    def __bool__(self) -> bool:
        return bool(self.rejected or self.changed or self.gone)

    def text(self) -> str:
        """One sentence."""
        if not self:
            return "nothing is lost."
        part = 100 * self.pixels / max(1, self.all_pixels)
        said = (
            f"of {self.cells:,} cells {self.changed:,} lose the parts that lie under others and {self.gone:,} vanish: "
            f"{self.pixels:,} pixels, {part:.2g} % of all."
        )
        return said + (f" {self.rejected:,} rejected cells are left out." if self.rejected else "")

    def to_json(self) -> dict[str, int]:
        """The numbers by name."""
        return asdict(self)


NO_LOSS = Loss()


def flat_loss(results: Sequence[Result]) -> Loss:
    """The loss of label images: the top-most cell at each pixel, nothing else."""
    total = np.zeros(6, np.int64)
    for result in results:
        for index, plane in result.planes.items():
            shown = result.visible(index)
            if not len(shown):
                total += np.array((len(plane), len(plane), 0, 0, 0, 0))
                continue
            labels = label_image(shown)
            area = np.array([c.area for c in shown])
            left = np.array([_left(labels, c) for c in shown])
            changed, gone = np.count_nonzero((left < area) & (left > 0)), np.count_nonzero(left == 0)
            lost = int((area - left).sum())
            total += np.array((len(plane), len(plane) - len(shown), changed, gone, lost, int(area.sum())))
    return Loss(*map(int, total))


def _left(labels: np.ndarray, cell: Instance) -> int:
    y0, x0, y1, x1 = cell.box
    return int(np.count_nonzero((labels[y0:y1, x0:x1] == cell.id) & cell.mask))


def only_shown(result: Result) -> Result:
    """The result without the cells that are not shown."""
    shown = Result(result.shape, leading=result.leading, name=result.name)
    shown.categories = dict(result.categories)
    for index in result.planes:
        shown.put(index, result.visible(index), keep_ids=True)
    for index, boxes in result.reviewed_planes.items():
        shown.set_reviewed(index, boxes)
    return shown
