"""Old and new model side by side: verdict, figures, each image, and pictures where they differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTreeWidget, QTreeWidgetItem, QWidget

from napari_centermask.widgets.parts.empty import EmptyNote
from napari_centermask.widgets.parts.layout import titled_form
from napari_centermask.widgets.parts.picture import Picture, read_picture
from napari_centermask.widgets.parts.theme import ON_COLOUR

FIGURES = (
    ("Bioimage AP, mean .50–.90", ("bioimage_ap_mean",)),
    ("Bioimage AP at .50", ("bioimage_ap", "0.50")),
    ("COCO AP, mean .50–.95", ("coco", "AP")),
    ("F1 at .50", ("f1",)),
    ("Panoptic quality", ("pq",)),
    *((f"COCO AP, {size} cells", ("coco_by_size", size, "AP")) for size in ("small", "medium", "large")),
    ("Boundary IoU of matched cells", ("boundary", "iou_matched")),
    ("Area of matched cells, predicted / annotated", ("area_ratio",)),
    ("Class map, mean IoU", ("class_map", "miou")),
    ("Class map, pixel accuracy", ("class_map", "pixel_accuracy")),
    ("Class map, Dice", ("class_map", "dice")),
    ("Overlapping cells found", ("overlap", "recall50")),
    ("Overlapping cells, mean IoU", ("overlap", "mean_iou")),
    ("Cells cut by the border found", ("border", "cut", "recall50")),
    ("Cells cut by the border, mean IoU", ("border", "cut", "mean_iou")),
    ("Cells inside found", ("border", "inside", "recall50")),
    ("Cells inside, mean IoU", ("border", "inside", "mean_iou")),
)
"""What is shown of both models. The two families of AP are different measures and never in one column."""
_GOOD, _BAD, _OPEN = "#2c6b3f", "#8a2f3a", "#5c4a1e"
_MOST_PICTURES = 12  # read into memory: a choice, twice as many as a comparison draws


@dataclass(frozen=True)
class Compared:
    """A comparison as read from its file.

    Attributes
    ----------
    values
        The content of comparison.json, see `evaluation.compare`.
    pictures
        (old, new) by image name, for the images that differ most.
    """

    values: dict[str, Any]
    pictures: dict[str, tuple[QImage, QImage]]

    @property
    def is_recommended(self) -> bool:
        """Whether the gate recommends the new model."""
        return self.values["verdict"]["recommended"] is True

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return str(self.values["verdict"]["sentence"])


def read_comparison(path: Path) -> Compared | None:
    """Read comparison.json and its pictures; None if it cannot be used. For a worker thread."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        rows = [r for r in values["per_image"] if "picture_old" in r and "picture_new" in r]
        verdict = values["verdict"]
        known = (
            isinstance(verdict["sentence"], str) and isinstance(values["old"], dict) and isinstance(values["new"], dict)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not known:
        return None
    picture_pairs = {}
    for row in rows[:_MOST_PICTURES]:
        old, new = (read_picture(Path(str(row[f"picture_{side}"]))) for side in ("old", "new"))
        if old is not None and new is not None:
            picture_pairs[str(row["name"])] = old, new
    return Compared(values, picture_pairs)


def figures(values: dict[str, Any]) -> list[tuple[str, float | None, float | None]]:
    """Title, old and new value of each figure; None if there was nothing to measure.

    Figures that comparisons of earlier versions do not have are left out.
    """
    both = values["old"], values["new"]
    there = [(title, keys) for title, keys in FIGURES if any(keys[0] in side for side in both)]
    return [(title, _at(values["old"], keys), _at(values["new"], keys)) for title, keys in there]


def _at(values: object, keys: tuple[str, ...]) -> float | None:
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return float(values) if isinstance(values, (int, float)) else None


class ComparisonBox(QWidget):
    """Shows a comparison."""

    def __init__(self) -> None:
        super().__init__()
        form = titled_form(self, "Old and new model")
        self.verdict, self.chance = QLabel(), QLabel()
        for label in (self.verdict, self.chance):
            label.setWordWrap(True)
        self.chance.setObjectName("quiet")
        self.figures = _table(("", "old", "new", "±"))
        self.images = _table(("Image", "cells", "F1 old", "F1 new"))
        self.images.setToolTip("Each held-out image. Those with a picture are marked; click one to see both models.")
        self.images.currentItemChanged.connect(self._on_image)
        self.captions = QLabel(), QLabel()
        self.pictures = Picture(), Picture()
        form.addRow(self.verdict)
        form.addRow(self.chance)
        form.addRow(self.figures)
        form.addRow(self.images)
        for caption, picture in zip(self.captions, self.pictures, strict=True):
            caption.setObjectName("quiet")
            form.addRow(caption)
            form.addRow(picture)
        self._compared: Compared | None = None
        self.hide()

    @property
    def compared(self) -> Compared | None:
        """The comparison that is shown."""
        return self._compared

    def show_comparison(self, compared: Compared | None) -> None:
        """Show a comparison, or hide."""
        self._compared = compared
        self.setVisible(compared is not None)
        self.figures.clear()
        self.images.clear()
        self._on_image()
        if compared is None:
            return
        verdict = compared.values["verdict"]
        better = (verdict.get("difference") or 0) > 0
        colour = _GOOD if compared.is_recommended else _OPEN if better else _BAD
        self.verdict.setStyleSheet(f"background-color: {colour}; {ON_COLOUR} border-radius: 4px; padding: 6px;")
        self.verdict.setText(compared.sentence)
        self.chance.setText(_chance(verdict))
        rows = figures(compared.values)
        for title, old, new in rows:
            difference = None if old is None or new is None else new - old
            _add(self.figures, (title, _text(old), _text(new), "–" if difference is None else f"{difference:+.3f}"))
        for row in compared.values["per_image"]:
            name = str(row.get("name", ""))
            mark = "◧ " if name in compared.pictures else ""
            texts = (mark + name, str(row.get("n_truth", "")), _text(row.get("f1_old")), _text(row.get("f1_new")))
            _add(self.images, texts).setData(0, Qt.ItemDataRole.UserRole, name)
        _fit(self.figures, len(rows))
        _fit(self.images, min(6, len(compared.values["per_image"])))
        if compared.pictures:
            first = next(iter(compared.pictures))
            items = (self.images.topLevelItem(i) for i in range(self.images.topLevelItemCount()))
            self.images.setCurrentItem(next(i for i in items if i.data(0, Qt.ItemDataRole.UserRole) == first))

    def _on_image(self, item: QTreeWidgetItem | None = None, *_: object) -> None:
        name = None if item is None else item.data(0, Qt.ItemDataRole.UserRole)
        pair = (None, None) if self._compared is None else self._compared.pictures.get(name, (None, None))
        for side, caption, picture, image in zip(("old", "new"), self.captions, self.pictures, pair, strict=True):
            caption.setText(f"{name}, {side} model")
            caption.setVisible(image is not None)
            picture.set_image(image)


def _chance(verdict: dict[str, Any]) -> str:
    """The paired bootstrap in words."""
    try:
        low, high = verdict["interval"]
        return (
            f"Mean bioimage AP differs by {verdict['difference']:+.3f}; with the {verdict['unit']} resampled, 95 % of the "
            f"differences lie from {low:+.3f} to {high:+.3f}. Chance that there is no gain: {verdict['luck']:.1%}."
        )
    except (KeyError, TypeError, ValueError):
        return ""


def _table(titles: Sequence[str]) -> QTreeWidget:
    tree = QTreeWidget()
    EmptyNote(tree, "Both models are compared when a training ends, and with Compare in the Models dock.")
    tree.setHeaderLabels(list(titles))
    tree.setRootIsDecorated(False)
    tree.setUniformRowHeights(True)
    tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    header = tree.header()
    header.setStretchLastSection(False)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return tree


def _add(tree: QTreeWidget, texts: Sequence[str]) -> QTreeWidgetItem:
    item = QTreeWidgetItem(list(texts))
    item.setToolTip(0, texts[0])
    for column in range(1, len(texts)):
        item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    tree.addTopLevelItem(item)
    return item


def _fit(tree: QTreeWidget, rows: int) -> None:
    """Set the height to that of the rows."""
    height = tree.sizeHintForRow(0) if tree.topLevelItemCount() else 0
    tree.setFixedHeight(tree.header().sizeHint().height() + max(rows, 1) * max(height, 18) + 4)


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else "–"
