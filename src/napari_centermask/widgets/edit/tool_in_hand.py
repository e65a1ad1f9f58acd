"""The tool in hand: whose button is pressed, and what is written beside the pointer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_centermask.widgets.edit.drawing import drawing_in
from napari_centermask.widgets.edit.keys import KEYS

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.drawing import Drawing
    from napari_centermask.widgets.edit.session import EditSession

# Modes of the layer of the active cell -> the action with a button, if there is one, and the tool's name.
_MODES = {
    "paint": ("new_brush", "Brush"),
    "polygon": ("new_polygon", "Polygon"),
    "erase": ("", "Eraser"),
    "fill": ("", "Bucket"),
    "pick": ("", "Picker"),
}


@dataclass(frozen=True)
class InHand:
    """A tool.

    Attributes
    ----------
    action
        The action whose button is pressed; empty if none is.
    label
        Its name in a word or two; empty without a tool: then a click selects.
    """

    action: str = ""
    label: str = ""


def in_hand(mode: str, *, drawing: str = "", kind: str = "") -> InHand:
    """The tool that a click uses.

    Parameters
    ----------
    mode
        Mode of the layer of the active cell; empty if another layer is active.
    drawing, kind
        The action that began a drawing, and what is drawn; without a drawing, `kind` is empty.
    """
    if kind:
        action = KEYS.actions.get(drawing)
        return InHand(drawing, kind.capitalize() if action is None else action.label)
    return InHand(*_MODES.get(mode, ()))


def tool_in_hand(edits: EditSession) -> InHand:
    """The tool in hand in the viewer of a correction."""
    viewer = edits.session.viewer
    drawing = None if viewer is None else drawing_in(viewer)
    if drawing is not None:
        return in_hand("", drawing=drawing.action, kind=drawing.kind)
    layer = edits.active.layer
    is_active = viewer is not None and viewer.layers.selection.active is layer
    if edits.click_tool is not None and is_active:
        return InHand("", edits.click_tool.label)
    return in_hand(str(layer.mode) if is_active else "")


def note_action(edits: EditSession, name: str, before: Drawing | None) -> None:
    """Note the action that has just begun a drawing, if it began one after `before`."""
    drawing = drawing_in(edits.session.viewer)
    if drawing is not None and drawing is not before:
        drawing.action = name
        edits.tool_changed.emit()
