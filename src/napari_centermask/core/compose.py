"""Views of the instances: label images, planes, and the arrays that napari shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.instances import Box, Instance, Instances
from napari_centermask.core.label_runs import LabelRuns
from napari_centermask.core.progress import Advance, counting, silent

HATCH = 200
"""Value of the hatch among the outlines, whose values are categories: a choice below 256 that leaves 199 of them apart."""
MAX_SLOTS = 65_534
"""What uint16 can tell apart, less the background and one to spare."""
_MAX_CATEGORY = HATCH - 1
_HATCH_STEP = 4  # every fourth diagonal: a choice, seen at full resolution and leaving three of four pixels clear
# Rows and columns of a part that is drawn at once: 5,000 cells on 2048 x 2048 take 99 ms so and 11 ms in the slowest step, 110 to
# 124 ms in parts of other sizes, and 74 ms in one of 2048 x 2048 (scripts/benchmarks/limits.py).
_STRIP = 256, 4096
# Of one step, choices of some milliseconds: new cells that are taken in, boxes and pixels that are drawn.
_STEP_CELLS, _STEP_BOXES, _STEP_PIXELS = 256, 64, 1 << 19
_LOW_STRIP = 32  # rows of a part where cells are dense
_SCANNED = 8192  # cells, compared with what is shown in some milliseconds


def category_rim(cell: Instance) -> int:
    """The value of the cell's outline if outlines show categories."""
    return min(cell.category, _MAX_CATEGORY)


def stacked(instances: Iterable[Instance]) -> list[Instance]:
    """Instances from bottom to top: by order, then score; of equals, the smaller id is on top."""
    return sorted(instances, key=_height)


def _height(instance: Instance) -> tuple[float, float, int]:
    return instance.order, instance.score, -instance.id


def label_image(instances: Instances, *, out: np.ndarray | None = None, advance: Advance = silent) -> np.ndarray:
    """The top-most cell's id at each pixel.

    Parameters
    ----------
    out
        (H, W) zeros to draw into, of a dtype that holds all ids.
    advance
        Called with the number of cells drawn so far, and of all.

    Returns
    -------
    numpy.ndarray
        (H, W), int32 without `out`; 0 is background. Hidden parts of overlapped cells are lost; see `pack_planes`.

    Examples
    --------
    >>> cells = Instances((1, 5))
    >>> for id, x in ((1, 0), (2, 2)):
    ...     _ = cells.add(Instance(id, 0, x, np.ones((1, 3), bool), order=id))
    >>> label_image(cells)
    array([[1, 1, 2, 2, 2]], dtype=int32)
    """
    labels = np.zeros(instances.shape, np.int32) if out is None else out
    for instance in counting(stacked(instances), len(instances), advance):
        _crop(labels, instance.box)[instance.mask] = instance.id
    return labels


def from_label_image(
    labels: np.ndarray,
    *,
    category: int = 1,
    source: str = "",
    status: str = "predicted",
    categories: dict[int, str] | None = None,
) -> Instances:
    """Make an instance of each positive value, with that id.

    Parameters
    ----------
    labels
        (H, W) integers or bool; 0 is background.

    Raises
    ------
    ValueError
        If the labels are not two-dimensional, not whole numbers, or negative.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or not (np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool):
        raise ValueError(f"Expected a (H, W) image of integer labels, got shape {labels.shape}, {labels.dtype}.")
    if labels.size and labels.min() < 0:
        raise ValueError("Labels must be 0 or more, but some are negative.")
    return from_runs(
        LabelRuns(labels), labels.shape, category=category, source=source, status=status, categories=categories
    )


def from_runs(
    runs: LabelRuns,
    shape: tuple[int, int],
    *,
    category: int = 1,
    source: str = "",
    status: str = "predicted",
    categories: dict[int, str] | None = None,
    advance: Advance = silent,
) -> Instances:
    """Make an instance of each label of an image of `shape` (H, W), with that id; `advance` as in `label_image`."""
    cells = (
        Instance(id, y0, x0, mask, category=category, source=source, status=status)
        for id, y0, x0, mask in counting(runs.crops(), len(runs.ids), advance)
    )
    return Instances(shape, cells, categories=categories, are_checked=True)


def pack_planes(instances: Instances) -> tuple[list[np.ndarray], dict[int, int]]:
    """Lay overlapping instances out on several label images.

    Instances that share a pixel go to different planes, so nothing is lost.

    Returns
    -------
    list of numpy.ndarray
        Planes (H, W) int32, at least one; 0 is background, other values are instance ids.
    dict
        Id of each instance -> the number of its plane.

    Examples
    --------
    >>> cells = Instances((1, 5))
    >>> for id, x in ((1, 0), (2, 2)):
    ...     _ = cells.add(Instance(id, 0, x, np.ones((1, 3), bool), order=id))
    >>> planes, plane_of = pack_planes(cells)
    >>> [plane.tolist() for plane in planes]
    [[[0, 0, 2, 2, 2]], [[1, 1, 1, 0, 0]]]
    """
    planes, plane_of = [np.zeros(instances.shape, np.int32)], {}
    for instance in reversed(stacked(instances)):
        free = (n for n, p in enumerate(planes) if not _crop(p, instance.box)[instance.mask].any())
        n = next(free, len(planes))
        if n == len(planes):
            planes.append(np.zeros(instances.shape, np.int32))
        _crop(planes[n], instance.box)[instance.mask] = instance.id
        plane_of[instance.id] = n
    return planes, plane_of


def inner_edge(mask: np.ndarray) -> np.ndarray:
    """Pixels of the mask with a 4-neighbour outside of it; everything beyond the crop is outside."""
    edge = np.ones_like(mask)
    edge[1:-1, 1:-1] = ~(mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:])
    outline: np.ndarray = edge & mask
    return outline


def _crop(image: np.ndarray, box: Box) -> np.ndarray:
    return image[box[0] : box[2], box[1] : box[3]]


@dataclass(frozen=True, slots=True)
class _Shown:
    instance: Instance
    edge: np.ndarray


class Views:
    """Arrays to display, updated only in the boxes that changed.

    Attributes
    ----------
    top
        (H, W) uint16, slot of the top-most cell, 0 for background; `ids` has the id of each slot.
    count
        (H, W) uint8, number of cells at the pixel.
    outlines
        (H, W) uint8: the cell's `rim` on its inner edge, hidden cells too; 200 on a hatching where cells overlap.
    ids
        (slots,) int64, id of the cell in each slot, 0 for free slots. Slots are reused, ids never.

    Parameters
    ----------
    instances
        Shown in their current state; call `update` after changing them.
    active
        Id of the cell to draw above all others.
    hatch
        Whether overlaps are hatched.
    shows
        Which of the instances are shown, for instance `Result.shows`; all by default.
    rim
        The value of a cell's inner edge, from 1 to 199; by default its category.
    later
        Compose nothing yet: `steps` does.
    """

    def __init__(
        self,
        instances: Instances,
        *,
        active: int | None = None,
        hatch: bool = True,
        shows: Callable[[Instance], bool] | None = None,
        rim: Callable[[Instance], int] | None = None,
        later: bool = False,
    ) -> None:
        self._rim = rim or category_rim
        self.top = np.zeros(instances.shape, np.uint16)
        self.count = np.zeros(instances.shape, np.uint8)
        self.outlines = np.zeros(instances.shape, np.uint8)
        self.ids = np.zeros(256, np.int64)
        self._boxes = np.zeros((256, 4), np.int64)
        self._slots: dict[int, int] = {}
        self._shown: dict[int, _Shown] = {}
        self._free: list[int] = []
        self._used = 1
        self._instances, self._active, self._hatch, self._shows = instances, active, hatch, shows
        self._waiting = self._cut(self._whole)  # to be composed by `steps`
        if not later:
            for _ in self.steps():
                pass

    def slot(self, id: int) -> int:
        """The slot that shows cell `id`; 0 if it is not shown."""
        return self._slots.get(id, 0)

    def at(self, y: int, x: int) -> list[int]:
        """Ids of the cells at a pixel, topmost first."""
        hits = [s.instance for s in self._met((y, x, y + 1, x + 1))]
        under = [i for i in hits if i.mask[y - i.y0, x - i.x0]]
        return [i.id for i in reversed(self._in_order(under))]

    def paint(self, image: np.ndarray, box: Box, *, fill: np.ndarray, outline: np.ndarray) -> None:
        """Draw a part of the plane into an image, with the caller's values.

        Parameters
        ----------
        image
            (H, W) of any dtype; changed inside the box.
        fill, outline
            (slots,) values of each cell's pixels where it is the top-most one, and of its inner edge, hidden or not;
            `fill[0]` is the background, `outline[0]` the hatch.
        """
        target, top = _crop(image, box), _crop(self.top, box)
        target[...] = fill[top]
        target[_crop(self.outlines, box) == HATCH] = outline[0]
        met = self._met(box)
        edges = {s.instance.id: s.edge for s in met}
        for instance in self._in_order(s.instance for s in met):
            inside, window = part_in(instance, box)
            target[window][edges[instance.id][inside]] = outline[self._slots[instance.id]]

    def update(self, boxes: Iterable[Box] = (), *, ids: Iterable[int] | None = None) -> list[Box]:
        """Follow changes of the instances.

        Parameters
        ----------
        boxes
            Other boxes to recompose.
        ids
            Cells that were added, changed or removed; all are checked by default.

        Returns
        -------
        list of (y0, x0, y1, x1)
            The recomposed boxes.
        """
        dirty = list(boxes)
        for id in list(self._changed() if ids is None else ids):
            dirty += self._follow(id)
        if len(dirty) > max(64, len(self._slots)):
            return self._compose_all()
        for box in dict.fromkeys(dirty):
            self._compose(box)
        return dirty

    def show(self, instances: Instances) -> None:
        """Show other instances of the same image from the next `steps` on, for instance fewer of them."""
        if instances.shape != self._instances.shape:
            raise ValueError(f"Expected instances of an image of {self._instances.shape}, got {instances.shape}.")
        self._instances = instances

    def steps(self) -> Iterator[list[Box]]:
        """Follow all changes of the instances, those that come meanwhile too, in steps of some milliseconds each.

        A caller that stops halfway can continue with another call.

        Yields
        ------
        list of (y0, x0, y1, x1)
            What a step composed again.
        """
        while True:
            changed = []
            for some in self._changed_in_parts():
                changed += some
                if len(self._instances) > _SCANNED:
                    yield []
            if not changed and not self._waiting:
                return
            is_strips = not self._slots or 2 * len(changed) > max(64, len(self._slots))
            if is_strips:
                self._waiting = self._cut(self._whole)
            for k, id in enumerate(changed, start=1):
                boxes = self._follow(id)
                self._waiting += [] if is_strips else [part for box in boxes for part in self._cut(box)]
                if k % _STEP_CELLS == 0:
                    yield []
            self._waiting = list(dict.fromkeys(self._waiting))
            while self._waiting:
                yield self._compose_some()

    def _follow(self, id: int) -> list[Box]:
        """Bring a cell in line with the instances; returns where it was and is."""
        before = self._shown.get(id)
        self._put(id)
        return [s.instance.box for s in (before, self._shown.get(id)) if s is not None]

    def _compose_some(self) -> list[Box]:
        """Compose a strip, or some boxes, of what waits."""
        done: list[Box] = []
        pixels = cells = 0
        while self._waiting and pixels < _STEP_PIXELS and cells < 3 * _STEP_CELLS and len(done) < _STEP_BOXES:
            y0, x0, y1, x1 = box = self._waiting[-1]
            cells += self._compose(box)
            self._waiting.pop()
            done.append(box)
            pixels += (y1 - y0) * (x1 - x0)
        return done

    def set_active(self, id: int | None) -> list[Box]:
        """Draw this cell above all others, or none; returns the recomposed boxes."""
        affected = [self._shown[i] for i in (self._active, id) if i in self._shown]
        self._active = id
        return self.update((s.instance.box for s in affected), ids=())

    def set_hatch(self, hatch: bool) -> None:
        """Hatch overlaps, or not."""
        self._hatch = hatch
        self._compose_all()

    def _wanted(self, id: int) -> bool:
        """Whether cell `id` exists and is to be shown."""
        return id in self._instances and (self._shows is None or self._shows(self._instances[id]))

    def _changed(self) -> list[int]:
        return [id for part in self._changed_in_parts() for id in part]

    def _changed_in_parts(self) -> Iterator[list[int]]:
        """Ids of the cells that are not shown as they are now, found in steps of a few milliseconds."""
        slots, cells, shown = list(self._slots), list(self._instances), self._shown
        for k in range(0, len(slots), _SCANNED):
            yield [id for id in slots[k : k + _SCANNED] if not self._wanted(id)]
        for k in range(0, len(cells), _SCANNED):
            part = (i.id for i in cells[k : k + _SCANNED] if i.id not in shown or shown[i.id].instance is not i)
            yield [id for id in part if self._wanted(id)]

    def _put(self, id: int) -> None:
        """Update the slot of `id` from the instances."""
        slot = self._slots.get(id)
        if not self._wanted(id):
            if slot is not None:
                self._free.append(self._slots.pop(id))
                self.ids[slot], self._boxes[slot] = 0, 0
                del self._shown[id]
            return
        slot = self._take_slot(id) if slot is None else slot
        instance, before = self._instances[id], self._shown.get(id)
        same = before is not None and before.instance.mask is instance.mask
        self._shown[id] = _Shown(instance, before.edge if before and same else inner_edge(instance.mask))
        self._boxes[slot] = instance.box

    def _take_slot(self, id: int) -> int:
        if self._free:
            slot = self._free.pop()
        else:
            slot, self._used = self._used, self._used + 1
        if slot > MAX_SLOTS:
            raise ValueError(f"More than {MAX_SLOTS} cells cannot be shown in one view. Show fewer of them.")
        if slot >= len(self.ids):
            self.ids = np.concatenate([self.ids, np.zeros_like(self.ids)])
            self._boxes = np.concatenate([self._boxes, np.zeros_like(self._boxes)])
        self._slots[id], self.ids[slot] = slot, id
        return slot

    def _met(self, box: Box) -> list[_Shown]:
        """The shown cells that overlap a box, by slot."""
        y0, x0, y1, x1 = self._boxes[: self._used].T
        slots = np.flatnonzero((y0 < box[2]) & (y1 > box[0]) & (x0 < box[3]) & (x1 > box[1]))
        return [self._shown[id] for id in self.ids[slots].tolist()]

    def _in_order(self, instances: Iterable[Instance]) -> list[Instance]:
        return sorted(instances, key=lambda i: (i.id == self._active, *_height(i)))

    def _compose_all(self) -> list[Box]:
        """Draw everything again."""
        for box in self._cut(self._whole):
            self._compose(box)
        return [self._whole]

    @property
    def _whole(self) -> Box:
        return (0, 0, *self._instances.shape)

    def _cut(self, box: Box) -> list[Box]:
        """A box in parts that stay in the processor's cache; where cells are dense, in lower ones."""
        y0, x0, y1, x1 = box
        (height, width), (high, wide) = self._instances.shape, _STRIP
        lines = height * max(1, width // wide)
        high = min(high, max(_LOW_STRIP, round(3 * _STEP_CELLS * lines / max(1, len(self._instances)))))
        return [(y, x, min(y + high, y1), min(x + wide, x1)) for y in range(y0, y1, high) for x in range(x0, x1, wide)]

    def _compose(self, box: Box) -> int:
        """Redraw everything in a box; returns the number of cells in it."""
        top, count, outlines = (_crop(image, box) for image in (self.top, self.count, self.outlines))
        top[...], count[...], outlines[...] = 0, 0, 0
        shown = self._met(box)
        order = self._in_order(s.instance for s in shown)
        edges = {s.instance.id: s.edge for s in shown}
        parts = [(i, *part_in(i, box)) for i in order]
        for instance, inside, window in parts:
            mask = instance.mask[inside]
            top[window][mask] = self._slots[instance.id]
            part = count[window]
            np.add(part, mask, out=part, where=part < 255)
        if self._hatch:
            y, x = np.nonzero(count > 1)
            striped = (y + x + box[0] + box[1]) % _HATCH_STEP == 0
            outlines[y[striped], x[striped]] = HATCH
        for instance, inside, window in parts:
            outlines[window][edges[instance.id][inside]] = self._rim(instance)
        return len(parts)


def part_in(instance: Instance, box: Box) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The intersection of instance and box: slices into the instance's mask, and into the box."""
    y0, x0 = max(instance.y0, box[0]), max(instance.x0, box[1])
    y1, x1 = min(instance.box[2], box[2]), min(instance.box[3], box[3])
    inside = slice(y0 - instance.y0, y1 - instance.y0), slice(x0 - instance.x0, x1 - instance.x0)
    return inside, (slice(y0 - box[0], y1 - box[0]), slice(x0 - box[1], x1 - box[1]))
