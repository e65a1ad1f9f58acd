"""The parts of the tracks dock; they show its state."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_centermask.settings import StitchSettings, TrackSettings
from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.layout import StatusLabel, column, even, label, quiet_label, row
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.parts.run_box import ElidedButton
from napari_centermask.widgets.tracks.controls import Axes, Controls
from napari_centermask.widgets.tracks.table import TrackTable


class FollowBox(QWidget):
    """The buttons that find tracks and 3-D cells, and their progress."""

    def __init__(self) -> None:
        super().__init__()
        self.follow, self.join = ElidedButton("Track through time"), ElidedButton("Join slices into 3-D cells")
        self.cancel = QPushButton("Cancel")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.status = quiet_label()
        layout = column(self)
        layout.addWidget(self.join)
        layout.addWidget(self.follow)
        layout.addWidget(row(self.progress, self.cancel))
        layout.addWidget(self.status)
        for button in (self.follow, self.join):
            button.setObjectName("primary")

    def show_axes(self, axes: Axes) -> None:
        """Show the button of each axis; without axes, the first one, which says why it does nothing."""
        self.follow.setVisible(axes.time is not None or axes.depth is None)
        self.join.setVisible(axes.depth is not None)

    def show_controls(self, controls: Controls, *, is_running: bool) -> None:
        """Update the buttons."""
        for button, control in (
            (self.follow, controls.follow),
            (self.join, controls.join),
            (self.cancel, controls.cancel),
        ):
            show_control(button, control)
        self.cancel.setVisible(is_running)
        self.progress.setVisible(is_running)
        self.status.setVisible(bool(self.status.text()))

    def report(self, text: str, *, part: float | None = None) -> None:
        """Show what goes on or came out; without a part, the bar is empty."""
        self.progress.setRange(0, 1000)
        self.progress.setValue(0 if part is None else round(1000 * part))
        self.status.setText(text)
        self.status.setVisible(bool(text))


class SettingsBox(QWidget):
    """How cells are followed and slices are joined; collapsed at first."""

    def __init__(self) -> None:
        super().__init__()
        self.motion = QDoubleSpinBox()
        self.motion.setRange(0, 10_000)
        self.motion.setDecimals(0)
        self.motion.setSuffix(" px")
        self.motion.setSpecialValueText("a cell's diameter")
        self.motion.setToolTip(
            "Farthest that a cell moves from one frame to the next. At 0, a typical cell's diameter."
        )
        self.gap = _count(20, TrackSettings().longest_gap)
        self.gap.setToolTip("Frames or slices in a row in which a cell may be missing.")
        self.divisions = QCheckBox("Look for divisions")
        self.divisions.setChecked(True)
        self.overlap = QSpinBox()
        self.overlap.setRange(1, 100)
        self.overlap.setSuffix(" %")
        self.overlap.setValue(round(100 * StitchSettings().smallest_iou))
        self.overlap.setToolTip("Smallest overlap (IoU) of the masks of a cell in two neighbouring slices.")
        self.pixel, self.slice = _micrometres("Side of a pixel."), _micrometres("Distance of two slices.")
        self._time = [_line("Largest motion", self.motion), self.divisions]
        self._depth = [
            _line("Least overlap", self.overlap),
            _line("Pixel size", self.pixel),
            _line("Slice distance", self.slice),
        ]
        rows = QWidget()
        lines = column(rows)
        lines.setContentsMargins(0, 4, 0, 0)
        for part in (*self._time, *self._depth, _line("Longest gap", self.gap)):
            lines.addWidget(part)
        self.fold = Fold("Settings")
        self.fold.addWidget(rows)
        column(self).addWidget(self.fold)

    def show_axes(self, axes: Axes) -> None:
        """Show what concerns the axes."""
        for part in self._time:
            part.setVisible(axes.time is not None)
        for part in self._depth:
            part.setVisible(axes.depth is not None)

    @property
    def to_track(self) -> TrackSettings:
        """Settings of a tracking."""
        motion = self.motion.value() or None
        return TrackSettings(largest_motion=motion, longest_gap=self.gap.value(), divisions=self.divisions.isChecked())

    @property
    def to_join(self) -> StitchSettings:
        """Settings of joining slices."""
        return StitchSettings(smallest_iou=self.overlap.value() / 100, longest_gap=min(self.gap.value(), 5))

    @property
    def sizes(self) -> tuple[float | None, float | None]:
        """Micrometres of a pixel and between slices; None where they are not known."""
        return self.pixel.value() or None, self.slice.value() or None

    def set_sizes(self, pixel_um: float | None, slice_um: float | None) -> None:
        """Show what the image says."""
        for field, value in ((self.pixel, pixel_um), (self.slice, slice_um)):
            with QSignalBlocker(field):
                field.setValue(value or 0)


class CorrectBox(QWidget):
    """The tools that correct tracks by clicks."""

    def __init__(self) -> None:
        super().__init__()
        self.tools = {"link": QPushButton("Link"), "cut": QPushButton("Cut"), "divide": QPushButton("Division")}
        self._group = QButtonGroup(self)
        self._group.setExclusive(False)
        for button in self.tools.values():
            button.setCheckable(True)
            self._group.addButton(button)
        self.hint = quiet_label()
        self.hint.setMinimumHeight(2 * self.hint.fontMetrics().lineSpacing())
        title = QLabel("Correct")
        title.setObjectName("heading")
        layout = column(self)
        layout.addWidget(title)
        layout.addWidget(even(*self.tools.values()))
        layout.addWidget(self.hint)

    def show_controls(self, controls: Controls) -> None:
        """Update the buttons."""
        for name, control in (("link", controls.link), ("cut", controls.cut), ("divide", controls.divide)):
            show_control(self.tools[name], control)

    def show_tool(self, kind: str | None, text: str) -> None:
        """Press the button of the tool in hand, and say what to do."""
        for name, button in self.tools.items():
            with QSignalBlocker(button):
                button.setChecked(name == kind)
        self.hint.setText(text or "Ctrl-Z undoes, as everywhere.")


class ListBox(QWidget):
    """The tracks or 3-D cells, how they are shown, and where they go."""

    def __init__(self) -> None:
        super().__init__()
        self.count = StatusLabel()
        self.table = TrackTable()
        self.lines, self.colours = QCheckBox("Show tracks"), QCheckBox("Colour by track")
        self.lines.setChecked(True)
        self.lines.setToolTip("Lines along the way of each cell; those of one lineage have one colour.")
        self.colours.setToolTip("Give a cell the same colour in all frames and slices; cells on no track are grey.")
        self.export, self.clear = QPushButton("Export"), QPushButton("Clear tracks")
        menu = QMenu(self.export)
        self.csv = menu.addAction("Table of tracks (CSV)…")
        self.volumes = menu.addAction("Table of 3-D cells (CSV)…")
        self.ctc = menu.addAction("Cell Tracking Challenge…")
        self.export.setMenu(menu)
        layout = column(self)
        layout.addWidget(self.count)
        layout.addWidget(self.table, 1)
        layout.addWidget(even(self.lines, self.colours))
        layout.addWidget(even(self.export, self.clear))

    @property
    def buttons(self) -> tuple[QAbstractButton, QAbstractButton]:
        """Export and clear."""
        return self.export, self.clear

    def show_axes(self, axes: Axes) -> None:
        """Offer what the axes allow."""
        self.csv.setVisible(axes.time is not None)
        self.ctc.setVisible(axes.time is not None)
        self.volumes.setVisible(axes.depth is not None)
        self.lines.setVisible(axes.time is not None)
        only_depth = axes.time is None and axes.depth is not None
        self.colours.setText("Colour by 3-D cell" if only_depth else "Colour by track")
        self.clear.setText("Clear 3-D cells" if only_depth else "Clear tracks")

    def show_controls(self, controls: Controls) -> None:
        """Update the buttons."""
        show_control(self.export, controls.export)
        show_control(self.clear, controls.clear)


def _line(text: str, field: QWidget) -> QWidget:
    """A field with its label, as wide as the longest of the settings."""
    title = label(text)
    title.setMinimumWidth(title.fontMetrics().horizontalAdvance("Largest motion "))
    return row(title, field, stretch=1)


def _count(most: int, value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, most)
    box.setValue(value)
    return box


def _micrometres(tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0, 10_000)
    box.setDecimals(4)
    box.setSuffix(" µm")
    box.setSpecialValueText("unknown")
    box.setToolTip(f"{tip} With both sizes, volumes are in cubic micrometres.")
    return box
