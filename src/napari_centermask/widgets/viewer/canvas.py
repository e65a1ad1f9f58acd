"""Add and remove our layers without affecting the cells, even while napari is removing layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import ref

from qtpy.QtCore import QTimer

from napari_centermask.widgets.viewer.gl_programs import KeptPrograms
from napari_centermask.widgets.work.connections import Connections, stop_timer

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer


class Canvas:
    """Adds our layers to a viewer and removes them.

    napari removes several layers in a loop (the selected ones, or all) and fails if one of them is already gone. So while
    layers are being removed, ours are only removed afterwards.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = ref(viewer)
        self._waiting: list[Layer] = []
        self._actions: list[Callable[[], object]] = []
        self.is_taking_out = False
        self._after = QTimer()
        self._after.setSingleShot(True)
        self._after.setInterval(0)
        self._after.timeout.connect(self._on_quiet)
        self._programs = KeptPrograms(viewer)
        self._links = Connections()
        self._links.add(viewer.layers.events.removing, self._on_removing)

    @property
    def is_losing_layers(self) -> bool:
        """Whether napari is removing layers, and more may follow."""
        return self._after.isActive()

    def end(self) -> None:
        """The viewer was closed."""
        self._links.end()
        stop_timer(self._after)
        self._waiting.clear()
        self._actions.clear()

    def add(self, source: Image, layer: Layer) -> None:
        """Add a layer above its image, if it is not in the viewer; the layer selection stays."""
        viewer = self._viewer()
        if viewer is None or layer in viewer.layers:
            if layer in self._waiting:
                self._waiting.remove(layer)
            return
        layers = viewer.layers
        active = layers.selection.active
        viewer.add_layer(layer)
        layers.selection.active = active if active in layers else source

    def take_out(self, layer: Layer) -> None:
        """Remove a layer; soon, while napari removes others."""
        viewer = self._viewer()
        if viewer is None or layer not in viewer.layers:
            return
        if self.is_losing_layers:
            self._waiting.append(layer)
            return
        self.is_taking_out = True
        try:
            viewer.layers.remove(layer)
        finally:
            self.is_taking_out = False

    def when_quiet(self, action: Callable[[], object]) -> None:
        """Call a function once no more layers are being removed."""
        self._actions.append(action)
        self._after.start()

    def _on_removing(self) -> None:
        if not self.is_taking_out:
            self._after.start()

    def _on_quiet(self) -> None:
        waiting, self._waiting = self._waiting, []
        actions, self._actions = self._actions, []
        for layer in waiting:
            self.take_out(layer)
        for action in actions:
            action()
