"""The cells of one image layer, plane by plane: the truth behind the layers that show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from napari_centermask.core.instances import Box, Instance, Instances

Index = tuple[int, ...]
COLUMNS = ("index", "id", "plane", "category", "score", "mask_quality", "area", "status")


class Result:
    """Candidates of all planes and the score from which they are shown.

    Ids are unique over all planes and never used again, so that one table and one label layer hold a whole stack.

    Parameters
    ----------
    shape
        (H, W) of a plane.
    leading
        Sizes of the time and z axes before it; empty for a single image.
    threshold
        Cells below this score are kept, not shown.
    name
        Of the image: its file's name where it has one.

    Attributes
    ----------
    named_categories
        Whether new cells join the categories by name, because other images share them; see `join_categories`.
    seams
        For planes that were segmented in tiles: (y, x) positions of the seams, in pixels.
    colours
        "#rrggbb" of the categories for which a person chose one.
    """

    def __init__(
        self, shape: tuple[int, int], *, leading: tuple[int, ...] = (), threshold: float = 0.0, name: str = "image"
    ) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        self.leading = tuple(int(n) for n in leading)
        self.threshold = threshold
        self.name = name
        self.categories: dict[int, str] = {1: "cell"}
        self.named_categories = False
        self.colours: dict[int, str] = {}
        self.seams: dict[Index, tuple[tuple[float, ...], tuple[float, ...]]] = {}
        self._planes: dict[Index, Instances] = {}
        self._reviewed: dict[Index, tuple[Box, ...]] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return sum(len(p) for p in self._planes.values())

    @property
    def planes(self) -> dict[Index, Instances]:
        """All candidates, by the position on the leading axes; planes that were not segmented are missing."""
        return dict(sorted(self._planes.items()))

    @property
    def last_id(self) -> int:
        """The largest id given so far."""
        return self._last_id

    def plane(self, index: Index) -> Instances:
        """Candidates of one plane; empty where it was not segmented."""
        if index in self._planes:
            return self._planes[index]
        return Instances(self.shape, categories=self.categories)

    def get(self, index: Index, id: int) -> Instance | None:
        """A cell of a plane, None if it has no such cell."""
        plane = self._planes.get(index)
        return plane[id] if plane is not None and id in plane else None

    def set(self, index: Index, id: int, instance: Instance | None) -> Instance | None:
        """Put `instance` in place of cell `id` of a plane, or remove it with None; return what was there.

        People's changes come through `core.history.History`, which keeps what undoes them.

        Raises
        ------
        ValueError
            If the plane is not one of the result's, or the cell does not fit it.
        """
        self._check_index(index)
        before = self._planes.setdefault(index, Instances(self.shape, categories=self.categories)).set(id, instance)
        self._last_id = max(self._last_id, id)
        return before

    def _check_index(self, index: Index) -> None:
        if len(index) != len(self.leading) or any(not 0 <= i < n for i, n in zip(index, self.leading, strict=True)):
            raise ValueError(f"Expected a plane within {self.leading}, got {index}.")

    def reviewed(self, index: Index) -> tuple[Box, ...]:
        """Rectangles (y0, x0, y1, x1) of a plane in which a person says that all is right and complete."""
        return self._reviewed.get(index, ())

    def set_reviewed(self, index: Index, boxes: Iterable[Box]) -> None:
        """Replace the reviewed rectangles of a plane; people's changes come through `core.history.History`.

        Raises
        ------
        ValueError
            If the plane is not one of the result's, or a rectangle is empty or leaves the plane.
        """
        boxes = tuple((int(y0), int(x0), int(y1), int(x1)) for y0, x0, y1, x1 in boxes)
        self.check_reviewed(index, boxes)
        if boxes:
            self._reviewed[index] = boxes
        else:
            self._reviewed.pop(index, None)

    def check_reviewed(self, index: Index, boxes: Iterable[Box]) -> None:
        """Raise ValueError if `set_reviewed` would."""
        self._check_index(index)
        height, width = self.shape
        for box in boxes:
            y0, x0, y1, x1 = box
            if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
                raise ValueError(f"Expected a rectangle inside a plane of {self.shape}, got {box}.")

    def in_reviewed(self, index: Index, cell: Instance) -> bool:
        """Whether the whole cell lies in a rectangle of which a person said that all is right."""
        y0, x0, y1, x1 = cell.box
        return any(b[0] <= y0 and b[1] <= x0 and b[2] >= y1 and b[3] >= x1 for b in self.reviewed(index))

    @property
    def reviewed_planes(self) -> dict[Index, tuple[Box, ...]]:
        """Reviewed rectangles of all planes that have some."""
        return dict(sorted(self._reviewed.items()))

    def new_id(self) -> int:
        """An id that no cell of any plane has or had."""
        self._last_id += 1
        return self._last_id

    def reserve(self, last_id: int) -> None:
        """Give no id up to this one any more: cells that were deleted had them."""
        self._last_id = max(self._last_id, int(last_id))

    def shows(self, instance: Instance) -> bool:
        """Whether a cell is shown: what a person kept always, what was rejected never, the rest by score."""
        if instance.status in ("accepted", "corrected"):
            return True
        return instance.status != "rejected" and instance.score >= self.threshold

    def visible(self, index: Index) -> Instances:
        """The plane's cells that are shown."""
        plane = self.plane(index)
        return Instances(self.shape, filter(self.shows, plane), categories=plane.categories)

    def put(self, index: Index, cells: Instances, *, keep_ids: bool = False) -> Instances:
        """Replace a plane's cells, under new ids.

        Parameters
        ----------
        keep_ids
            The cells come with ids that no other plane uses; keep them.

        Raises
        ------
        ValueError
            If the cells are of an image of another shape.
        """
        if cells.shape != self.shape:
            raise ValueError(f"Expected cells of a plane of {self.shape}, got {cells.shape}.")
        self.categories = {**self.categories, **cells.categories}
        taken = Instances(self.shape, categories=self.categories)
        for instance in cells:
            new = instance.id if keep_ids else self.new_id()
            taken.add(replace(instance, id=new))
            self._last_id = max(self._last_id, new)
        self._planes[index] = taken
        return taken

    def join_categories(self, index: Index, categories: dict[int, str]) -> dict[int, int]:
        """Take over the categories that new cells of a plane come with; returns the id here of each.

        The names of those in use stay; names that only predictions use are replaced. A result with `named_categories` goes
        by name instead: the same name is the same category, others are added under a free id.
        """
        self._check_index(index)
        here = {c: c for c in categories}
        if self.named_categories:
            known = {name: c for c, name in reversed(self.categories.items())}
            free = max((*self.categories, *categories), default=0) + 1
            for c, name in categories.items():
                if name not in known:
                    known[name] = c if c not in self.categories else free
                    free = max(free, known[name] + 1)
                    self.categories[known[name]] = name
                here[c] = known[name]
        else:
            used = {i.category for i in self if i.status != "predicted"}
            self.categories |= {c: name for c, name in categories.items() if c not in used or c not in self.categories}
        self._planes.setdefault(index, Instances(self.shape)).categories = dict(self.categories)
        return here

    def n_visible(self, index: Index | None = None) -> int:
        """Number of cells that are shown, of one plane or of all."""
        planes = self._planes.values() if index is None else [self.plane(index)]
        return sum(self.shows(i) for plane in planes for i in plane)

    def scores(self) -> np.ndarray:
        """(N,) float32, scores of all candidates of all planes."""
        return np.fromiter((i.score for i in self), np.float32)

    def __iter__(self) -> Iterator[Instance]:
        for plane in self._planes.values():
            yield from plane

    def table(self) -> dict[str, list[object]]:
        """Columns for the layer's features: a row for each candidate, found by its label (`index`)."""
        rows = [self._values(index, i) for index, plane in self.planes.items() for i in plane]
        table: dict[str, list[object]] = {name: [row[k] for row in rows] for k, name in enumerate(COLUMNS)}
        if not self.leading:
            del table["plane"]
        return table

    def row(self, index: Index, cell: Instance) -> dict[str, object]:
        """A cell's row of `table`, with its plane in any case."""
        return dict(zip(COLUMNS, self._values(index, cell), strict=True))

    def _values(self, index: Index, i: Instance) -> tuple[object, ...]:
        category = self.categories.get(i.category, str(i.category))
        scores = round(i.score, 3), round(i.mask_quality, 3)
        return i.id, i.id, _plane_name(index), category, *scores, i.area, i.status


def centre(instance: Instance) -> tuple[float, float]:
    """(y, x) of the mask's centre of mass."""
    ys, xs = np.nonzero(instance.mask)
    return instance.y0 + float(ys.mean()), instance.x0 + float(xs.mean())


def _plane_name(index: Index) -> str:
    return ", ".join(map(str, index))
