"""The model that a person works with in a viewer; its docks follow it."""

from __future__ import annotations

from psygnal import Signal


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
