"""The model that a person works with in a viewer; its docks follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from psygnal import Signal

if TYPE_CHECKING:
    from napari.viewer import Viewer

_IN_USE: WeakKeyDictionary[Viewer, ModelInUse] = WeakKeyDictionary()


def model_in_use(viewer: Viewer) -> ModelInUse:
    """The viewer's model in use, made on first use."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _IN_USE:
        _IN_USE[viewer] = ModelInUse()
    return _IN_USE[viewer]


class ModelInUse:
    """The name of a model.

    Attributes
    ----------
    changed
        Emitted with the new name.
    name
        Empty as long as none was chosen.
    """

    changed = Signal(str)

    def __init__(self) -> None:
        self.name = ""

    def choose(self, name: str) -> None:
        """Work with a model from now on."""
        if name != self.name:
            self.name = name
            self.changed.emit(name)
