"""The part of the viability dock that classifies the cells of the current image, off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_centermask.core.classification import to_classify
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import UserError
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.viability.classification import (
    Classification,
    UnclassifiedPlane,
    apply_classification,
    classify_planes,
)
from napari_centermask.widgets.viability.classify_box import ClassifyBox
from napari_centermask.widgets.viewer.planes import channel_names
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari_centermask.pipeline.progress import Progress
    from napari_centermask.widgets.viability.controls import Controls
    from napari_centermask.widgets.viability.threshold import Viability

_ALL_JUDGED = "No cell is left to classify: you reviewed them all. Tick 'Include reviewed cells' to classify them too."


class ClassifyPart:
    """Runs a classifier and applies its result as one edit.

    Parameters
    ----------
    settle
        Applies a threshold that is being tried; called before cells are read or changed.

    Attributes
    ----------
    changed
        Emitted when a run starts or ends, or another classifier is chosen.
    """

    changed = Signal()

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle = settle
        self._viability: Viability | None = None
        self._run: tuple[Viability, str, bool] | None = None
        self._was_suggested = False
        self.box, self.runner = ClassifyBox(), Runner()
        self._links = Connections()
        self._links.add(self.box.run.start.clicked, self.start)
        self._links.add(self.box.run.cancel.clicked, self.runner.cancel)
        self._links.add(self.box.classifier.chosen_changed, self.changed.emit)
        self._links.add(self.runner.advanced, self._on_advanced)
        self._links.add(self.runner.ended, self._on_ended)

    def close(self) -> None:
        """The dock was closed: stop without a report."""
        self._links.end()
        self.runner.cancel()

    def set_image(self, viability: Viability | None) -> None:
        """Use another image."""
        self._viability = viability
        shown = None if viability is None else viability.edits.shown
        source = shown and shown.source()
        self.box.set_channels(channel_names(source, channel_axis=shown.planes.channel_axis) if source else [])
        self.box.channels.set_value(shown.settings.channels if shown and shown.settings else None)
        self.box.report("")

    def show_controls(self, controls: Controls) -> None:
        """Update the buttons; the box opens the first time that it is suggested."""
        if controls.suggests_classifier and not self._was_suggested:
            self._was_suggested = True
            self.box.fold.expand(False)
        show_control(self.box.run.start, controls.classify)
        show_control(self.box.run.cancel, controls.cancel)

    def start(self) -> None:
        """Classify the cells of all planes; the result is one edit at the end."""
        viability, chosen = self._viability, self.box.classifier.chosen
        if viability is None or chosen is None:  # the button is disabled
            return
        self._settle()
        viability.edits.flush()
        waiting = to_classify(viability.edits.result, judged=self.box.judged.isChecked())
        if not waiting:
            self.box.report(_ALL_JUDGED)
            return
        planes, channels = viability.edits.planes, self.box.channels.value()
        seen = slice(None) if channels is None else channels
        work = [UnclassifiedPlane(index, planes.plane(index)[seen], cells) for index, cells in waiting.items()]
        self._run = viability, self.box.classifier.currentText(), self.box.mean.isChecked()
        self.box.report("Starting")
        self.box.run.show_start()
        self.runner.start("CenterMask: classifying", classify_planes, chosen, work)
        self.changed.emit()

    def _on_advanced(self, step: Progress) -> None:
        self.box.run.show_progress(step.part, step.message)

    def _on_ended(self, value: object) -> None:
        run, self._run = self._run, None
        text = "Cancelled; no cell was changed." if self.runner.cancelled else "Stopped by an error."
        if isinstance(value, Classification) and run is not None:
            try:
                text = self._apply(value, *run)
            except UserError as error:  # a project that is read-only
                value = Failed.of(error)
        if isinstance(value, Failed):
            text = value.message
            notify(text, value.page)
        self.box.run.show_end()
        self.box.report(text)
        self.changed.emit()

    def _apply(self, classification: Classification, viability: Viability, name: str, mean: bool) -> str:
        """Change the cells; returns the report."""
        edits = viability.edits
        source = edits and edits.source
        if source is None or edits.session.shown(source) is not edits.shown:
            return "The cells have changed in the meantime; nothing was classified."
        self._settle()
        edits.flush()
        edit = apply_classification(viability, classification, f"classification with {name}", mean=mean)
        if edit is None:
            return f"The cells already have the categories that {name} gives them; no cell was changed."
        n = sum(edits.result.shows(change.after) for change in edit.changes)
        left = edits.result.n_visible() - n
        unchanged = f"; {left:,} stay as they are" if left else ""
        return f"{counted(n, 'cell')} classified with {name}{unchanged}."
