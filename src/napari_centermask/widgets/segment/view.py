"""The upper parts of the Segment dock; they show its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.engines.devices import devices_in_napari, engines_in_napari, precisions_in_napari
from napari_centermask.models.families import family_of
from napari_centermask.models.idle_settings import idle_in_segmentation
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.forms import SettingsForm
from napari_centermask.widgets.parts.layout import FittedLabel, label, quiet_label, row, show_row, titled_form
from napari_centermask.widgets.parts.pickers import ChannelPicker, LayerCombo, ModelCombo

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.models.store.card import ModelCard

_USUAL = ("min_area", "mask_nms", "percentiles", "tile", "device")
_FOLDED = {
    "Boxes and duplicates": ("nms", "soft_nms", "max_detections"),
    "Separate touching cells": ("foreground", "seed", "smoothing"),
    "Computation": ("engine", "precision", "overlap", "flips"),
}
"""Settings that rarely change; those that the model does not use are hidden."""


class ImageBox(QWidget):
    """The image, its channels, and the part to segment."""

    def __init__(self, layers: LayerCombo) -> None:
        super().__init__()
        self.layers = layers
        self.axis = QComboBox()
        self.axis.setToolTip("The axis of the channels; other leading axes are time or z.")
        self.channels = ChannelPicker()
        self.scope = QComboBox()
        self.scope.setToolTip("Which part of the image to segment. A run on a part only replaces cells centred in it.")
        self.draw = QPushButton("Draw")
        self._form = titled_form(self, "Image", help="napari")
        self._form.addRow(label("Layer"), self.layers)
        self.unseen = quiet_label()
        self._form.addRow(self.unseen)
        self._form.addRow(label("Channel axis"), self.axis)
        self._form.addRow(label("Channels"), self.channels)
        self._form.addRow(label("Segment"), row(self.scope, self.draw))
        self.note = quiet_label()
        self._form.addRow(self.note)
        self.turn = QPushButton("Show its channels")
        self.turn.setToolTip("Put the last axis before height and width, as channels. The file stays as it is.")
        self._form.addRow(self.turn)

    @property
    def channel_axis(self) -> int | None:
        """The chosen axis, None for none."""
        return self.axis.currentData()

    def set_axes(self, source: Image | None, *, guess: int | None) -> None:
        """Offer the axes of an image before height and width."""
        n_axes = 0 if source is None or source.rgb else source.ndim - 2
        self.axis.clear()
        self.axis.addItem("none", None)
        for axis in range(n_axes):
            size = (source.data[0] if source.multiscale else source.data).shape[axis]
            self.axis.addItem(f"axis {axis} ({size})", axis)
        self.axis.setCurrentIndex(0 if guess is None else guess + 1)
        show_row(self._form, self.axis, n_axes > 0)

    def set_channels(self, names: list[str]) -> None:
        """Offer these channels; one alone needs no choice."""
        self.channels.set_names(names)
        show_row(self._form, self.channels, len(names) > 1)

    def show_unseen(self, text: str) -> None:
        """Show why the chosen image is not seen."""
        self.unseen.setText(text)
        show_row(self._form, self.unseen, bool(text))

    def set_note(self, text: str, *, can_turn: bool = False) -> None:
        """Show how the image was read, and the button for channels that come last."""
        self.note.setText(text)
        show_row(self._form, self.note, bool(text))
        self.turn.setVisible(can_turn)

    def set_scopes(self, scopes: dict[str, str]) -> None:
        """Offer these scopes; the choice stays if it is still offered."""
        same = [self.scope.itemData(i) for i in range(self.scope.count())] == list(scopes)
        before = self.scope.currentData() if same or self.scope.currentIndex() >= self.scope.count() - 2 else None
        with QSignalBlocker(self.scope):
            self.scope.clear()
            for key, text in scopes.items():
                self.scope.addItem(text, key)
            self.scope.setCurrentIndex(max(self.scope.findData(before), 0))


class ModelBox(QWidget):
    """The model, and the size of the cells."""

    def __init__(self) -> None:
        super().__init__()
        self.models = ModelCombo()
        self.about = FittedLabel()
        self._about, self._fit = "", ""
        self.diameter = QDoubleSpinBox()
        self.diameter.setRange(0.0, 10_000.0)
        self.diameter.setDecimals(1)
        self.diameter.setSuffix(" px")
        self.diameter.setSpecialValueText("auto")
        self.diameter.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.diameter.setToolTip(
            "Typical cell diameter in pixels, of the largest cells if a model finds several sizes; at 0, each run estimates it."
        )
        self.estimate = QPushButton("Estimate")
        self.circle = QPushButton("◯")
        self.circle.setCheckable(True)
        self.circle.setFixedWidth(30)
        form = titled_form(self, "Model")
        form.addRow(label("Name"), self.models)
        form.addRow(self.about)
        form.addRow(label("Diameter"), row(self.diameter, self.estimate, self.circle))

    def show_fit(self, text: str) -> None:
        """Show why the chosen model suits the image."""
        self._fit = text
        self._show_about()

    def _show_about(self) -> None:
        self.about.setText("\n".join(filter(None, [self._about, self._fit])))

    def describe(self) -> None:
        """Describe the chosen model."""
        card = self.models.card
        if card is None:
            self._about = "No model is installed."
            self._show_about()
            return
        sizes = (f"{', '.join(level.categories)} (about {level.diameter:.0f} px)" for level in card.levels)
        names = (", ".join(sizes) or ", ".join(card.model.categories)) + (
            "" if family_of(card).overlaps else ", no overlaps"
        )
        self._about = f"finds {names} · trained at {card.diameter:.0f} px · {card.licence}"
        self._show_about()
        self.models.setToolTip(card.description or card.name)


class AdvancedBox(QWidget):
    """Settings that rarely change, collapsed at first."""

    def __init__(self) -> None:
        super().__init__()
        self.form = SettingsForm(
            SegmentSettings,
            _USUAL,
            folded=_FOLDED,
            choices={
                "engine": engines_in_napari(),
                "device": devices_in_napari(),
                "precision": precisions_in_napari(),
            },
        )
        fold = Fold("Advanced")
        fold.addWidget(self.form)
        self.classes = QPushButton("Class map")
        fold.addWidget(self.classes)
        self.speed = QPushButton("Make it fast on this computer")
        fold.addWidget(self.speed)
        self.speeds = quiet_label()
        self.speeds.hide()
        fold.addWidget(self.speeds)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(fold)
        self.fold = fold

    def show_speeds(self, text: str) -> None:
        """Show what was measured, a line for each engine."""
        self.speeds.setText(text)
        self.speeds.setVisible(bool(text))

    def show_model(self, card: ModelCard) -> None:
        """Show the settings that a model uses."""
        idle = idle_in_segmentation(SegmentSettings(), card)
        self.form.set_idle({name: reason.why for name, reason in idle.items()}, hide=True)
        self.classes.setVisible(family_of(card).has_class_maps)
