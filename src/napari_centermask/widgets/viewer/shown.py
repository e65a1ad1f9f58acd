"""The shown cells of an image: the result, its history, its layers, and its correction."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from weakref import ref

from psygnal import Signal

from napari_centermask.core.columns import Columns
from napari_centermask.core.errors import BadImage
from napari_centermask.core.history import History
from napari_centermask.core.instances import Instances
from napari_centermask.core.predictions import replace_predictions
from napari_centermask.core.viability import renamed
from napari_centermask.io.scene_paths import split
from napari_centermask.widgets.viewer.label_layers import MakesLabels, label_layer
from napari_centermask.widgets.viewer.layers import ResultLayers, place_of
from napari_centermask.widgets.viewer.view import current_index, shows_planes
from napari_centermask.widgets.work.owner import Owner

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_centermask.core.history import Edit
    from napari_centermask.core.result import Index, Result
    from napari_centermask.pipeline.plane_cells import Seams
    from napari_centermask.settings import SegmentSettings
    from napari_centermask.widgets.viewer.planes import ImagePlanes


IMAGE_PATH = "napari_centermask_image"
"""Key of the metadata of a layer that shows one of several images in a file: its path, slide.lif/Series 3."""


class Correction(Protocol):
    """The correction of an image, as far as a session needs it."""

    @property
    def shown(self) -> Shown:
        """The cells."""

    @property
    def layer(self) -> Layer:
        """The layer in which the active cell is painted."""

    @property
    def layers(self) -> list[Layer]:
        """All layers of the correction, those of the cells and the image included."""

    def flush(self) -> object:
        """Apply what was painted since the last time."""

    def finish(self) -> object:
        """Finish what is being drawn, and apply it."""

    def follow_view(self) -> None:
        """Follow the viewer's sliders."""

    def deactivate(self) -> None:
        """Apply what was painted, and remove the layer of the active cell from the viewer."""

    def end(self) -> None:
        """The same, for good."""


class Shown(Owner):
    """A result with its history, its image, and its layers, which follow every edit.

    Parameters
    ----------
    in_project
        Whether a project writes every edit; otherwise the autosave does.
    make
        Makes the layers.

    Raises
    ------
    ValueError
        If the result has another shape than the image.

    Attributes
    ----------
    edited
        Emitted with every edit after the layers were updated; an undo is emitted as the inverse edit.
    composed
        Emitted with a plane after its layers were updated for many changes.
    edits
        The correction of the cells; see `edit.session.edit_session_of`. Other objects of the image are parts.
    settings
        Settings of the last run on the image; None before.
    diameter
        Diameter of a typical cell in the last run, in pixels; None before.
    misfit
        Why the model of the last run does not seem to suit the image; empty if it does, and after the message was put away.
    """

    edited = Signal(object)
    composed = Signal(tuple)

    def __init__(
        self,
        viewer: Viewer,
        source: Image,
        planes: ImagePlanes,
        result: Result,
        history: History | None = None,
        *,
        in_project: bool = False,
        make: MakesLabels = label_layer,
    ) -> None:
        super().__init__()
        if (result.shape, result.leading) != (planes.shape, planes.leading):
            expected, given = (*planes.leading, *planes.shape), (*result.leading, *result.shape)
            raise ValueError(f"Expected a result for an image of {expected}, got one for {given}.")
        self._viewer, self.source = ref(viewer), ref(source)
        self.planes, self.result, self.in_project, self._make = planes, result, in_project, make
        self.history = History(result) if history is None else history
        self.edits: Correction | None = None
        self.settings: SegmentSettings | None = None
        self.diameter: float | None = None
        self.misfit = ""
        self.history.listen(self._on_edit)

    def end(self) -> None:
        """Stop following the history, after applying what was painted."""
        if self.edits is not None:
            self.edits.end()
        super().end()
        self.history.ignore(self._on_edit)

    @cached_property
    def columns(self) -> Columns:
        """The cells as columns, for all that list or count them; whoever uses them calls `update` with every edit."""
        return Columns(self.result)

    @cached_property
    def layers(self) -> ResultLayers:
        """The layers, made with the first cells: by then, the worker has imported what a label layer needs."""
        source = self.source()
        return ResultLayers(self.result, self.planes, name=source.name, place=place_of(source), make=self._make)

    @property
    def has_layers(self) -> bool:
        """Whether the layers exist."""
        return "layers" in self.__dict__

    @property
    def own_layers(self) -> list[Layer]:
        """The layers that show the cells, as far as they exist."""
        return [self.layers.cells, self.layers.outlines] if self.has_layers else []

    def plane_in_view(self) -> Index | None:
        """The current plane; None for a volume or a section across planes."""
        viewer, source = self._viewer(), self.source()
        flat = viewer is not None and source is not None and shows_planes(viewer, source)
        return current_index(viewer, source, self.planes) if flat else None

    def _on_edit(self, edit: Edit) -> None:
        if self.has_layers:
            self.layers.follow(edit, shown=self.plane_in_view())
        self.edited.emit(edit)

    def check_axes(self, planes: ImagePlanes) -> None:
        """Check that cells of these planes can be added to the result.

        Raises
        ------
        BadImage
            If its cells have other axes.
        """
        if (planes.axes, planes.shape, planes.leading) != (self.planes.axes, self.planes.shape, self.planes.leading):
            axis = self.planes.channel_axis
            which = "no channel axis" if axis is None else f"axis {axis} as its channel axis"
            raise BadImage(f"The cells of this image were drawn with {which}. Choose that under 'Channel axis'.")

    def put_predictions(self, index: Index, cells: Instances, *, region: tuple[np.ndarray, ...] | None) -> None:
        """Replace predictions of a plane, or of regions in it, as one edit.

        Cells that were accepted, corrected or rejected stay.
        """
        if self.edits is not None:
            self.edits.flush()
        here = self.result.join_categories(index, cells.categories)
        if set(here.items()) != {(c, c) for c in self.result.categories}:
            named = (renamed(i, here, cells.categories, self.result.categories) for i in cells)
            cells = Instances(cells.shape, named, categories=self.result.categories)
        where = f" of plane {', '.join(map(str, index))}" if index else ""
        changes = replace_predictions(self.result, index, cells, region=region)
        layers = self.layers  # make the layers now, so that they follow
        if self.history.do(f"segmentation{where}", changes) is None:
            layers.compose(index)

    def add_seams(self, index: Index, seams: Seams, *, replace: bool) -> None:
        """Add the seams between the tiles of a run to those of earlier runs or, with `replace`, replace them."""
        before: Seams = ((), ()) if replace else self.result.seams.get(index, ((), ()))
        ys, xs = (tuple(sorted({*a, *b})) for a, b in zip(before, seams, strict=True))
        self.result.seams[index] = ys, xs

    def copy_look(self, before: Shown) -> None:
        """Keep the user's layer settings of an earlier result."""
        for old, new in zip(before.own_layers, self.own_layers, strict=False):
            new.opacity, new.visible, new.blending = old.opacity, old.visible, old.blending


def image_path(source: Image) -> str:
    """The path of an image's file, with its scene if the file holds several; empty without a file."""
    return str(source.metadata.get(IMAGE_PATH) or source.source.path or "")


def file_name(source: Image) -> str:
    """The name of an image: that of its file, with its scene, if it has one."""
    path = image_path(source)
    if not path:
        return str(source.name)
    file, scene = split(Path(path))
    return f"{file.name}/{scene}" if scene else file.name


def same_form(a: ImagePlanes, b: ImagePlanes) -> bool:
    """Whether these are the same planes of the same array; lazy wrappers of an array share its name."""
    named = getattr(a.array, "name", None) is not None and getattr(a.array, "name", "") == getattr(
        b.array, "name", None
    )
    return a.axes == b.axes and a.channel_axis == b.channel_axis and (a.array is b.array or named)
