"""Layout of the docks: headings, aligned rows, a column that scrolls."""

from __future__ import annotations

from typing import cast

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.widgets.parts.help import HelpButton

WIDTH = 330  # pixels of a dock: a choice, a quarter of a screen of 1366 with the canvas beside it


def titled_form(parent: QWidget, heading: str, *, help: str | None = None) -> QFormLayout:
    """A form with a heading, and a question mark that opens the page `help` of the documentation, if one is given."""
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    title = QLabel(heading)
    title.setObjectName("heading")
    form.addRow(title if help is None else row(title, HelpButton(help)))
    form.setVerticalSpacing(6)
    form.setHorizontalSpacing(10)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return form


def show_row(form: QFormLayout, field: QWidget, is_shown: bool) -> None:
    """Show or hide a field and its label; `QFormLayout.setRowVisible` needs Qt 6.4, and napari also comes with Qt 5."""
    for part in (form.labelForField(field), field):
        if part is not None:
            part.setVisible(is_shown)


def label(text: str) -> QLabel:
    """A label as wide as the longest one, so that the rows of all boxes are aligned."""
    made = QLabel(text)
    made.setMinimumWidth(made.fontMetrics().horizontalAdvance("Channel axis"))
    return made


def scroll_column(dock: QWidget) -> QVBoxLayout:
    """A layout for a dock, in a scroll area: without it, the dock would make a small window grow."""
    inside = QWidget()
    layout = QVBoxLayout(inside)
    layout.setContentsMargins(8, 4, 8, 8)
    frame = QVBoxLayout(dock)
    frame.setContentsMargins(0, 0, 0, 0)
    frame.addWidget(_Column(inside))
    return layout


def put_first(dock: QWidget, widget: QWidget) -> None:
    """Put a widget above all others in a dock that has a `scroll_column`."""
    column = dock.findChild(_Column)
    cast(QVBoxLayout, column.widget().layout()).insertWidget(0, widget)


def stack(dock: QWidget, boxes: tuple[QWidget, ...]) -> None:
    """Lay boxes out one below another in a dock; a low window scrolls."""
    layout = scroll_column(dock)
    layout.setSpacing(12)
    for box in boxes:
        layout.addWidget(box)
    layout.addStretch(1)


class _Column(QScrollArea):
    """A scroll area, wide enough for its content up to `WIDTH`: with larger fonts, it also scrolls sideways."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        inside.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            # Nothing here may depend on the width that follows from it, or each resize would cause the next one.
            margins, bar = self.contentsMargins(), self.verticalScrollBar()
            beside = margins.left() + margins.right() + bar.sizeHint().width()
            self.setMinimumWidth(min(self.widget().minimumSizeHint().width() + beside, WIDTH))
        return super().eventFilter(watched, event)


def row(*widgets: QWidget, stretch: int = 0) -> QWidget:
    """Widgets side by side; number `stretch` takes the remaining space."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for i, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if i == stretch else 0)
    return holder


def column(widget: QWidget) -> QVBoxLayout:
    """A column without a rim."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    return layout


class FittedLabel(QLabel):
    """A text of several lines, dimmed if it is `quiet`, whose row grows with it; a form keeps the height of the text before."""

    def __init__(self, *, quiet: bool = True) -> None:
        super().__init__()
        self.setObjectName("quiet" if quiet else "")
        self.setWordWrap(True)

    def setText(self, text: str | None) -> None:
        """Show a text."""
        super().setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the height to the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setMinimumHeight(0)  # or it would be part of the height for the width
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))


class StatusLabel(QLabel):
    """A dimmed text of several lines; without a text it takes no room."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("quiet")
        self.setWordWrap(True)
        self.hide()

    def setText(self, text: str | None) -> None:
        """Show a text."""
        super().setText(text)
        self.setVisible(bool(text))


def wrapped_label(text: str = "") -> QLabel:
    """A text of several lines."""
    made = QLabel(text)
    made.setWordWrap(True)
    return made


def quiet_label(text: str = "") -> QLabel:
    """A text of several lines in a dimmed colour."""
    made = wrapped_label(text)
    made.setObjectName("quiet")
    return made


def even(*widgets: QWidget) -> QWidget:
    """Widgets side by side, of one width."""
    holder = row(*widgets)
    layout = cast(QHBoxLayout, holder.layout())
    for i in range(len(widgets)):
        layout.setStretch(i, 1)
    return holder
