"""The check before export: findings by kind; a click goes to one."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QLabel,
    QPushButton,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.core.columns import Columns
from napari_centermask.core.counted import counted
from napari_centermask.core.quality import DUPLICATE_IOU, KINDS, Finding, check
from napari_centermask.widgets.parts.empty import EmptyNote
from napari_centermask.widgets.parts.layout import label, row

_FOLDED = "unreviewed"  # often a long list, and not an error
_MOST_LISTED = 2000  # of a kind; the heading counts all


class QualityBox(QWidget):
    """Checks the cells on demand and lists the findings.

    Attributes
    ----------
    picked
        Emitted with the `Finding` that was clicked.
    wanted
        Emitted when the user asks for a check.
    """

    picked = Signal(object)
    wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.tiny = QSpinBox()
        self.tiny.setRange(0, 1_000_000)
        self.tiny.setSpecialValueText("automatic")
        self.tiny.setSuffix(" px")
        self.tiny.setToolTip("List cells with fewer pixels. Automatic: 5 % of the median area.")
        self.iou = QDoubleSpinBox()
        self.iou.setRange(0.05, 1.0)
        self.iou.setSingleStep(0.05)
        self.iou.setValue(DUPLICATE_IOU)
        self.iou.setToolTip("Two masks with at least this overlap (IoU) count as one cell drawn twice.")
        self.start = QPushButton("Check")
        self.start.setObjectName("primary")
        self.summary = QLabel("Not checked yet.")
        self.summary.setWordWrap(True)
        self.findings: list[Finding] = []
        self._is_checked = False
        self.tree = QTreeWidget()
        self.tree.setHeaderHidden(True)
        self.tree.setUniformRowHeights(True)
        self.tree.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        EmptyNote(self.tree, self._what_is_missing)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(row(label("Tiny below"), self.tiny, stretch=1))
        layout.addWidget(row(label("Duplicates IoU"), self.iou, stretch=1))
        layout.addWidget(self.start)
        layout.addWidget(self.summary)
        layout.addWidget(self.tree, 1)
        self.start.clicked.connect(self.wanted.emit)
        self.tree.itemClicked.connect(self._on_clicked)

    def _what_is_missing(self) -> str:
        about = "Check lists empty planes, tiny cells, duplicates, broken outlines, and cells that are not reviewed."
        return "" if self._is_checked else about

    def check(self, columns: Columns) -> list[Finding]:
        """Check and list; returns the findings."""
        self.findings = check(columns, tiny_area=self.tiny.value() or None, duplicate_iou=self.iou.value())
        self._is_checked = True
        self._list()
        return self.findings

    def clear(self) -> None:
        """Remove the findings, which belong to other cells."""
        self.findings, self._is_checked = [], False
        self.tree.clear()
        self.summary.setText("Not checked yet.")

    def mark_stale(self) -> None:
        """Show that cells have changed since the check."""
        if self.findings and not self.summary.text().endswith("since."):
            self.summary.setText(self.summary.text() + " Cells have changed since.")

    def _list(self) -> None:
        self.tree.clear()
        for kind, title in KINDS.items():
            of_kind = [f for f in self.findings if f.kind == kind]
            if not of_kind:
                continue
            parent = QTreeWidgetItem([f"{title} ({len(of_kind):,})"])
            self.tree.addTopLevelItem(parent)
            for finding in of_kind[:_MOST_LISTED]:
                child = QTreeWidgetItem([finding.text])
                child.setData(0, Qt.ItemDataRole.UserRole, finding)
                child.setToolTip(0, finding.text)
                parent.addChild(child)
            parent.setExpanded(kind != _FOLDED)
        n = len(self.findings)
        self.summary.setText("Nothing found." if n == 0 else f"{counted(n, 'thing')} to check.")

    def _on_clicked(self, item: QTreeWidgetItem) -> None:
        finding = item.data(0, Qt.ItemDataRole.UserRole)
        if finding is None:
            item.setExpanded(not item.isExpanded())
        else:
            self.picked.emit(finding)
