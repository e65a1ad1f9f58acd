"""Taking a trained model over, and predicting the next image with it."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from ..core.errors import UserError
from ..jobs.finetune import adopt
from ..models import zoo
from .job import Failed, PlaneJob
from .planes import ImagePlanes, guess_channel_axis
from .project_session import project_session_of
from .session import session_of

if TYPE_CHECKING:
    from napari.viewer import Viewer


def free_name(wish: str) -> str:
    """A name for a model that is allowed and not taken, close to a wish."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", wish).strip("-._") or "model"
    stem, name, number = stem[:90], stem[:90], 1
    while any((folder / name).exists() for folder in (zoo.user_folder(), zoo.shipped_folder())):
        number += 1
        name = f"{stem}-{number}"
    return name


def install(weights: Path, name: str) -> Generator[None, None, str | Failed]:
    """Install a model and make its graphs, in a process of its own; returns its name. For the worker thread."""
    yield
    try:
        return adopt(weights, name).name
    except (UserError, OSError) as error:
        return Failed(str(error))


def predict_next(viewer: Viewer, model: str) -> None:
    """Segment the next image of the project with a model, or the active image where there is no project.

    Raises
    ------
    UserError
        If there is no image, or a run is in progress.
    """
    session, projects = session_of(viewer), project_session_of(viewer)
    if session.runner.is_running:
        raise UserError("A run is in progress. Cancel it or wait.")
    if projects.project is not None:
        following = projects.neighbour(1, open_only=True) or projects.neighbour(1) or projects.current
        if not following:
            raise UserError("Expected an image in the project, it has none that can be used.")
        if following != projects.current:
            projects.show(following)
        source, planes = projects.layer, session.shown(projects.layer).planes
    else:
        source = _active(viewer)
        planes = ImagePlanes.of(source, channel_axis=guess_channel_axis(source))
    jobs = [PlaneJob(index, planes.plane(index)) for index in np.ndindex(*planes.leading)]
    card = zoo.find_model(model).card.model_copy(update={"name": model})
    session.segment(source, planes, jobs, projects.settings(card))


def _active(viewer: Viewer) -> Image:
    active = viewer.layers.selection.active
    images = [active] if isinstance(active, Image) else [x for x in viewer.layers if isinstance(x, Image)]
    if not images:
        raise UserError("Expected an image layer, there is none. Open an image.")
    return images[-1]
