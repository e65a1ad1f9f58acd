"""The upper parts of the CenterMask dock; they know how they look, and decide nothing."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.parts.forms import SettingsForm
from napari_centermask.widgets.parts.layout import label, row, titled_form
from napari_centermask.widgets.parts.pickers import ChannelPicker, LayerCombo, ModelCombo

if TYPE_CHECKING:
    from napari.viewer import Viewer

_OF_FAMILY = {
    "centermask": ("nms", "mask_nms", "max_detections"),
    "unet": ("foreground", "seed", "smoothing", "flips"),
}
_ADVANCED = ("engine", "device", "tile", "overlap", "percentiles", "min_area", *chain(*_OF_FAMILY.values()))
# torch must not enter this process; see engine_cache.
_ENGINES = {"engine": ("auto", "openvino", "onnx")}
_HELP = """
<p><b>Find cells</b></p>
<ol>
<li>Choose the image layer. For an image with channels, tick the one with the cells, or as many as the model takes.</li>
<li>Say how wide a typical cell is, in pixels: press Estimate and compare with the circle, or leave it automatic.</li>
<li>Run. Cells that lie over others are kept whole; their common part is hatched.</li>
<li>Move the score threshold until the right cells are shown; that needs no new run.</li>
</ol>
<p>A U-Net parts cells that touch by a watershed, which gives no overlapping cells: "Advanced" has its settings. Where cells
lie over one another, choose a CenterMask.</p>
<p>To do a part again, choose "Drawn region" or "What is in view" under Segment.
File &gt; Save Selected Layers writes the cells as COCO (.json, all overlaps) or as a label image (.tif).</p>
"""


class ImageBox(QWidget):
    """Which image, which channels, and which part of it."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.layers = LayerCombo(viewer, kinds=(Image,))
        self.axis = QComboBox()
        self.axis.setToolTip("Which axis numbers channels; the other leading axes are time or z.")
        self.channels = ChannelPicker()
        self.scope = QComboBox()
        self.scope.setToolTip("Which part of the image to segment. A part replaces only the cells centred in it.")
        self.draw = QPushButton("Draw")
        self.draw.setToolTip("Drag a rectangle over the image; other shapes of the layer's toolbar do as well.")
        self._form = titled_form(self, "Image", help=_HELP)
        self._form.addRow(label("Layer"), self.layers)
        self._form.addRow(label("Channel axis"), self.axis)
        self._form.addRow(label("Channels"), self.channels)
        self._form.addRow(label("Segment"), row(self.scope, self.draw))

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
        self._form.setRowVisible(self.axis, n_axes > 0)

    def set_channels(self, names: list[str]) -> None:
        """Offer these channels; one alone needs no choice."""
        self.channels.set_names(names)
        self._form.setRowVisible(self.channels, len(names) > 1)

    def set_scopes(self, scopes: dict[str, str]) -> None:
        """Offer these scopes; the choice stays while the same or a drawn or viewed part is on offer."""
        same = [self.scope.itemData(i) for i in range(self.scope.count())] == list(scopes)
        before = self.scope.currentData() if same or self.scope.currentIndex() >= self.scope.count() - 2 else None
        with QSignalBlocker(self.scope):
            self.scope.clear()
            for key, text in scopes.items():
                self.scope.addItem(text, key)
            self.scope.setCurrentIndex(max(self.scope.findData(before), 0))


class ModelBox(QWidget):
    """Which model, and how large the cells are."""

    def __init__(self) -> None:
        super().__init__()
        self.models = ModelCombo()
        self.about = QLabel()
        self.about.setObjectName("quiet")
        self.about.setWordWrap(True)
        self.diameter = QDoubleSpinBox()
        self.diameter.setRange(0.0, 10_000.0)
        self.diameter.setDecimals(1)
        self.diameter.setSuffix(" px")
        self.diameter.setSpecialValueText("automatic")
        self.diameter.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.diameter.setToolTip("Typical diameter of the cells in pixels; at 0 each run estimates it.")
        self.estimate = QPushButton("Estimate")
        self.circle = QPushButton("◯")
        self.circle.setCheckable(True)
        self.circle.setFixedWidth(30)
        form = titled_form(self, "Model")
        form.addRow(label("Name"), self.models)
        form.addRow(self.about)
        form.addRow(label("Diameter"), row(self.diameter, self.estimate, self.circle))

    def describe(self) -> None:
        """Say what the chosen model is."""
        card = self.models.card
        if card is None:
            self.about.setText("No model is installed.")
            return
        names = ", ".join(card.model.categories) + (", no overlaps" if card.kind == "unet" else "")
        self.about.setText(f"finds {names} · trained at {card.diameter:.0f} px · {card.licence}")
        self.models.setToolTip(card.description or card.name)

    def show_diameter_hint(self, automatic: bool) -> None:
        """Say what the circle does, or why it cannot be shown."""
        self.circle.setEnabled(not automatic)
        self.circle.setToolTip(
            "Give a diameter or press Estimate; then a circle shows it."
            if automatic
            else "Show the diameter as a circle."
        )


class RunBox(QWidget):
    """Run, Cancel, and how far the run is."""

    def __init__(self) -> None:
        super().__init__()
        self.start = QPushButton("Run")
        self.start.setObjectName("primary")
        self.cancel = QPushButton("Cancel")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.status = QLabel()
        self.status.setObjectName("quiet")
        self.status.setWordWrap(True)
        self.status.setMinimumHeight(self.status.fontMetrics().height() * 2 + 2)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(row(self.start, self.cancel))
        layout.addWidget(self.progress)
        layout.addWidget(self.status)

    def show_start(self) -> None:
        """A run begins."""
        self.progress.setRange(0, 0)
        self.status.setText("Starting")

    def show_progress(self, part: float, message: str) -> None:
        """A run advances; the bar sways until the first tile is done."""
        if part > 0:
            self.progress.setRange(0, 1000)
            self.progress.setValue(round(part * 1000))
        self.status.setText(message)

    def show_end(self) -> None:
        """A run is over."""
        self.progress.setRange(0, 1000)
        self.progress.setValue(0)


class AdvancedBox(QWidget):
    """The settings that rarely change, folded away."""

    def __init__(self) -> None:
        from superqt import QCollapsible

        super().__init__()
        self.form = SettingsForm(SegmentSettings, _ADVANCED, choices=_ENGINES)
        fold = QCollapsible("Advanced")
        fold.setDuration(0)
        fold.addWidget(self.form)
        self.classes = QPushButton("Class map")
        fold.addWidget(self.classes)
        fold.layout().setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(fold)
        self.fold = fold

    def show_family(self, kind: str) -> None:
        """Show the settings that a family of models has."""
        for family, names in _OF_FAMILY.items():
            self.form.set_shown(names, family == kind)
        self.classes.setVisible(kind == "unet")
