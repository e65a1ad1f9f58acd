"""Open a project that is dropped onto napari's window, or chosen with File > Open."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari_centermask.core.errors import BadProject
from napari_centermask.io.own_files import PROJECT, is_project
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.viewer.dock import open_dock
from napari_centermask.widgets.viewer.reader import NO_LAYERS
from napari_centermask.widgets.viewer.samples import LayerData


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """What opens a project's folder or its project.json; None for other folders, which are other plugins' to open."""
    if not isinstance(path, str):
        return None
    chosen = Path(path)
    folder = chosen if chosen.is_dir() else chosen.parent
    is_ours = is_project(folder) and (chosen.is_dir() or chosen.name == PROJECT)
    return partial(_open, folder) if is_ours else None


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
    open_dock(viewer, "Project")
    project_session_of(viewer).open(folder)
    return NO_LAYERS
