"""The correction of an image: joins its session with the mouse, and with the keys, which run all actions through one gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.utils.key_bindings import KeymapProvider
from napari.utils.notifications import show_info

from napari_centermask.core.errors import UserError
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit import action_table  # noqa: F401 - fills the table of keys
from napari_centermask.widgets.edit.allowed import CorrectState, why_not
from napari_centermask.widgets.edit.clicks import ClickSelect
from napari_centermask.widgets.edit.drawing import drawing_in
from napari_centermask.widgets.edit.keys import KEYS, Action, Keys
from napari_centermask.widgets.edit.pointer_note import PointerNote
from napari_centermask.widgets.edit.session import EditSession
from napari_centermask.widgets.edit.tool_in_hand import note_action
from napari_centermask.widgets.viewer.planes import ImagePlanes, guess_channel_axis

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.widgets.viewer.session import Session


def edit_session_of(session: Session, source: Image) -> EditSession:
    """The correction of an image, made on first use; an image without cells gets an empty result.

    Raises
    ------
    BadImage
        If the layer is not an image with height and width.
    """
    shown = session.shown(source)
    if shown is None:
        planes = ImagePlanes.of(source, channel_axis=guess_channel_axis(source))
        shown = session.attach(source, planes, Result(planes.shape, leading=planes.leading, name=source.name))
    edits = shown.edits
    if not isinstance(edits, EditSession):
        edits = shown.edits = EditSession(session, shown)
        edits.attached = KeyBinder(edits), ClickSelect(edits, perform), PointerNote(edits)
    return edits


class KeyBinder:
    """Binds the keys of the actions to the layers of a correction, and updates them when keys change."""

    def __init__(self, edits: EditSession, *, keys: Keys = KEYS) -> None:
        self._edits, self._keys = edits, keys
        self._bound: list[tuple[KeymapProvider, str]] = []
        edits.activated.connect(self.bind)
        edits.layers_changed.connect(self.bind)
        edits.deactivated.connect(self.release)

    def bind(self) -> None:
        """Bind the keys to the layers of the correction, and those that work everywhere to the viewer."""
        self.release()
        self._keys.changed.connect(self._on_changed)
        self._bind_all()

    def release(self) -> None:
        """Unbind all keys."""
        self._keys.changed.disconnect(self._on_changed, missing_ok=True)
        self._unbind()

    def _on_changed(self, name: str) -> None:
        self._unbind()
        self._bind_all()

    def _bind_all(self) -> None:
        for name, action in self._keys.actions.items():
            targets = [*self._edits.layers, *([self._edits.session.viewer] if action.everywhere else [])]
            for key in filter(None, (self._keys.key(name), *action.also)):
                for target in targets:
                    target.bind_key(key, _function(self._edits, action), overwrite=True)
                    self._bound.append((target, key))

    def _unbind(self) -> None:
        for target, key in self._bound:
            if target is not None:
                target.bind_key(key, None)
        self._bound = []


def _function(edits: EditSession, action: Action) -> Callable[[object], None]:
    """A named function, as napari requires for a key."""

    def run(_: object) -> None:
        perform(edits, action)

    run.__name__ = action.name
    return run


def perform(edits: EditSession, action: Action) -> None:
    """Run an action by key or button, or show why it cannot run.

    A drawing on the canvas is finished first, in the plane where it began.
    """
    if action.interrupts:
        drawing = drawing_in(edits.session.viewer)
        if drawing is not None:
            drawing.restart()
        edits.finish()
    state = CorrectState(is_flat=edits.is_flat, n_selected=len(edits.selected), closed=edits.history.closed)
    try:
        refused = "" if action.name in ("undo", "redo") else why_not(action, state)
        if refused:
            raise UserError(f"{action.title}: {refused}")
        before = drawing_in(edits.session.viewer)
        action.run(edits)
        note_action(edits, action.name, before)
    except UserError as error:
        show_info(str(error))
