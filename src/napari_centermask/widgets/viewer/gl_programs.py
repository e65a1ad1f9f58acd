"""Keeps the OpenGL programs of removed layers, because deleting one can crash the next drawing.

Measured with napari 0.9.2, vispy 0.17.0, PyQt6 6.11 and Mesa 22.3.6 (llvmpipe): draw two layers, remove the first and add a
third, and drawing ends with a segmentation fault inside Mesa's glDrawArrays, without any plugin. Without `glDeleteProgram`, there
is no crash; keeping buffers or textures does not help. docs/upstream.md has the script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer


class KeptPrograms:
    """Keeps the programs of layers that are removed from a viewer; their textures and buffers are released.

    A program takes some tens of kilobytes. Programs are found by private names of napari and vispy; if these have changed,
    nothing is kept.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = ref(viewer)
        self._leaving: list[Any] = []
        self._kept: list[Any] = []
        viewer.layers.events.removing.connect(self._on_removing)
        viewer.layers.events.removed.connect(self._on_removed)

    def __len__(self) -> int:
        return len(self._kept)

    def _on_removing(self, event: Event) -> None:
        viewer = self._viewer()
        if viewer is not None:
            self._leaving = _programs_of(viewer, viewer.layers[event.index])

    def _on_removed(self) -> None:
        for program in self._leaving:
            for held in ("_user_variables", "_pending_variables"):
                getattr(program, held, {}).clear()
        self._kept += self._leaving
        self._leaving = []


def _programs_of(viewer: Viewer, layer: Layer) -> list[Any]:
    """The programs that draw a layer; none for a layer that is not drawn."""
    window = getattr(viewer, "window", None)
    canvas = getattr(getattr(window, "_qt_viewer", None), "canvas", None)
    drawn = getattr(canvas, "layer_to_visual", {}).get(layer)
    nodes, programs = [getattr(drawn, "node", None)], []
    while nodes:
        node = nodes.pop()
        nodes += getattr(node, "children", ())
        program = getattr(node, "_program", None)
        if program is not None:
            programs.append(program)
    return programs
