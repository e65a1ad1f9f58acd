"""Turn layers of any origin into cells of an image, off the GUI thread and as one edit."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Points, Shapes
from napari.utils.notifications import show_info

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings, ReadOnlyProject
from napari_centermask.core.history import Change
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit import point_seeds
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.layer_cells import (
    Found,
    cells_of_labels,
    cells_of_shapes,
    read_labels,
    read_shapes,
)
from napari_centermask.widgets.edit.placement import Placement
from napari_centermask.widgets.viewer.layers import KEY, PAINTED
from napari_centermask.widgets.viewer.state import state_of
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed, answer_for

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_centermask.core.instances import Instance
    from napari_centermask.widgets.edit.session import EditSession

KINDS = "a Shapes, Labels or Points layer"


def conversions_of(viewer: Viewer) -> Conversions:
    """The conversions of a viewer, made on first use."""
    state = state_of(viewer)
    return state.part(Conversions, lambda: Conversions(viewer))


class Conversions:
    """Turns one layer after another into cells.

    Attributes
    ----------
    runner
        Runs one conversion at a time off the GUI thread.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.runner = Runner()
        self._session = state_of(viewer).session
        self._waiting: list[tuple[Layer, Image]] = []
        self._layer: Layer | None = None
        self._edits: EditSession | None = None
        self._links = Connections()
        self._links.add(self.runner.ended, self._on_ended)

    def end(self) -> None:
        """The viewer was closed."""
        self._waiting = []
        self._links.end()
        self.runner.cancel()

    def start(self, layers: Sequence[Layer]) -> None:
        """Turn layers into cells of the image that they lie on.

        Raises
        ------
        BadSettings
            If there is no layer of such a kind, or no image; or a conversion is in progress.
        ReadOnlyProject
            If the cells could not be kept.
        """
        if self.runner.is_running:
            raise BadSettings("A layer is being turned into cells. Wait until it is done, then try again.")
        chosen = [x for x in layers if isinstance(x, (Shapes, Labels, Points)) and PAINTED not in x.metadata]
        own = [x for x in chosen if self._session.image_of(x) is not None]
        if own:
            raise BadSettings(f"'{own[0].name}' shows cells already. Select {KINDS} of another origin.")
        if not chosen:
            raise BadSettings(f"Select {KINDS} in the layer list first; each area, label or point becomes a cell.")
        images = [x for x in layers if isinstance(x, Image)]
        self._waiting = [(layer, image_under(self._session.viewer, layer, images)) for layer in chosen]
        self._next()

    def _next(self) -> None:
        while self._waiting:
            layer, source = self._waiting.pop(0)
            if layer in self._session.viewer.layers and source in self._session.viewer.layers:
                self._begin(layer, source)
                return

    def _begin(self, layer: Layer, source: Image) -> None:
        edits = edit_session_of(self._session, source)
        if edits.history.closed:
            raise ReadOnlyProject(edits.history.closed)
        edits.finish()
        self._layer, self._edits = layer, edits
        place = Placement(self._session.viewer, layer, source, edits.planes)
        self.runner.start(f"CenterMask: {layer.name} to cells", _answer, self._work(edits, layer, place))

    def _work(self, edits: EditSession, layer: Layer, place: Placement) -> Generator[Any, None, Any]:
        shape, known = edits.result.shape, layer.metadata.get(KEY)
        if isinstance(known, Result) and (known.shape, known.leading) == (shape, edits.result.leading):
            return _all_of(known)
        if isinstance(layer, Shapes):
            return cells_of_shapes(read_shapes(layer, place), shape)
        if isinstance(layer, Labels):
            return cells_of_labels(read_labels(layer, place), shape)
        points = point_seeds.points_in(place.to_image(layer.data), place.index)
        seeds = point_seeds.sort_points(edits.result, points)
        settings = point_seeds.settings_for(edits)
        return point_seeds.ask_model(seeds, edits.planes, settings)

    def _on_ended(self, value: object) -> None:
        layer, edits, self._layer, self._edits = self._layer, self._edits, None, None
        source = None if edits is None else edits.source
        if isinstance(value, Failed):
            self._waiting = []
            show_info(value.message)
        elif layer is not None and edits is not None and source in self._session.viewer.layers:
            if isinstance(value, Found):
                show_info(_summary(layer, edits, value, _take(edits, layer, value)))
            elif isinstance(value, point_seeds.Seeds):
                show_info(take_seeds(edits, layer, value))
        self._next()


def _answer(steps: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    """The steps, with errors that a person can correct as a value; for the worker thread."""
    return (yield from answer_for(steps, who="The model", then="Choose another engine under 'Advanced'."))


def _all_of(known: Result) -> Generator[Any, None, Found]:
    """The cells of a layer that shows those of an image that is closed: all of them whole."""
    yield from ()
    shown = [(index, cell) for index, cell in known.placed() if known.shows(cell)]
    names = {k: known.categories.get(cell.category, "") for k, (_, cell) in enumerate(shown)}
    return Found([(index, replace(cell, status="accepted")) for index, cell in shown], names)


def image_under(viewer: Viewer, layer: Layer, chosen: Sequence[Image] = ()) -> Image:
    """The image that a layer lies on: the selected one, else the visible one next below it, else the next above.

    Raises
    ------
    BadSettings
        If there is none.
    """
    layers = list(viewer.layers)
    at = layers.index(layer) if layer in layers else len(layers)
    below = [x for x in reversed(layers[:at]) if isinstance(x, Image) and x.visible]
    above = [x for x in layers[at:] if isinstance(x, Image) and x.visible]
    found = [*chosen, *below, *above]
    if not found:
        raise BadSettings(f"Open the image that '{layer.name}' belongs to first: cells belong to an image.")
    return found[0]


def _take(edits: EditSession, layer: Layer, found: Found) -> tuple[int, int]:
    """Add the cells as one edit, on top of those that are there; how many are new, and how many were there."""
    result, known = edits.result, {name: c for c, name in edits.result.categories.items()}
    changes: list[Change] = []
    top = max((c.order for c in result), default=-1.0) + 1
    for k, (index, cell) in enumerate(found.cells):
        category = known.get(found.categories.get(k, ""), edits.category)
        if not any(_same_place(cell, c) for c in result.plane(index).meeting(cell.box) if result.shows(c)):
            new = replace(cell, id=result.new_id(), category=category, order=top + k, probabilities=())
            changes.append(Change(index, new.id, None, new))
    edits.do(f"{counted(len(changes), 'cell')} from '{layer.name}'", changes)
    return len(changes), len(found.cells) - len(changes)


def _same_place(a: Instance, b: Instance) -> bool:
    return a.box == b.box and bool(np.array_equal(a.mask, b.mask))


def _summary(layer: Layer, edits: EditSession, found: Found, made: tuple[int, int]) -> str:
    new, there = made
    image = "" if edits.source is None else edits.source.name
    texts = [f"{counted(new, 'cell')} from '{layer.name}' added to '{image}'."]
    texts += [f"{counted(there, 'cell')} of the same shape {'was' if there == 1 else 'were'} there already."] * bool(
        there
    )
    return " ".join([*texts, *found.notes])


def take_seeds(edits: EditSession, layer: Layer, seeds: point_seeds.Seeds) -> str:
    """Add what the points gave as one edit, select the points without a cell, and say what became of each."""
    result = edits.result
    drawn = point_seeds.once_each(result, seeds)
    still = [(i, c) for _, i, c in seeds.candidates if result.get(i, c.id) is c]
    changes = [Change(i, c.id, c, point_seeds.as_draft(c)) for i, c in still]
    top = max((c.order for c in result), default=-1.0) + 1
    several = len(result.categories) > 1
    for k, (index, cell) in enumerate(drawn):
        kept = several and cell.category in result.categories
        new = replace(cell, id=result.new_id(), order=top + k, category=cell.category if kept else edits.category)
        if not kept or len(cell.probabilities) != len(result.categories):
            new = replace(new, probabilities=())
        changes.append(Change(index, new.id, None, new))
    edits.do(f"{counted(len(changes), 'cell')} from points of '{layer.name}'", changes)
    if isinstance(layer, Points):
        layer.selected_data = {n for n in seeds.nothing if n < len(layer.data)}
    return _of_points(layer, len(drawn), len(still), seeds)


def _of_points(layer: Layer, n_drawn: int, n_candidates: int, seeds: point_seeds.Seeds) -> str:
    n_in, n_none = len(seeds.in_cell), len(seeds.nothing)
    texts = [f"{counted(n_drawn + n_candidates, 'draft')} from the points of '{layer.name}'; accept them in Review."]
    texts += [f"{counted(n_candidates, 'draft was', 'drafts were')} found below the score threshold."] * bool(
        n_candidates
    )
    texts += [f"{counted(n_in, 'point lies', 'points lie')} in cells that are there already."] * bool(n_in)
    nothing = "point gave no cell and is selected", "points gave no cell and are selected"
    texts += [f"{counted(n_none, *nothing)}: draw a box around the cell, or paint it."] * bool(n_none)
    return " ".join(texts)
