"""The layers derived from a result: cells and outlines. They are views; the result is the truth."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.cell_rows import CellRows
from napari_centermask.core.compose import Views
from napari_centermask.widgets.parts.colours import cell_colour, cells_colormap, outlines_colormap, rim_of
from napari_centermask.widgets.viewer.label_layers import MakesLabels, label_layer

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

    from napari_centermask.core.history import Change, Edit
    from napari_centermask.core.instances import Box, Instance, Instances
    from napari_centermask.core.result import Index, Result
    from napari_centermask.widgets.viewer.planes import ImagePlanes

KEY = "napari_centermask"
PAINTED = "napari_centermask_painted"
"""Key of the metadata of the layer in which one cell is painted: its image's cells contain it."""
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
# Views take 4 bytes per pixel; those of the last shown planes are kept, so that their threshold changes at once.
_KEPT_VIEWS = 8
_MANY = 200
"""Changes from which on a plane is composed later, in steps, and its features read again."""
_MANY_PIXELS = 1 << 20  # of cells: the same


def place_of(source: Image) -> dict[str, Any]:
    """The transform of an image layer, as arguments for another layer."""
    return {name: getattr(source, name) for name in _PLACE if hasattr(source, name)}


def redraw(layer: Labels, plane: np.ndarray, boxes: Iterable[Box]) -> bool:
    """Redraw parts of the current plane.

    Parameters
    ----------
    plane
        (H, W), a plane of the layer's data that is shown in 2D.
    boxes
        (y0, x0, y1, x1) of the changed parts.

    Returns
    -------
    bool
        False if the layer cannot be redrawn in parts; then call its `refresh`.
    """
    if layer.contour or not layer.visible or not layer.loaded:
        return False
    for y0, x0, y1, x1 in boxes:
        block = plane[y0:y1, x0:x1]
        if plane.dtype.itemsize > 2:  # napari keeps a copy with the numbers of colours
            block = layer.colormap._data_to_texture(block)
            layer._slice.image.view[y0:y1, x0:x1] = block
        layer.events.labels_update(data=block, offset=[y0, x0])
    return True


class ResultLayers:
    """The two label layers that show a result over its image.

    `cells` holds the id of the top-most cell, as uint16 while ids allow (wider label layers are slow in napari);
    `outlines` the category on every cell's inner edge, hidden cells too, and a hatch where cells overlap.

    Parameters
    ----------
    planes
        The image's planes, for shape and axes.
    name
        Beginning of the layers' names.
    place
        The image's transform, as layer arguments; see `place_of`.
    make
        Makes the layers.

    Attributes
    ----------
    behind
        Planes that are outdated; `steps` and `compose` update them.
    """

    def __init__(
        self,
        result: Result,
        planes: ImagePlanes,
        *,
        name: str,
        place: dict[str, Any] | None = None,
        make: MakesLabels = label_layer,
    ) -> None:
        self.result, self._planes = result, planes
        shape = (*planes.leading, *planes.shape)
        self._cells = np.zeros(shape, np.uint16)
        self._outlines = np.zeros(shape, np.uint8)
        self._views: OrderedDict[Index, Views] = OrderedDict()
        self._drawn: dict[Index, Instances] = {}  # what each of the views shows
        self.behind: set[Index] = set()
        self._lifted: tuple[Index, int | None] = ((), None)
        self._hidden: dict[int, Index] = {}
        self._hatch, self._mode, self._own_outlines = True, "cell", False
        self._wide = False
        self._rows: CellRows | None = None
        self._changed: dict[int, Index] = {}  # cells whose rows are outdated
        self._coloured_by = ""
        self._outline_colours: tuple[object, ...] = ()
        fields: dict[str, Any] = {"metadata": {KEY: result}, **(place or {})}
        self.cells = make(self.spread(self._cells), role="cells", name=f"{name} cells", opacity=0.45, **fields)
        self.outlines = make(
            self.spread(self._outlines), role="outlines", name=f"{name} outlines", opacity=0.9, **fields
        )
        self.cells.editable = self.outlines.editable = False
        self.set_colours("cell")

    def spread(self, array: np.ndarray) -> np.ndarray:
        """The array with the image's channel axis, as a view without copies, so that axes keep their places."""
        axis = self._planes.channel_axis
        if axis is None:
            return array
        shape = list(array.shape)
        shape.insert(axis, self._planes.n_channels)
        return np.broadcast_to(np.expand_dims(array, axis), shape)

    def compose(self, index: Index, *, fresh: bool = False) -> None:
        """Update a plane of both arrays from the result; call `refresh` to redraw it.

        Parameters
        ----------
        fresh
            The plane's cells were replaced.
        """
        if fresh:
            self._views.pop(index, None)
        for _ in self.steps(index):
            pass

    def steps(self, index: Index) -> Iterator[None]:
        """The same in steps of some milliseconds; edits may happen in between."""
        self._widen()
        self.behind.add(index)
        views, plane = self._views.pop(index, None), self.result.plane(index)
        if views is None:
            active = self._lifted[1] if self._lifted[0] == index else None
            rim = rim_of(self._rims)
            views = Views(plane, active=active, hatch=self._hatch, shows=self._shows, rim=rim, later=True)
        views.show(plane)
        self._views[index], self._drawn[index] = views, plane
        while len(self._views) > _KEPT_VIEWS:
            dropped, _ = self._views.popitem(last=False)
            del self._drawn[dropped]
        try:
            for boxes in views.steps():
                if self._views.get(index) is not views or self._drawn[index] is not plane:
                    return  # composing was restarted
                self._write(index, views, boxes)
                yield
        except ValueError:  # more cells than a view can show
            self._views.pop(index, None)
            self.behind.discard(index)
            raise
        if self.result.plane(index) is plane:
            self.behind.discard(index)

    def follow(self, edit: Edit, *, shown: Index | None) -> None:
        """Update and redraw the planes of an edit; a plane with many changes is added to `behind`.

        Parameters
        ----------
        shown
            The current plane; None if the viewer shows a volume or a section across planes.
        """
        self._widen()
        by_plane: dict[Index, list[Change]] = {}
        for change in edit.changes:
            self._changed[change.id] = change.plane
            was_hidden = self._hidden.pop(change.id, None) is not None  # no edit changes what cannot be seen
            if was_hidden or self._rims == "track" or not _looks_same(change):
                by_plane.setdefault(change.plane, []).append(change)
        for index, changes in by_plane.items():
            boxes = None
            if self._is_much(index, changes):
                self.behind.add(index)
                continue
            if self._drawn.get(index) is not self.result.plane(index):
                self.compose(index)
            else:
                boxes = self._update(index, [change.id for change in changes])
            self._draw(index, boxes if index == shown else None)

    def _is_much(self, index: Index, changes: list[Change]) -> bool:
        """Whether composing these changes of a plane would block the event loop."""
        plane = self.result.plane(index)
        if self._drawn.get(index) is not plane:
            return len(plane) > _MANY
        pixels = sum(cell.mask.size for c in changes[:_MANY] for cell in (c.before, c.after) if cell is not None)
        return len(changes) > _MANY or pixels > _MANY_PIXELS

    def _update(self, index: Index, ids: list[int]) -> list[Box]:
        """Recompose where cells changed; returns the boxes."""
        views = self._views[index]
        boxes = views.update(ids=ids)
        self._write(index, views, boxes)
        return boxes

    def _shows(self, cell: Instance) -> bool:
        return cell.id not in self._hidden and self.result.shows(cell)

    @property
    def hidden(self) -> dict[int, Index]:
        """Cells that are left out of the view, by id, with their planes; they stay in the result."""
        return dict(self._hidden)

    def hide(self, ids: Iterable[int], index: Index, *, shown: Index | None) -> None:
        """Leave cells of a plane out of the view, until `show_hidden`, or until an edit changes them."""
        ids = list(ids)
        self._hidden |= dict.fromkeys(ids, index)
        self._show_again(index, ids, shown)

    def show_hidden(self, ids: Iterable[int] | None = None, *, shown: Index | None) -> None:
        """Show hidden cells again, by default all of them."""
        back = [id for id in (list(self._hidden) if ids is None else ids) if id in self._hidden]
        planes = {id: self._hidden.pop(id) for id in back}
        for index in set(planes.values()):
            self._show_again(index, [id for id in back if planes[id] == index], shown)

    def _show_again(self, index: Index, ids: list[int], shown: Index | None) -> None:
        if index in self._views:  # others are composed when they are shown
            boxes = self._update(index, ids)
            self._draw(index, boxes if index == shown else None)

    def lift(self, index: Index, id: int | None, *, shown: Index | None) -> None:
        """Leave one cell of a plane out of `cells`, and draw its outline above the others; None ends that.

        The lifted cell is shown by the layer in which it is painted.
        """
        before, self._lifted = self._lifted, (index, id)
        for plane, active in {before[0]: None, index: id}.items():
            if plane not in self._views:
                continue  # composed when it is shown
            boxes = self._views[plane].set_active(active)
            self._write(plane, self._views[plane], boxes)
            self._draw(plane, boxes if plane == shown else None)

    def at(self, index: Index, y: int, x: int) -> list[int]:
        """Ids of the cells at a pixel, top-most first."""
        height, width = self.result.shape
        return self.views(index).at(y, x) if 0 <= y < height and 0 <= x < width else []

    def views(self, index: Index) -> Views:
        """The composed views of a plane that both layers show."""
        if index in self.behind or index not in self._views or self._drawn[index] is not self.result.plane(index):
            self.compose(index)
        return self._views[index]

    def _write(self, index: Index, views: Views, boxes: list[Box]) -> None:
        ids = views.ids.astype(self._cells.dtype)
        if self._lifted[0] == index and self._lifted[1]:
            ids[views.slot(self._lifted[1])] = 0
        if len(boxes) > max(64, len(self.result.plane(index))):
            boxes = [(0, 0, *self.result.shape)]
        for y0, x0, y1, x1 in boxes:
            window = np.s_[y0:y1, x0:x1]
            self._cells[index][window] = ids[views.top[window]]
            self._outlines[index][window] = views.outlines[window]

    def _draw(self, index: Index, boxes: list[Box] | None) -> None:
        """Redraw boxes of the current plane; everything if there are none."""
        for layer, array in ((self.cells, self._cells), (self.outlines, self._outlines)):
            if boxes is None or len(boxes) > _MANY or not redraw(layer, array[index], boxes):
                layer.refresh(extent=False)

    def _widen(self) -> None:
        """Switch to 32 bits if ids require it."""
        if self._wide or self.result.last_id <= np.iinfo(np.uint16).max:
            return
        self._wide = True
        self._cells = self._cells.astype(np.uint32)
        self.cells.data = self.spread(self._cells)

    def refresh(self) -> None:
        """Redraw both layers."""
        self.cells.refresh(extent=False)
        self.outlines.refresh(extent=False)

    def describe(self, *, edits_only: bool = False) -> None:
        """Update features and colours from the result's cells.

        Parameters
        ----------
        edits_only
            Nothing has changed since the last time except by edits passed to `follow`.
        """
        import pandas as pd

        if self._rows is None or not edits_only or len(self._changed) > _MANY:
            for _ in self.description():
                pass
            return
        changed, self._changed = self._changed, {}
        if changed:
            self._rows.update(changed)
        self.cells.features = pd.DataFrame(self._rows.columns)
        if not self._is_coloured(changed):
            self.set_colours(self._mode)

    def description(self) -> Iterator[None]:
        """Describe all cells anew, in steps of a few milliseconds; edits may come between them."""
        import pandas as pd

        self._changed = {}
        rows = CellRows(self.result, later=True)
        yield from rows.steps()
        changed, self._changed = self._changed, {}
        rows.update(changed)
        self._rows = rows
        self.cells.features = pd.DataFrame(rows.columns)
        yield
        self.set_colours(self._mode)

    def is_long(self, *, edits_only: bool = False) -> bool:
        """Whether `describe` would block the event loop."""
        is_anew = self._rows is None or not edits_only or len(self._changed) > _MANY
        return is_anew and len(self.result) > _MANY

    def _is_coloured(self, cells: dict[int, Index]) -> bool:
        """Whether the colours of these cells are up to date."""
        if self._coloured_by != self._colouring() or self._outline_colours != self._categories():
            return False
        if self._coloured_by == "cell":
            return True
        cells_now = [self.result.get(index, id) for id, index in cells.items()]
        known, colour = np.asarray(self.cells.colormap.colors), cell_colour(self.result, self._mode)
        found = (i for i in cells_now if i is not None)
        return all(i.id < len(known) and np.allclose(known[i.id], colour(i), atol=1e-6) for i in found)

    def _colouring(self) -> str:
        """The values that determine the colours of the cells."""
        return "cell" if self.result.last_id > np.iinfo(np.uint16).max else self._mode

    def _categories(self) -> tuple[object, ...]:
        """The values that determine the colours of the outlines."""
        return self._rims, tuple(self.result.categories), tuple(sorted(self.result.colours.items()))

    def set_colours(self, mode: str) -> None:
        """Colour cells by "cell", "category", "score" or "track"; with ids beyond 16 bits always by "cell".

        napari only maps wider labels to given colours if numba is installed.
        """
        self._mode = mode
        self._coloured_by = self._colouring()
        colours = cells_colormap(self.result, self._coloured_by)
        if not _same_colours(self.cells.colormap, colours):  # setting it draws the layer again
            self.cells.colormap = colours
        if self._outline_colours != self._categories():
            self._outline_colours = self._categories()
            self.outlines.colormap = outlines_colormap(self.result, self._rims)

    @property
    def mode(self) -> str:
        """The meaning of the cells' colours."""
        return self._mode

    @property
    def hatch(self) -> bool:
        """Whether overlaps are hatched."""
        return self._hatch

    @property
    def own_outlines(self) -> bool:
        """Whether the outlines have the colours of the cells, instead of those of the categories."""
        return self._own_outlines

    def set_look(self, *, colours: str, own_outlines: bool, hatch: bool) -> bool:
        """Choose what the colours mean, and what is hatched; whether planes have to be composed again."""
        before = self._rims, self._hatch
        self._own_outlines, self._hatch = own_outlines, hatch
        self.set_colours(colours)
        if before == (self._rims, self._hatch):
            return False
        self._views.clear()
        self._drawn.clear()
        return True

    @property
    def _rims(self) -> str:
        """What the colours of the outlines mean."""
        return self._mode if self._own_outlines else "category"


def _looks_same(change: Change) -> bool:
    """Whether only such values of a cell changed as no plane shows: its track, its source."""
    a, b = change.before, change.after
    if a is None or b is None or a.mask is not b.mask:
        return False
    return all(getattr(a, name) == getattr(b, name) for name in ("y0", "x0", "category", "score", "status", "order"))


def _same_colours(a: object, b: object) -> bool:
    """Whether two colour maps are the same cyclic one."""
    from napari.utils.colormaps import CyclicLabelColormap

    return (
        isinstance(a, CyclicLabelColormap) and isinstance(b, CyclicLabelColormap) and np.array_equal(a.colors, b.colors)
    )


def flat_place(source: Layer) -> dict[str, Any]:
    """The transform of a layer's planes, as arguments for a layer with two axes."""
    place = place_of(source)
    for name in ("scale", "translate", "units", "axis_labels"):
        if name in place:
            place[name] = place[name][-2:]
    for name in ("rotate", "affine"):
        if name in place:
            matrix = np.asarray(getattr(place[name], "affine_matrix", place[name]))
            keep = [-3, -2, -1] if name == "affine" else [-2, -1]
            place[name] = matrix[np.ix_(keep, keep)]
    if "shear" in place:
        place["shear"] = np.atleast_1d(place["shear"])[-1:]
    return place
