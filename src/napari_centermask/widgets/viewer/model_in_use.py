"""The model in use in a viewer, which its docks follow."""

from __future__ import annotations

from psygnal import Signal


class ModelInUse:
    """The name of the model in use.

    Attributes
    ----------
    changed
        Emitted with the new name.
    name
        Empty until a model is chosen.
    """

    changed = Signal(str)

    def __init__(self) -> None:
        self.name = ""

    def choose(self, name: str) -> None:
        """Use a model from now on."""
        if name != self.name:
            self.name = name
            self.changed.emit(name)
