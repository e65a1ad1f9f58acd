"""Connects the illumination box with the image, the model and the layer that shows the corrected image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_centermask.core.errors import BadSettings
from napari_centermask.pipeline.correction import own_preprocess
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.segment.illumination_box import IlluminationBox
from napari_centermask.widgets.segment.illumination_view import CorrectedLayer, Preview, save_gain
from napari_centermask.widgets.viewer.planes import named_channels
from napari_centermask.widgets.viewer.view import current_index
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_centermask.models.store.card import ModelCard
    from napari_centermask.widgets.viewer.planes import ImagePlanes

Current = Callable[[], "tuple[Image | None, ImagePlanes | None]"]


class Illumination:
    """The part of the Segment dock about intensities.

    Parameters
    ----------
    current
        Returns the chosen image layer and its planes.
    """

    def __init__(self, viewer: Viewer, current: Current) -> None:
        self._viewer, self._current = viewer, current
        self._card: ModelCard | None = None
        self._diameter: float | None = None
        self._worker: Any = None
        self.box = box = IlluminationBox()
        self.corrected = CorrectedLayer(viewer, self._preview, box.status.setText, parent=box)
        box.changed.connect(self.refresh)
        box.show_corrected.toggled.connect(self._on_toggled)
        box.before.pressed.connect(lambda: self._on_before(True))
        box.before.released.connect(lambda: self._on_before(False))
        box.estimate.clicked.connect(self._on_estimate)
        moved = viewer.dims.events.current_step
        moved.connect(self.refresh)
        box.destroyed.connect(lambda: moved.disconnect(self.refresh))

    def value(self) -> dict[str, Any]:
        """The intensity fields of `SegmentSettings`; raises `BadSettings` if a value is out of range."""
        return {"preprocess": self.box.value(), "channel_names": self.box.channel_names()}

    def set_value(self, settings: SegmentSettings) -> None:
        """Show these settings."""
        self.box.set_value(settings.preprocess)
        self.box.set_names(settings.channel_names or [], wanted=self._wanted_names)
        self.refresh()

    def show_model(self, card: ModelCard) -> None:
        """Show the corrections that the model was trained with; the flat field of the microscope stays."""
        self._card = card
        kept = {"flat_field": self.box.flat_field, "dark": self.box.form.value()["dark"]}
        self.box.set_value(own_preprocess(SegmentSettings(preprocess=kept), card))
        self.show_image()

    def show_image(self) -> None:
        """Another image was chosen, or the axes changed."""
        source, planes = self._current()
        names = None if planes is None or source is None else named_channels(source, planes.n_channels)
        self.box.set_names(names or None, wanted=self._wanted_names)
        self.box.show_planes(0 if planes is None else len(planes.indices()))
        self.refresh()

    def show_diameter(self, diameter: float | None) -> None:
        """Use the typical diameter in image pixels; None if it is unknown."""
        self._diameter = diameter
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Update the corrected image, if it is shown."""
        if self.box.show_corrected.isChecked():
            self.corrected.refresh()

    @property
    def _wanted_names(self) -> list[str]:
        return [] if self._card is None else self._card.channel_names

    @property
    def scale(self) -> float:
        """The scale at which the network sees the image; 1 if the diameter is unknown."""
        return self._card.diameter / self._diameter if self._card and self._diameter else 1.0

    def _preview(self) -> Preview | None:
        source, planes = self._current()
        if source is None or planes is None or not self.box.show_corrected.isChecked():
            return None
        try:
            settings = self.box.value()
        except BadSettings as error:
            self.box.status.setText(str(error))
            return None
        plane = planes.plane(current_index(self._viewer, source, planes))
        return Preview(source, plane, self._channel(source, planes), settings, self.scale)

    def _channel(self, source: Image, planes: ImagePlanes) -> int:
        """The channel that the viewer's slider is at."""
        if planes.channel_axis is None:
            return 0
        point = source.world_to_data(self._viewer.dims.point)
        return int(min(max(round(float(point[planes.channel_axis])), 0), planes.n_channels - 1))

    def _on_toggled(self, on: bool) -> None:
        self.box.show_before(possible=on)
        self.box.status.setText("")
        if on:
            self.corrected.refresh()
        else:
            self.corrected.hide()

    def _on_before(self, held: bool) -> None:
        if self.corrected.layer is not None:
            self.corrected.layer.visible = not held

    def _on_estimate(self) -> None:
        """Ask for a file, estimate the illumination of the stack and save it there."""
        from napari.qt.threading import create_worker

        source, planes = self._current()
        if source is None or planes is None or self._worker is not None:
            return
        name = f"{source.name}_flat_field.tif"
        path, _ = QFileDialog.getSaveFileName(self.box, "Save the flat field", name, "TIFF (*.tif)")
        if not path:
            return
        dark = float(self.box.form.value()["dark"])
        self.box.status.setText(f"Estimating from {len(planes.indices())} planes…")
        self._worker = create_worker(save_gain, planes, dark, Path(path), _start_thread=False)
        self._worker.returned.connect(self._on_estimated)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_finished(self) -> None:
        self._worker = None

    def _on_estimated(self, outcome: Path | Failed) -> None:
        self.box.status.setText("")
        if isinstance(outcome, Failed):
            notify(outcome.message, outcome.page)
        else:
            self.box.set_flat_field(outcome)
