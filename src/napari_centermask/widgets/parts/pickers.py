"""Rows of the docks: which layer, which channels, which model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from weakref import ref

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QAbstractButton, QComboBox, QMenu, QPushButton, QSizePolicy, QWidget

from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.parts.control import Control
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_centermask.models.families import Family
    from napari_centermask.models.store.card import ModelCard


def itself(layer: Layer) -> Layer | None:
    """A layer means itself."""
    return layer


class LayerCombo(QComboBox):
    """The viewer's layers of one kind, kept up to date; follows the layer list's active layer, and sets it.

    Parameters
    ----------
    kinds
        Layer classes on offer.
    meant
        The layer to choose when a given one becomes active, for instance its image; None to keep the choice.
    """

    picked = Signal()
    look_changed = Signal()  # the order of layers, or which of them are seen

    def __init__(
        self,
        viewer: Viewer,
        *,
        kinds: tuple[type[Layer], ...],
        meant: Callable[[Layer], Layer | None] = itself,
    ) -> None:
        super().__init__()
        self._viewer, self._kinds, self._meant = ref(viewer), kinds, meant
        self._layers: list[ref[Layer]] = []
        self._named: list[Layer] = []
        can_shrink(self)
        self.activated.connect(self._on_activated)
        self._links, self._names = Connections(self), Connections(self)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            self._links.add(event, self._on_layers_changed)
        self._links.add(viewer.layers.selection.events.active, self._on_active_changed)
        self._on_layers_changed()

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        i = self.currentIndex()
        return self._layers[i]() if 0 <= i < len(self._layers) else None

    @layer.setter
    def layer(self, layer: Layer) -> None:
        index = next((i for i, r in enumerate(self._layers) if r() is layer), -1)
        if index >= 0 and index != self.currentIndex():
            self.setCurrentIndex(index)
            self.picked.emit()

    def _on_activated(self, _: int) -> None:
        """All docks follow the active layer, so a choice made here makes the layer active."""
        active, layer = self._viewer().layers.selection.active, self.layer
        if layer is not None and (active is None or self._meant(active) is not layer):
            self._viewer().layers.selection.active = layer
        self.picked.emit()

    def _on_layers_changed(self, event: Event | None = None) -> None:
        before = self.layer
        self._names.end()
        layers = [x for x in self._viewer().layers if isinstance(x, self._kinds)]
        with QSignalBlocker(self):
            self.clear()
            self._layers = [ref(x) for x in layers]
            self.addItems([x.name for x in layers])
            for i, layer in enumerate(layers):
                self._names.add(layer.events.name, self._on_layers_changed)
                for look in (layer.events.visible, layer.events.opacity, layer.events.blending):
                    self._names.add(look, self._on_look_changed)
                self.setItemData(i, layer.name, Qt.ItemDataRole.ToolTipRole)
            chosen = before if before in layers else self._first(layers)
            self.setCurrentIndex(-1 if chosen is None else layers.index(chosen))
        if self.layer is not before:
            self.picked.emit()
        self.look_changed.emit()

    def _on_look_changed(self, event: Event) -> None:
        self.look_changed.emit()

    def _first(self, layers: list[Layer]) -> Layer | None:
        """What the active layer means, else the top-most visible one: what you see."""
        active = self._viewer().layers.selection.active
        meant = None if active is None else self._meant(active)
        if meant in layers:
            return meant
        return next((x for x in reversed(layers) if x.visible), next(reversed(layers), None))

    def _on_active_changed(self, event: Event) -> None:
        meant = None if event.value is None else self._meant(event.value)
        if isinstance(meant, self._kinds):
            self.layer = meant


class ChannelPicker(QPushButton):
    """A menu of the channels that the model sees, in their order. It shows their names, or how many, for lack of room."""

    picked = Signal()

    def __init__(self) -> None:
        super().__init__("none")
        self._names: list[str] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMenu(QMenu(self))

    def set_names(self, names: Sequence[str]) -> None:
        """Offer these channels, all ticked; if the names have not changed, the ticks stay."""
        if list(names) == self._names:
            return
        self._names = list(names)
        self.menu().clear()
        for name in names:
            action = self.menu().addAction(name)
            action.setCheckable(True)
            action.setChecked(True)
            action.toggled.connect(self._on_toggled)
        self.setEnabled(len(names) > 1)
        self._write()

    def value(self) -> list[int] | None:
        """Ticked channels; None for all."""
        ticked = [i for i, action in enumerate(self.menu().actions()) if action.isChecked()]
        return None if len(ticked) == len(self._names) else ticked

    def set_value(self, channels: Sequence[int] | None) -> None:
        """Tick these channels, without `picked`."""
        for i, action in enumerate(self.menu().actions()):
            with QSignalBlocker(action):
                action.setChecked(channels is None or i in channels)
        self._write()

    def _on_toggled(self) -> None:
        self._write()
        self.picked.emit()

    def minimumSizeHint(self) -> QSize:
        """Room for the number of channels: their names would widen the dock."""
        hint = super().minimumSizeHint()
        n = len(self._names)
        hint.setWidth(self._width_with(f"{n} of {n} channels"))
        return hint

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show the names if they have room now."""
        super().resizeEvent(event)
        self._write()

    def _width_with(self, text: str) -> int:
        """The width that the button needs for a text."""
        advance = self.fontMetrics().horizontalAdvance
        return self.sizeHint().width() + advance(text) - advance(self.text())

    def _write(self) -> None:
        ticked, n = self.value(), len(self._names)
        names = ", ".join(self._names if ticked is None else [self._names[i] for i in ticked]) or "none"
        counts = f"all {n} channels" if ticked is None else f"{len(ticked)} of {n} channels"
        self.setText(names if self._width_with(names) <= self.width() else counts)
        self.setToolTip(f"The channels that the model sees: {names}." if n > 1 else "The image has one channel.")


class ModelCombo(QComboBox):
    """The models on this machine; the default model of the settings is chosen at first.

    Parameters
    ----------
    trainable
        Offer only models with weights: graphs alone cannot be trained.
    networks
        Families of new networks that are offered below the models.
    """

    def __init__(self, *, trainable: bool = False, networks: Iterable[Family] = ()) -> None:
        super().__init__()
        self._trainable = trainable
        self._networks = {f"New {family.title}": family.name for family in networks}
        can_shrink(self)
        self._cards: dict[str, ModelCard] = {}
        self._with_weights: set[str] = set()
        self.reload()

    def reload(self) -> None:
        """List the models again; the choice stays."""
        from napari_centermask.models.store.zoo import list_models

        before = self.currentText()
        models = [m for m in list_models() if not self._trainable or m.weights is not None]
        # Under the installed name: a card keeps the one that the model was trained under.
        self._cards = {m.name: m.card.model_copy(update={"name": m.name}) for m in models}
        self._with_weights = {m.name for m in models if m.weights is not None}
        with QSignalBlocker(self):
            self.clear()
            self.addItems(list(self._cards))
            self.insertSeparator(self.count()) if self._networks else None
            self.addItems(list(self._networks))
            names = (before, SegmentSettings.model_fields["model"].default)
            known = (self.findText(name) for name in names if name)  # the line above new networks has no text
            self.setCurrentIndex(next((at for at in known if at >= 0), 0))

    def choose(self, name: str) -> None:
        """Choose a model, also one that was just added; an unknown one, or none, changes nothing."""
        if not name:
            return
        if self.findText(name) < 0:
            self.reload()
        if (at := self.findText(name)) >= 0:
            self.setCurrentIndex(at)

    @property
    def card(self) -> ModelCard | None:
        """The chosen model's card, None if there is no model."""
        return self._cards.get(self.currentText())

    @property
    def network(self) -> str:
        """The family of the chosen new network; empty if a model is chosen."""
        return self._networks.get(self.currentText(), "")

    @property
    def has_weights(self) -> bool:
        """Whether the chosen model can be trained."""
        return self.currentText() in self._with_weights

    @property
    def cards(self) -> dict[str, ModelCard]:
        """The cards of the models on offer, by name."""
        return dict(self._cards)

    @property
    def categories(self) -> dict[str, list[str]]:
        """The categories of each model on offer."""
        return {name: list(card.model.categories) for name, card in self._cards.items()}

    def showPopup(self) -> None:
        """List the models again whenever the list is opened."""
        self.reload()
        super().showPopup()


def can_shrink(combo: QComboBox) -> None:
    """Let the box shrink, so that long names do not widen the dock."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(10)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def hint(widget: QWidget, text: str, *, enabled: bool = True) -> None:
    """Enable a control, with what it does as tooltip; or disable it, with the reason and what to do."""
    widget.setEnabled(enabled)
    widget.setToolTip(text)


def show_control(button: QAbstractButton, control: Control) -> None:
    """Update a button."""
    hint(button, control.tooltip, enabled=control.enabled)
    if control.text and button.text() != control.text:
        button.setText(control.text)
