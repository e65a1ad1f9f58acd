"""The correction of an image: joins its session with keys, mouse and all actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_centermask.core.result import Result
from napari_centermask.widgets.edit import action_table  # noqa: F401 - fills the table of keys
from napari_centermask.widgets.edit.bindings import KeyBinder
from napari_centermask.widgets.edit.clicks import ClickSelect
from napari_centermask.widgets.edit.session import EditSession
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
        edits.attached = KeyBinder(edits), ClickSelect(edits)
    return edits
