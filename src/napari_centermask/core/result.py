"""The cells of one image layer, plane by plane: the data behind the layers that show them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from napari_centermask.core.instances import Box, Instance, Instances

Index = tuple[int, ...]
COLUMNS = ("index", "id", "plane", "category", "score", "mask_quality", "area", "status")


class Result:
    """Candidates of all planes, and the lowest score to show.

    Ids are unique over all planes and never reused, so that one table and one label layer hold a whole stack.

    Parameters
    ----------
    shape
        (H, W) of a plane.
    leading
        Sizes of the time and z axes before it; empty for a single image.
    threshold
        Cells below this score are kept but not shown.
    name
        Name of the image: that of its file, if it has one.

    Attributes
    ----------
    named_categories
        Whether new cells join categories by name, because other images share them; see `join_categories`.
    seams
        For planes that were segmented in tiles: (y, x) positions of the seams, in pixels.
    colours
        "#rrggbb" of the categories with a chosen colour.

    Examples
    --------
    >>> result = Result((8, 8), threshold=0.5)
    >>> for id, score in ((1, 0.9), (2, 0.4)):
    ...     _ = result.set((), id, Instance(id, 0, id, np.ones((2, 2), bool), score=score))
    >>> len(result), result.n_visible()
    (2, 1)
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
        """The largest id so far."""
        return self._last_id

    def plane(self, index: Index) -> Instances:
        """Candidates of one plane; empty if it was not segmented."""
        if index in self._planes:
            return self._planes[index]
        return Instances(self.shape, categories=self.categories)

    def get(self, index: Index, id: int) -> Instance | None:
        """A cell of a plane, None if it has no such cell."""
        plane = self._planes.get(index)
        return plane[id] if plane is not None and id in plane else None

    def set(self, index: Index, id: int, instance: Instance | None) -> Instance | None:
        """Replace cell `id` of a plane with `instance`, or remove it with None; return the previous cell.

        Changes by the user go through `core.history.History`, which can undo them.

        Raises
        ------
        ValueError
            If the result has no such plane, or the cell does not fit it.
        """
        plane = self._planes.get(index)
        if plane is None:
            self._check_index(index)
            plane = self._planes[index] = Instances(self.shape, categories=self.categories)
        before = plane.set(id, instance)
        self._last_id = max(self._last_id, id)
        return before

    def _check_index(self, index: Index) -> None:
        if len(index) != len(self.leading) or any(not 0 <= i < n for i, n in zip(index, self.leading, strict=True)):
            raise ValueError(f"Expected a plane within {self.leading}, got {index}.")

    def reviewed(self, index: Index) -> tuple[Box, ...]:
        """Reviewed rectangles (y0, x0, y1, x1) of a plane, in which all cells are correct and none is missing."""
        return self._reviewed.get(index, ())

    def set_reviewed(self, index: Index, boxes: Iterable[Box]) -> None:
        """Replace the reviewed rectangles of a plane; changes by the user go through `core.history.History`.

        Raises
        ------
        ValueError
            If the result has no such plane, or a rectangle is empty or extends beyond the plane.
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
        """Whether the whole cell is in a reviewed rectangle."""
        y0, x0, y1, x1 = cell.box
        return any(b[0] <= y0 and b[1] <= x0 and b[2] >= y1 and b[3] >= x1 for b in self.reviewed(index))

    @property
    def reviewed_planes(self) -> dict[Index, tuple[Box, ...]]:
        """Reviewed rectangles by plane, for planes that have some."""
        return dict(sorted(self._reviewed.items()))

    def new_id(self) -> int:
        """An id that has never been used on any plane."""
        self._last_id += 1
        return self._last_id

    def reserve(self, last_id: int) -> None:
        """Do not use ids up to this one: they belonged to deleted cells."""
        self._last_id = max(self._last_id, int(last_id))

    def shows(self, instance: Instance) -> bool:
        """Whether a cell is shown: accepted and corrected cells and drafts always, rejected ones never, others by score."""
        if instance.status in ("accepted", "corrected"):
            return True
        return instance.status != "rejected" and (instance.score >= self.threshold or instance.is_draft)

    def visible(self, index: Index) -> Instances:
        """The plane's cells that are shown."""
        plane = self.plane(index)
        return Instances(self.shape, filter(self.shows, plane), categories=plane.categories, are_checked=True)

    def put(self, index: Index, cells: Instances, *, keep_ids: bool = False) -> Instances:
        """Replace a plane's cells, under new ids.

        Parameters
        ----------
        keep_ids
            Keep the ids of the cells, which no other plane uses.

        Raises
        ------
        ValueError
            If the cells are of an image of another shape.
        """
        if cells.shape != self.shape:
            raise ValueError(f"Expected cells of a plane of {self.shape}, got {cells.shape}.")
        self.categories = {**self.categories, **cells.categories}
        numbered = (
            i if keep_ids or i.id == new else replace(i, id=new) for i, new in zip(cells, count(self._last_id + 1))
        )
        taken = Instances(self.shape, numbered, categories=self.categories, are_checked=True)
        self._last_id = max(self._last_id, taken.next_id - 1)
        self._planes[index] = taken
        return taken

    def join_categories(self, index: Index, categories: dict[int, str]) -> dict[int, int]:
        """Add the categories of new cells of a plane; return the id here of each.

        Names in use are kept; names that only predictions use are replaced. A result with `named_categories` matches categories
        by name instead, see `matching`; others are added under a free id.
        """
        self._check_index(index)
        here = {c: c for c in categories}
        if self.named_categories:
            known = matching(self.categories, categories.values())
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

    def placed(self) -> list[tuple[Index, Instance]]:
        """All candidates with their planes, in the order of `table`."""
        return [(index, cell) for index, plane in self.planes.items() for cell in plane]

    def table(self, cells: Sequence[tuple[Index, Instance]] | None = None) -> dict[str, list[object]]:
        """Columns for the features of a layer: a row for each candidate, or for those given, with its label as `index`."""
        rows = [self._values(index, i) for index, i in (self.placed() if cells is None else cells)]
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


def matching(own: Mapping[int, str], names: Collection[str]) -> dict[str, int]:
    """The own categories by name, for a model that calls its categories `names`.

    A model's only category is an only one of our own, whatever the two are called: cells of a model, and those drawn beside them,
    are of one kind.
    """
    known = {name: c for c, name in reversed(list(own.items()))}
    if len(own) == 1 and len(names) == 1:
        known |= dict.fromkeys(names, next(iter(own)))
    return known


def centre(instance: Instance) -> tuple[float, float]:
    """(y, x) of the mask's centre of mass."""
    ys, xs = np.nonzero(instance.mask)
    return instance.y0 + float(ys.mean()), instance.x0 + float(xs.mean())


def _plane_name(index: Index) -> str:
    return ", ".join(map(str, index))
