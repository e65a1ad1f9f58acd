"""The base of all docks: a tab beside the others, and an end that disconnects everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_centermask.widgets.parts.layout import STYLE
from napari_centermask.widgets.parts.tabs import share_place
from napari_centermask.widgets.viewer.state import state_of, unwrapped
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari.viewer import Viewer


class Dock(QWidget):
    """A view of something that belongs to a viewer and outlives the dock.

    A dock implements `_set_up`, which builds and connects its widgets. The connections in `links` end with the dock, even if it
    could not be built.

    Attributes
    ----------
    title
        Title of its tab.
    links
        Connections to signals of objects that outlive the dock.
    """

    title = ""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = unwrapped(napari_viewer)
        self._state = state_of(napari_viewer)
        self.links = Connections(self)
        self.setStyleSheet(STYLE)
        share_place(self, self.title)
        try:
            self._set_up()
        except BaseException:
            self.links.end()
            self.deleteLater()
            raise

    def _set_up(self) -> None:
        raise NotImplementedError
