"""Which parts of a COCO file were reviewed: whole images, or regions and single cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_centermask.core.instances import Box, Instance, Instances
from napari_centermask.core.result import centre
from napari_centermask.io.coco.image_record import ImageRecord

HUMAN = ("accepted", "corrected")
PARTIAL = "partial"


@dataclass(frozen=True)
class Truth:
    """The reviewed cells and regions of an image.

    Attributes
    ----------
    instances
        Cells that are right.
    reviewed
        Rectangles (y0, x0, y1, x1) in which no cell is missing either; None for the whole image.
    doubtful
        Unreviewed cells outside them, and regions that are neither cells nor background.
    """

    instances: Instances
    reviewed: tuple[Box, ...] | None = None
    doubtful: tuple[Instance, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was reviewed."""
        return self.reviewed == () and not len(self.instances)


def is_partial(records: Iterable[ImageRecord]) -> bool:
    """Whether the file says what was reviewed: it has reviewed regions, reviewed and unreviewed cells, or an image with the
    field `partial`.

    Otherwise, as in files of other programs, its images count as fully annotated.
    """
    seen: set[str] = set()
    for record in records:
        if record.reviewed or record.extra.get(PARTIAL):
            return True
        seen |= record.instances.statuses
    return "predicted" in seen and bool(seen & set(HUMAN))


def truth_of(record: ImageRecord, *, partial: bool) -> Truth:
    """The reviewed cells and regions of an image.

    Cells are right if a person accepted or corrected them, or if they are centred in a reviewed region. Rejected ones are not
    cells.

    Parameters
    ----------
    partial
        The result of `is_partial` for the whole file.
    """
    categories = record.instances.categories
    if not partial and "rejected" not in record.instances.statuses:
        cells = record.instances  # which may be in a file
    else:
        rest = (c for c in record.instances if c.status != "rejected")
        cells = Instances(record.shape, rest, categories=categories, are_checked=True)
    if not partial:
        whole: tuple[Box, ...] | None = ((0, 0, *record.shape),) if record.crowds else None
        return Truth(cells, whole, record.crowds)
    right = [c for c in cells if c.status in HUMAN or is_centred(c, record.reviewed)]
    kept = {c.id for c in right}
    doubtful = (*(c for c in cells if c.id not in kept), *record.crowds)
    is_whole = covers(record.reviewed, record.shape) and not record.crowds
    reviewed = None if is_whole else record.reviewed
    return Truth(Instances(record.shape, right, categories=categories, are_checked=True), reviewed, doubtful)


def truths_of(records: Sequence[ImageRecord]) -> Iterator[tuple[ImageRecord, Truth]]:
    """The images of a file, each with its reviewed cells and regions, without those of which nothing is known."""
    partial = is_partial(records)
    for record in records:
        truth = truth_of(record, partial=partial)
        if not truth.is_empty:
            yield record, truth


def with_right_cells(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """The records of a file with the cells that are right, and the regions in which none is missing.

    Images of which nothing is known are left out.
    """
    partial = is_partial(records)
    return [
        replace(r, instances=truth.instances, reviewed=r.reviewed if partial else ((0, 0, *r.shape),))
        for r, truth in truths_of(records)
    ]


def unreviewed_part(record: ImageRecord) -> Instance | None:
    """The pixels outside the reviewed regions, as the mask of an instance; None if there are none."""
    if covers(record.reviewed, record.shape):
        return None
    mask = np.ones(record.shape, bool)
    for y0, x0, y1, x1 in record.reviewed:
        mask[y0:y1, x0:x1] = False
    return Instance(id=0, y0=0, x0=0, mask=mask) if mask.any() else None


def is_centred(cell: Instance, regions: Sequence[Box]) -> bool:
    """Whether the centre of a cell's mask lies in one of the regions; as with `core.regions.contains`."""
    y0, x0, y1, x1 = cell.box
    near = [r for r in regions if r[0] < y1 and y0 < r[2] and r[1] < x1 and x0 < r[3]]
    if not near:
        return False
    if any(r[0] <= y0 and y1 <= r[2] and r[1] <= x0 and x1 <= r[3] for r in near):
        return True  # all of it does
    y, x = (at + 0.5 for at in centre(cell))  # boxes count from a pixel's edge, centres from its middle
    return any(r[0] <= y < r[2] and r[1] <= x < r[3] for r in near)


def covers(regions: Sequence[Box], shape: tuple[int, int]) -> bool:
    """Whether one of the regions covers the whole image."""
    return (0, 0, *shape) in {tuple(r) for r in regions}


def centred_within(cells: Instances, regions: Sequence[Box] | None) -> Instances:
    """The cells centred in one of the regions; all of them for None."""
    if regions is None:
        return cells
    return Instances(cells.shape, (c for c in cells if is_centred(c, regions)), categories=cells.categories)
