"""The parts of the models dock; they show its state."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from napari_centermask.evaluation.card_figures import detail_figures
from napari_centermask.events import from_values
from napari_centermask.widgets.models.controls import Place
from napari_centermask.widgets.parts.curves import Curves
from napari_centermask.widgets.parts.empty import EmptyNote
from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.help import HelpButton
from napari_centermask.widgets.parts.layout import FittedLabel, StatusLabel, column, even, label, row, titled_form
from napari_centermask.widgets.training.comparison import ComparisonBox
from napari_centermask.widgets.work.run_state import RunState

if TYPE_CHECKING:
    from napari_centermask.models.store.card import ModelCard
    from napari_centermask.models.store.registry import Deleted
    from napari_centermask.widgets.models.tasks import Entry, Inventory

ARCHIVED, DELETED = "archived", "deleted"
_NAME, _DELETED = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
_SHOWN = (
    ("bioimage_ap_mean", "bioimage AP"),
    ("AP", "AP"),
    ("AP50", "AP50"),
    ("f1", "F1"),
    ("pq", "PQ"),
)


class ListBox(QWidget):
    """All models, and buttons for the chosen one."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["Model", "from", "made"])
        self.tree.setRootIsDecorated(False)
        self.tree.setFixedHeight(140)
        self._is_listed = False
        self._note = EmptyNote(self.tree, self._what_is_missing)
        self.use = QPushButton("Use")
        self.use.setObjectName("primary")
        self.rename, self.archive = QPushButton("Rename…"), QPushButton("Archive")
        self.delete, self.undo = QPushButton("Delete"), QPushButton("Undo")
        self.export, self.add = QPushButton("Export…"), QPushButton("Add file…")
        self.status = StatusLabel()
        title = QLabel("Models")
        title.setObjectName("heading")
        layout = column(self)
        layout.addWidget(row(title, HelpButton("models#in-napari")))
        layout.addWidget(self.tree)
        layout.addWidget(even(self.use, self.export, self.add))
        layout.addWidget(even(self.rename, self.archive, self.delete, self.undo))
        layout.addWidget(self.status)

    @property
    def chosen(self) -> str:
        """Name of the chosen model, "" for none."""
        item = self.tree.currentItem()
        return "" if item is None else item.data(0, _NAME)

    @property
    def deleted(self) -> Deleted | None:
        """The chosen one, if it was deleted."""
        item = self.tree.currentItem()
        return None if item is None else item.data(0, _DELETED)

    @property
    def place(self) -> Place:
        """Whether the chosen one is offered, archived or deleted."""
        item = self.tree.currentItem()
        if item is None or not _identity(item):
            return "offered"
        return "archived" if item.data(0, _DELETED) is None else "deleted"

    def show_inventory(self, inventory: Inventory, *, in_use: str = "") -> None:
        """List the models; the chosen one stays chosen, or else another one of the same name; at first, it is the one in use."""
        self._is_listed = True
        item = self.tree.currentItem()
        before, identity = self.chosen or in_use, "" if item is None else _identity(item)
        with QSignalBlocker(self.tree):
            self.tree.clear()
            for entry in inventory.entries:
                card = entry.model.card
                self._add((entry.model.name, card.parent or "–", "shipped" if entry.model.shipped else card.created))
            for name in inventory.archived:
                self._add((name, "", ARCHIVED)).setForeground(0, Qt.GlobalColor.gray)
            for deleted in inventory.deleted:
                item = self._add((deleted.name, "", f"{DELETED} {deleted.date}"))
                item.setForeground(0, Qt.GlobalColor.gray)
                item.setData(0, _DELETED, deleted)
            items = [self.tree.topLevelItem(i) for i in range(self.tree.topLevelItemCount())]
            same = [i for i in items if i.data(0, _NAME) == before]
            again = next((i for i in same if _identity(i) == identity), (same or items or [None])[0])
            self.tree.setCurrentItem(again)
            for at in (0, 1):
                self.tree.resizeColumnToContents(at)
        self._note.refresh()

    def _what_is_missing(self) -> str:
        return "No model is installed. Add a model file, or train one." if self._is_listed else "Listing the models…"

    def show_in_use(self, name: str) -> None:
        """Show the model in use in bold."""
        for i in range(self.tree.topLevelItemCount()):
            item = self.tree.topLevelItem(i)
            is_used = item.data(0, _NAME) == name and not _identity(item)
            font = item.font(0)
            font.setBold(is_used)
            item.setFont(0, font)
            item.setToolTip(0, "The model in use." if is_used else "")

    def _add(self, texts: tuple[str, str, str]) -> QTreeWidgetItem:
        item = QTreeWidgetItem(list(texts))
        item.setData(0, _NAME, texts[0])
        self.tree.addTopLevelItem(item)
        return item


def _identity(item: QTreeWidgetItem) -> str | Deleted:
    """What distinguishes models of the same name: the archive, a deletion, or neither."""
    return item.data(0, _DELETED) or (ARCHIVED if item.text(2) == ARCHIVED else "")


class CardBox(QWidget):
    """One model's card, its lineage and the curves of its training."""

    def __init__(self) -> None:
        super().__init__()
        self.text = FittedLabel(quiet=False)  # on Qt 5, the open curves take the height of a plain one
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)  # a form makes it higher than its text
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.curves: Curves | None = None
        self.fold = Fold("Curves of its training")
        self.fold.toggled.connect(self._on_fold)
        self._state = RunState()
        form = titled_form(self, "Card")
        form.addRow(self.text)
        form.addRow(self.fold)

    def show_entry(self, entry: Entry | None) -> None:
        """Show a model, or nothing."""
        self.text.setText("" if entry is None else card_text(entry))
        self._state = RunState() if entry is None else curves_of(entry.model.card)
        self.fold.setVisible(bool(self._state.losses or self._state.scores))
        self._on_fold(self.fold.isExpanded())

    def _on_fold(self, is_open: bool) -> None:
        """Make the plots when they are shown for the first time."""
        if is_open and self.curves is None:
            self.curves = Curves()
            self.fold.addWidget(self.curves)
        if self.curves is not None:
            self.curves.show_state(self._state)


class CompareBox(QWidget):
    """Compare the chosen model with another."""

    def __init__(self) -> None:
        super().__init__()
        self.other, self.data = QComboBox(), QComboBox()
        for combo in (self.other, self.data):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(6)
        self.folder = QPushButton("Other folder…")
        self.folder.setToolTip("Choose a folder with images/ and annotations.json in COCO format.")
        self.start = QPushButton("Compare")
        self.status = StatusLabel()
        self.result = ComparisonBox()
        holder = QWidget()
        form = titled_form(holder, "Compare")
        form.addRow(label("With"), self.other)
        form.addRow(label("On"), self.data)
        form.addRow(even(self.folder, self.start))
        form.addRow(self.status)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(holder)
        layout.addWidget(self.result)

    def set_models(self, names: list[str]) -> None:
        """Offer these; the choice stays."""
        before = self.other.currentText()
        with QSignalBlocker(self.other):
            self.other.clear()
            self.other.addItems(names)
            self.other.setCurrentIndex(max(self.other.findText(before), 0))

    def offer_other(self, chosen: str) -> None:
        """Compare with another model than the chosen one, if there is one."""
        if self.other.currentText() == chosen:
            others = (i for i in range(self.other.count()) if self.other.itemText(i) != chosen)
            self.other.setCurrentIndex(next(others, self.other.currentIndex()))


def card_text(entry: Entry) -> str:
    """A card as rich text."""
    model, card = entry.model, entry.model.card
    training = card.training
    rows = [
        ("finds", ", ".join(card.model.categories)),
        ("trained at", f"{card.diameter:.0f} px, {_channels(card.model.in_channels)}, {card.model.summary}"),
        *(("channels", ", ".join(names)) for names in [card.channel_names] if names),
        ("classifier", "" if model.classifier is None else f"{model.classifier.name}, for the viability dock"),
        ("licence", card.licence),
        ("lineage", " ← ".join((model.name, *entry.ancestors))),
        ("made from it", ", ".join(entry.children)),
        ("training", _training(training)),
        ("data", _data(training)),
        ("trained on", _images(len(card.trained_on))),
        *(("measured", line) for line in metric_lines(card.metrics)),
        *(("limit", limit) for limit in card.limits),
        ("files", f"{entry.size / 1e6:.1f} MB in {model.paths[0].parent}"),
    ]
    cells = "".join(
        f"<tr><td style='padding-right: 8px; color: gray'>{name}</td><td>{escape(text)}</td></tr>"
        for name, text in rows
        if text
    )
    return f"<b>{escape(model.name)}</b><br>{escape(card.description)}<table>{cells}</table>"


def _channels(n: int) -> str:
    return "1 channel" if n == 1 else f"{n} channels"


def _images(n: int) -> str:
    """Number of images that a model and its parents were trained on; empty if its card does not have it."""
    return "" if not n else "1 image" if n == 1 else f"{n:,} images, with those of its parents"


def _training(training: dict[str, Any]) -> str:
    parts = [f"{training[k]:,} {k}" for k in ("steps", "minutes") if isinstance(training.get(k), (int, float))]
    machine = training.get("machine")
    return " in ".join(parts) + (f" on {machine}" if parts and isinstance(machine, str) else "")


def _data(training: dict[str, Any]) -> str:
    """Each data set with the first digits of its hash."""
    data = training.get("data")
    if not isinstance(data, dict):
        return ""
    hashes = ((name, splits.get("train", "")) for name, splits in data.items() if isinstance(splits, dict))
    return ", ".join(f"{name} ({str(digest)[:8]})" for name, digest in hashes)


def metric_lines(metrics: dict[str, Any], prefix: str = "") -> list[str]:
    """A line for each group of figures, however nested."""
    lines = []
    for name, value in metrics.items():
        if not isinstance(value, dict):
            continue
        known = [(title, value[key]) for key, title in _SHOWN if isinstance(value.get(key), (int, float))]
        known += detail_figures(value)
        where = f"{prefix}{name}"
        if known:
            lines.append(f"{where}: " + ", ".join(f"{title} {number:.3f}" for title, number in known))
        else:
            lines += metric_lines(value, f"{where} ")
    return lines


def curves_of(card: ModelCard) -> RunState:
    """The training curves in a card."""
    state = RunState()
    curves = card.training.get("curves")
    for point in curves if isinstance(curves, list) else ():
        if isinstance(point, dict) and isinstance(point.get("step"), int):
            event = from_values(point | {"event": "evaluation" if "AP" in point else "step"})
            if event is not None:
                state.feed(event)
    for name in [n for n, curve in state.losses.items() if len(curve.steps) < 2]:
        del state.losses[name]
    return state
