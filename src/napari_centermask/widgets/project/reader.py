"""Open a project that is dropped onto napari's window, or chosen with File > Open."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari_centermask.core.errors import BadProject
from napari_centermask.io.own_files import PROJECT, is_project
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.viewer.reader import NO_LAYERS
from napari_centermask.widgets.viewer.reader import get_reader as reader_of_cells
from napari_centermask.widgets.viewer.samples import LayerData

_PLUGIN, _DOCK = "napari-centermask", "CenterMask: Project"


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """What opens a project's folder or its project.json; for a folder without cells, what explains how to use it."""
    if not isinstance(path, str):
        return None
    chosen = Path(path)
    folder = chosen if chosen.is_dir() else chosen.parent
    if is_project(folder) and (chosen.is_dir() or chosen.name == PROJECT):
        return partial(_open, folder)
    return _explain if chosen.is_dir() and reader_of_cells(path) is None else None


def _open(folder: Path, path: str) -> list[LayerData]:
    """Open a project in its dock, in the window that is in use; it adds its layers itself.

    Raises
    ------
    UserError
        If it cannot be opened; napari shows the message.
    """
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None:
        raise BadProject(f"{folder.name} is a project. Open napari first, then open it there.")
    viewer.window.add_plugin_dock_widget(_PLUGIN, _DOCK)
    project_session_of(viewer).open(folder)
    return NO_LAYERS


def _explain(path: str) -> list[LayerData]:
    name = Path(path).name
    raise BadProject(
        f"{name} holds neither a project nor cells. To make a project of its images, choose the folder in '{_DOCK}'."
    )
