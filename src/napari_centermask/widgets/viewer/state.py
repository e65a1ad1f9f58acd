"""The state of a viewer: one object, made on first use and ended with the viewer's window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, finalize

from psygnal import Signal

from napari_centermask.widgets.viewer.autosave import Autosaves
from napari_centermask.widgets.viewer.context_menu import extend_context_menu
from napari_centermask.widgets.viewer.session import Session
from napari_centermask.widgets.viewer.shown import image_path
from napari_centermask.widgets.work.owner import Owner

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_centermask.core.result import Result


_STATES: WeakKeyDictionary[Viewer, ViewerState] = WeakKeyDictionary()


class ModelInUse:
    """The name of the model in use in a viewer, which its docks follow.

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


class ViewerState(Owner):
    """State of a viewer beside its docks; higher rooms add their parts to it.

    Attributes
    ----------
    session
        Results by image, and the run in progress.
    autosaves
        Writes corrections of images without a project; made first, so that no edit is lost.
    in_use
        The model in use.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.session = Session(viewer)
        self.autosaves = Autosaves(self.session)
        self.in_use = ModelInUse()

    def end(self) -> None:
        """The viewer was closed: stop everything, and write what was painted."""
        super().end()
        self.session.end()
        self.autosaves.end()


def unwrapped(viewer: Viewer) -> Viewer:
    """The viewer itself, as plugins get a proxy."""
    return getattr(viewer, "__wrapped__", viewer)


def state_of(viewer: Viewer) -> ViewerState:
    """The viewer's state, made on first use; it ends with the window, or with the viewer if it has no window."""
    viewer = unwrapped(viewer)
    if viewer not in _STATES:
        _STATES[viewer] = state = ViewerState(viewer)
        _when_gone(viewer, state.end)
        extend_context_menu()
    return _STATES[viewer]


def _when_gone(viewer: Viewer, end: Callable[[], None]) -> None:
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if window is not None:
        window.destroyed.connect(lambda: end())
    else:
        finalize(viewer, end).atexit = False


def session_of(viewer: Viewer) -> Session:
    """The viewer's session."""
    return state_of(viewer).session


def image_file_of(result: Result) -> Path | None:
    """The file of the image that these cells belong to; None if no viewer shows it, or it has no file."""
    images = (state.session.source_of(result) for state in list(_STATES.values()))
    paths = (image_path(image) for image in images if image is not None)
    return next((Path(path) for path in paths if path), None)


def note_saved(result: Result) -> None:
    """Note that these cells were saved to a file, so that no viewer offers them."""
    for state in list(_STATES.values()):
        state.autosaves.note_saved(result)
