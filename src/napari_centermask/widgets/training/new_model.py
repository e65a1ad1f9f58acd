"""After training: name and install the new model, and segment the next image with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_centermask.core.errors import UserError
from napari_centermask.jobs.child import run_child
from napari_centermask.models.store import zoo
from napari_centermask.models.store.registry import weights_hash
from napari_centermask.pipeline import Plane
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.viewer.planes import ImagePlanes, guess_channel_axis
from napari_centermask.widgets.viewer.state import session_of
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_centermask.settings import SegmentSettings
    from napari_centermask.widgets.project.session import ProjectSession
    from napari_centermask.widgets.viewer.session import Session


def free_name(like: str) -> str:
    """A valid and free name for a model, similar to the given one."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", like).strip("-._") or "model"
    stem, name, number = stem[:90], stem[:90], 1
    while any((folder / name).exists() for folder in (zoo.user_folder(), zoo.shipped_folder())):
        number += 1
        name = f"{stem}-{number}"
    return name


def install(weights: Path, name: str) -> Generator[object, None, str | Failed]:
    """Install a model and make its graphs, in a separate process; returns its name. For the worker thread."""
    try:
        yield from run_child(["models", "add", str(weights), "--name", name])
    except (UserError, OSError) as error:
        return Failed.of(error)
    return name


def installed_as(weights: Path) -> str:
    """The name under which these weights are installed; empty if they are not. For the worker thread."""
    own = weights_hash(weights)
    added = (m for m in zoo.list_models() if not m.shipped and m.weights is not None)
    return next((m.name for m in added if weights_hash(m.weights) == own), "")


def predict_next(viewer: Viewer, model: str) -> None:
    """Segment the next image of the project with a model, or the active image if there is no project.

    The next one is the current one if it is untouched, else the next one that is not reviewed. It is shown first, and loaded in
    the background if it is large; choosing another image meanwhile cancels that.

    Raises
    ------
    UserError
        If there is no image, or a run is in progress.
    """
    session, projects = session_of(viewer), project_session_of(viewer)
    _check_idle(session)
    card = zoo.find_model(model).card.model_copy(update={"name": model})
    if projects.project is None:
        source = _active(viewer)
        planes = ImagePlanes.of(source, channel_axis=guess_channel_axis(source))
        _segment(session, source, planes, projects.settings(card))
        return
    following = _next_image(projects)

    def predict() -> None:
        _check_idle(session)
        _segment(session, projects.layer, session.shown(projects.layer).planes, projects.settings(card))

    if following == projects.current:
        predict()
    else:
        _when_shown(projects, following, predict)
        projects.show_soon(following)


def _next_image(projects: ProjectSession) -> int:
    here = projects.current
    if here and projects.project.status(here) == "untouched":
        return here
    following = projects.neighbour(1, open_only=True) or projects.neighbour(1) or here
    if not following:
        raise UserError("The project has no usable image. Add one.")
    return following


def _when_shown(projects: ProjectSession, id: int, act: Callable[[], None]) -> None:
    """Call a function once an image is shown, unless another one is requested before."""

    links = Connections()

    def on_loading(loading: int) -> None:
        if loading not in (0, id):
            links.end()

    def on_shown(shown: int) -> None:
        if shown:
            links.end()
        if shown == id:
            act()

    links.add(projects.shown, on_shown)
    links.add(projects.loader.changed, on_loading)
    links.add(projects.load_failed, lambda _: links.end())


def _check_idle(session: Session) -> None:
    if session.runner.is_running:
        raise UserError("A run is in progress. Cancel it or wait.")


def _segment(session: Session, source: Image, planes: ImagePlanes, settings: SegmentSettings) -> None:
    every = [Plane(index, planes.plane(index)) for index in planes.indices()]
    session.segment(source, planes, every, settings)


def _active(viewer: Viewer) -> Image:
    active = viewer.layers.selection.active
    images = [active] if isinstance(active, Image) else [x for x in viewer.layers if isinstance(x, Image)]
    if not images:
        raise UserError("There is no image layer. Open an image.")
    return images[-1]
