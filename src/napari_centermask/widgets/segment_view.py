"""The parts of the CenterMask dock; they know how they look, and decide nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWhatsThis,
    QWidget,
)

from ..settings import SegmentSettings
from .colours import category_colour
from .forms import SettingsForm
from .pickers import ChannelPicker, LayerCombo, ModelCombo
from .score import ScoreSlider

if TYPE_CHECKING:
    import numpy as np
    from napari.viewer import Viewer

    from .layers import ResultLayers

WIDTH = 340
_ADVANCED = ("engine", "device", "tile", "overlap", "nms", "mask_nms", "percentiles", "min_area", "max_detections")
# torch must not enter this process; see job.cached_engine.
_ENGINES = {"engine": ("auto", "openvino", "onnx")}
_HELP = """
<p><b>Find cells</b></p>
<ol>
<li>Choose the image layer. For an image with channels, tick the one with the cells, or as many as the model takes.</li>
<li>Say how wide a typical cell is, in pixels: press Estimate and compare with the circle, or leave it automatic.</li>
<li>Run. Cells that lie over others are kept whole; their common part is hatched.</li>
<li>Move the score threshold until the right cells are shown; that needs no new run.</li>
</ol>
<p>To do a part again, choose "Drawn region" or "What is in view" under Segment.
File &gt; Save Selected Layers writes the cells as COCO (.json, all overlaps) or as a label image (.tif).</p>
"""
STYLE = """
QLabel#heading { font-weight: 600; padding: 4px 0 2px 0; border-bottom: 1px solid rgba(128, 128, 128, 90); }
QPushButton#primary { background-color: #2f6fde; color: white; font-weight: 600; padding: 6px 10px; }
QPushButton#primary:hover { background-color: #4a86ee; }
QPushButton#primary:disabled { background-color: rgba(128, 128, 128, 60); color: rgba(160, 160, 160, 160); }
QToolButton { border-radius: 4px; padding: 2px 6px; }
QLabel#quiet { color: rgba(150, 150, 150, 255); }
QProgressBar { max-height: 8px; min-height: 8px; border-radius: 4px; text-align: center; }
QProgressBar::chunk { border-radius: 4px; background-color: #2f6fde; }
"""


class HelpButton(QToolButton):
    """A question mark that opens a note."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.setText("?")
        self.setToolTip("How to use this dock.")
        self.clicked.connect(lambda: QWhatsThis.showText(self.mapToGlobal(self.rect().bottomLeft()), text, self))


def _form(parent: QWidget, heading: str, *, help: str | None = None) -> QFormLayout:
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    title = QLabel(heading)
    title.setObjectName("heading")
    form.addRow(title if help is None else _row(title, HelpButton(help)))
    form.setVerticalSpacing(6)
    form.setHorizontalSpacing(10)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return form


def _label(text: str) -> QLabel:
    """A label as wide as the longest, so that the rows of all boxes line up."""
    label = QLabel(text)
    label.setMinimumWidth(label.fontMetrics().horizontalAdvance("Channel axis"))
    return label


def stack(dock: QWidget, boxes: tuple[QWidget, ...]) -> None:
    """Lay boxes out one below another in a dock; a low window scrolls."""
    inside = QWidget()
    column = QVBoxLayout(inside)
    column.setContentsMargins(8, 4, 8, 8)
    column.setSpacing(12)
    for box in boxes:
        column.addWidget(box)
    column.addStretch(1)
    layout = QVBoxLayout(dock)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(_Column(inside))


class _Column(QScrollArea):
    """Scrolls up and down only: it is always wide enough for what is inside."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.setMinimumWidth(self.widget().minimumSizeHint().width())
        return super().eventFilter(watched, event)


def _row(*widgets: QWidget, stretch: int = 0) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for i, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if i == stretch else 0)
    return row


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
        self._form = _form(self, "Image", help=_HELP)
        self._form.addRow(_label("Layer"), self.layers)
        self._form.addRow(_label("Channel axis"), self.axis)
        self._form.addRow(_label("Channels"), self.channels)
        self._form.addRow(_label("Segment"), _row(self.scope, self.draw))

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
        form = _form(self, "Model")
        form.addRow(_label("Name"), self.models)
        form.addRow(self.about)
        form.addRow(_label("Diameter"), _row(self.diameter, self.estimate, self.circle))

    def describe(self) -> None:
        """Say what the chosen model is."""
        card = self.models.card
        if card is None:
            self.about.setText("No model is installed.")
            return
        names = ", ".join(card.model.categories)
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
        layout.addWidget(_row(self.start, self.cancel))
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


class CellsBox(QWidget):
    """The result: threshold, counts, and how it is drawn."""

    def __init__(self, score: float) -> None:
        super().__init__()
        self.score = ScoreSlider(score)
        self.score.setToolTip("Cells with at least this score are shown. Moving it needs no new run.")
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.colours = QComboBox()
        for key, text in (("cell", "by cell"), ("category", "by category"), ("score", "by score")):
            self.colours.addItem(text, key)
        self.outlines = QCheckBox("Outlines")
        self.outlines.setChecked(True)
        self.outlines.setToolTip("Outlines of all cells, also where they lie under others.")
        self.hatch = QCheckBox("Hatch overlaps")
        self.hatch.setChecked(True)
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        form = _form(self, "Cells")
        form.addRow(_label("Score"), self.score)
        form.addRow(self.count)
        form.addRow(_label("Colours"), self.colours)
        form.addRow(self.legend)
        form.addRow(_row(self.outlines, self.hatch, stretch=1))
        self.show_none()

    def show_none(self) -> None:
        """There is no result."""
        import numpy as np

        self.score.set_scores(np.zeros(0))
        self.count.setText("Run to see the cells.")
        self.legend.hide()
        for control in (self.colours, self.outlines, self.hatch):
            control.setEnabled(False)

    def show_counts(self, n: int, n_candidates: int, scores: np.ndarray) -> None:
        """Say how many of the candidates are shown."""
        self.count.setText(
            f"<b>{n:,}</b> shown of {n_candidates:,} {'candidate' if n_candidates == 1 else 'candidates'}"
        )
        self.score.set_scores(scores)

    def show_look(self, layers: ResultLayers, *, legend: dict[int, str]) -> None:
        """Show how the result is drawn."""
        for control in (self.colours, self.outlines, self.hatch):
            control.setEnabled(True)
        with QSignalBlocker(self.colours), QSignalBlocker(self.hatch), QSignalBlocker(self.outlines):
            self.colours.setCurrentIndex(self.colours.findData(layers.mode))
            self.hatch.setChecked(layers.hatch)
            self.outlines.setChecked(layers.outlines.visible)
        self.legend.setText("&nbsp;&nbsp;".join(_legend_entry(c, name) for c, name in sorted(legend.items())))
        self.legend.setVisible(len(legend) > 1)


def _legend_entry(category: int, name: str) -> str:
    r, g, b = (round(v * 255) for v in category_colour(category)[:3])
    return f'<span style="color: rgb({r},{g},{b})">●</span> {name}'


class AdvancedBox(QWidget):
    """The settings that rarely change, folded away."""

    def __init__(self) -> None:
        from superqt import QCollapsible

        super().__init__()
        self.form = SettingsForm(SegmentSettings, _ADVANCED, choices=_ENGINES)
        fold = QCollapsible("Advanced")
        fold.setDuration(0)
        fold.addWidget(self.form)
        fold.layout().setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(fold)
        self.fold = fold


def draw_region(viewer: Viewer, source: Image | None) -> None:
    """Add a Shapes layer over the image, or take the one there, ready to draw a rectangle."""
    from napari.layers import Shapes

    name = "region"
    if name not in viewer.layers or not isinstance(viewer.layers[name], Shapes):
        place = {} if source is None else {"scale": source.scale[-2:], "translate": source.translate[-2:]}
        if source is not None and hasattr(source, "units"):
            place["units"] = source.units[-2:]
        look = {"edge_color": "#ffd166", "edge_width": 2, "face_color": [1, 0.82, 0.4, 0.1]}
        viewer.add_layer(Shapes(ndim=2, name=name, **look, **place))
    layer = viewer.layers[name]
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
