"""What a format that holds one cell per pixel would lose, counted by kind before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from napari_centermask.core.compose import label_image
from napari_centermask.core.counted import counted
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result


@dataclass(frozen=True)
class Loss:
    """Numbers over all planes of all results.

    Attributes
    ----------
    cells
        All in the results, rejected ones included.
    rejected
        Cells that are not shown, and so not written.
    changed
        Cells that lose a part of their pixels to a cell above them.
    gone
        Cells that lose all their pixels.
    pixels, all_pixels
        Lost pixels, and the pixels of all shown cells.
    categories, scores, statuses, probabilities, sources, tracks, ids
        Shown cells that lose a category other than the first "cell", a score or mask quality other than 1, a status other
        than "accepted", probabilities of the categories, the source, their track, or their id, where the format numbers
        cells anew.
    regions
        Reviewed regions.
    """

    cells: int = 0
    rejected: int = 0
    changed: int = 0
    gone: int = 0
    pixels: int = 0
    all_pixels: int = 0
    categories: int = 0
    scores: int = 0
    statuses: int = 0
    probabilities: int = 0
    sources: int = 0
    tracks: int = 0
    ids: int = 0
    regions: int = 0

    def __bool__(self) -> bool:
        return bool(self.rejected or self.changed or self.gone or self._values())

    def _values(self) -> list[str]:
        """What cells lose apart from pixels, a phrase for each kind."""
        kinds = (
            (self.categories, "the category"),
            (self.scores, "the score"),
            (self.statuses, "the status"),
            (self.probabilities, "the probabilities"),
            (self.sources, "the source"),
            (self.tracks, "the track"),
            (self.ids, "the id"),
        )
        lost = [f"{what} of {counted(n, 'cell')}" for n, what in kinds if n]
        return lost + [counted(self.regions, "reviewed region")] * bool(self.regions)

    def text(self) -> str:
        """One sentence."""
        if not self:
            return "nothing is lost."
        said = []
        if self.changed or self.gone:
            part = 100 * self.pixels / max(1, self.all_pixels)
            said.append(
                f"of {counted(self.cells, 'cell')}, {self.changed:,} lose the parts under other cells and {self.gone:,} "
                f"disappear: {counted(self.pixels, 'pixel')}, {part:.2g} % of all."
            )
        if lost := self._values():
            said.append(f"Also lost: {', '.join(lost)}." if said else f"lost: {', '.join(lost)}.")
        if self.rejected:
            said.append(f"{counted(self.rejected, 'rejected or hidden cell')} left out.")
        return " ".join(said)

    def to_json(self) -> dict[str, int]:
        """The numbers by name."""
        return asdict(self)


NO_LOSS = Loss()
_LABELS = (".tif", ".tiff", ".png", ".npy")
"""Endings of label images, whose name is the source of the cells read from them: reading them again gives such a one."""


def flat_loss(results: Sequence[Result], *, keeps_ids: bool = True) -> Loss:
    """The loss of label images, which hold the top-most cell at each pixel and nothing else.

    Without `keeps_ids`, the cells of an image are numbered anew, from 1 in the order of their ids.
    """
    total: Counter[str] = Counter()
    for result in results:
        left: list[int] = []
        total["regions"] += sum(map(len, result.reviewed_planes.values()))
        for index, plane in result.planes.items():
            shown = result.visible(index)
            total.update(_of_plane(shown, result.categories, left))
            total.update({"cells": len(plane), "rejected": len(plane) - len(shown)})
        if not keeps_ids:
            total["ids"] += sum(id != n for n, id in enumerate(sorted(left), start=1))
    return Loss(**total)


def _of_plane(shown: Instances, categories: Mapping[int, str], left_ids: list[int]) -> Counter[str]:
    """Counts over the shown cells of a plane; appends the ids of those of which pixels are left."""
    count: Counter[str] = Counter()
    areas = [cell.area for cell in shown]
    count["all_pixels"] = sum(areas)
    count["pixels"] = count["all_pixels"] - _covered(shown)
    labels = label_image(shown) if count["pixels"] else np.zeros((0, 0), np.int32)
    for cell, area in zip(shown, areas, strict=True):
        left = _left(labels, cell) if count["pixels"] else area
        count["changed"] += 0 < left < area
        count["gone"] += left == 0
        left_ids += [cell.id] if left else []
        count["categories"] += (cell.category, categories.get(cell.category, "cell")) != (1, "cell")
        count["scores"] += (cell.score, cell.mask_quality) != (1, 1)
        count["statuses"] += cell.status != "accepted"
        count["probabilities"] += bool(cell.probabilities)
        count["tracks"] += bool(cell.track)
        count["sources"] += bool(cell.source) and not cell.source.lower().endswith(_LABELS)
    return count


def _covered(shown: Instances) -> int:
    """Number of pixels in any cell."""
    if not len(shown):
        return 0
    covered = np.zeros(shown.shape, bool)
    for cell in shown:
        y0, x0, y1, x1 = cell.box
        covered[y0:y1, x0:x1] |= cell.mask
    return int(np.count_nonzero(covered))


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
