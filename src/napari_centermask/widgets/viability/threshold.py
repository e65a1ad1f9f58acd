"""The viability of an image: a threshold is previewed on the canvas, and becomes one edit when it is final."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

from psygnal import Signal

from napari_centermask.core.viability import CellProbabilities, Counts, dead_category
from napari_centermask.widgets.viability.layer import AS_BEFORE, MOST_CATEGORIES, ViabilityLayer

if TYPE_CHECKING:
    from napari_centermask.core.history import Edit
    from napari_centermask.io.project import Project
    from napari_centermask.widgets.edit.session import EditSession

NO_DEAD = "No category is called dead. Choose under 'Dead is' which cells are not viable."
_DEFAULT = 0.5  # more likely dead than not


def viability_of(edits: EditSession) -> Viability:
    """The viability of an image, made on first use."""
    return edits.shown.part(Viability, lambda: Viability(edits))


class Viability:
    """Living and dead cells of an image.

    Attributes
    ----------
    changed
        Emitted when cells changed, or their colours were removed.
    moved
        Emitted when the threshold was moved but no cell has changed yet.
    cells
        Probabilities and categories.
    threshold
        The threshold by which the cells are shown: the previewed one, else one that fits their present categories; None if
        none does.
    slider_value
        The threshold to show if none fits.
    layer
        The layer that shows it; None while the cells are shown as before.
    """

    changed = Signal()
    moved = Signal()

    def __init__(self, edits: EditSession) -> None:
        self._edits = ref(edits)
        self.cells = CellProbabilities(edits.result, columns=edits.shown.columns)
        self.layer: ViabilityLayer | None = None
        self._tried = False
        self.slider_value = _DEFAULT
        self.threshold: float | None = None
        self._known = self._state()
        self._fit()
        edits.edited.connect(self._on_edited)

    @property
    def edits(self) -> EditSession:
        """The correction of the image, which is not kept alive."""
        return self._edits()

    @property
    def problem(self) -> str:
        """Why no threshold can be set, in a sentence; empty if one can."""
        n = len(self.edits.result.categories)
        if n < 2:
            return (
                "A threshold needs two categories; there is only one. Classify the cells, or use a model with several."
            )
        if n > MOST_CATEGORIES:
            return (
                f"There are {n} categories; a threshold allows at most {MOST_CATEGORIES}. Remove those without cells."
            )
        return NO_DEAD if self.cells.category is None else ""

    def end(self) -> None:
        """The image's result is no longer shown."""
        self.show(AS_BEFORE)

    def counts(self) -> Counts:
        """Cells by plane and category, with the present threshold."""
        return self.cells.counts(self.threshold)

    def show(self, mode: str) -> None:
        """Colour by "category" or "probability"; "before" restores the former colours."""
        wanted = mode != AS_BEFORE and not self.problem and bool(self.cells.free.any())
        if not wanted and self.layer is not None:
            layer, self.layer = self.layer, None
            layer.hide()
        elif wanted and self.layer is None:
            self.layer = ViabilityLayer(self.edits.session, self.edits.shown, self.cells)
            self.layer.set_colours(self.threshold, mode)
            self.layer.show(on_removed=self._on_removed)
        elif wanted:
            self.layer.set_colours(self.threshold, mode)

    def _on_removed(self) -> None:
        self.layer = None
        self.changed.emit()

    def move(self, threshold: float) -> None:
        """Preview a threshold: colours and counts follow, but no cell changes."""
        self._tried, self.threshold, self.slider_value = True, threshold, threshold
        self._colour()
        self.moved.emit()

    def settle(self) -> Edit | None:
        """Apply the previewed threshold as one edit; None if that changes nothing.

        Raises
        ------
        ReadOnlyProject
            If the project is read-only.
        """
        if not self._tried:
            return None
        self.edits.flush()
        name = self.edits.result.categories.get(self.cells.category, "")
        edit = self.edits.do(f"threshold {self.threshold:.2f} for {name}", self.cells.changes(self.threshold))
        self._tried = False
        return edit

    def take_back(self) -> None:
        """Discard the previewed threshold: the cells keep their categories."""
        self._tried = False
        self._fit()
        self._colour()

    def choose(self, category: int) -> None:
        """Make another category the dead one."""
        self.cells.choose(category)
        self._begin()

    def catch_up(self) -> None:
        """Update after changes outside the history: another score threshold, other categories or colours."""
        if self._state() == self._known:
            return
        self._known = self._state()
        categories = self.edits.result.categories
        known = self.cells.category in categories
        self.cells.choose(self.cells.category if known else dead_category(categories))
        self._begin()

    def _state(self) -> tuple[object, ...]:
        result = self.edits.result
        return result.threshold, {**result.categories}, {**result.colours}, self.edits.shown.layers.hatch

    def _begin(self) -> None:
        """Fit the threshold and redraw."""
        if not self._tried:
            self._fit()
        if self.layer is not None:
            self.layer.threshold = self.threshold
            self.layer.reset()

    def apply_to(self, project: Project) -> int:
        """Apply this threshold to the cells of all other images, as one edit in each.

        Reviewed images stay as they are, because everything in them is correct.

        Returns
        -------
        int
            Number of changed cells.

        Raises
        ------
        UserError
            If an image cannot be read, or the project is read-only.
        """
        n, name = 0, f"threshold {self.slider_value:.2f} for {self.edits.result.categories[self.cells.category]}"
        for image in project.images:
            if image.problem or image.status in ("untouched", "reviewed"):
                continue
            result = project.result(image.id)
            if result is not self.edits.result:
                changes = CellProbabilities(result, self.cells.category).changes(self.slider_value)
                project.history(image.id).do(name, changes)
                n += len(changes)
        return n

    def _on_edited(self, edit: Edit) -> None:
        self.cells.update(edit)
        if not self._tried:
            self._fit()
        if self.layer is not None:
            self.layer.follow(edit)
        self._colour()
        self.changed.emit()

    def _fit(self) -> None:
        """Find a threshold that gives the cells their categories, if possible the present one."""
        self.threshold = None if self.cells.category is None else self.cells.fitting(self.slider_value)
        self.slider_value = self.slider_value if self.threshold is None else self.threshold

    def _colour(self) -> None:
        if self.layer is not None and self.layer.threshold != self.threshold:
            self.layer.set_colours(self.threshold, self.layer.mode)
