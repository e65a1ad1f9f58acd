"""The images of a project whose cells are to be measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_centermask.core.errors import BadImage
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.formats.loss import only_shown
from napari_centermask.io.measurements import Measured

if TYPE_CHECKING:
    from napari_centermask.io.project import Project


def measured_project(project: Project, dead: int | None, left_out: LeftOut[str]) -> list[Measured]:
    """A snapshot of all images of a project that have cells.

    Parameters
    ----------
    left_out
        Gets the images that cannot be read.

    Raises
    ------
    BadImage
        If none can.
    """
    measured = []
    for image in project.images:
        if image.status == "untouched":
            continue
        with left_out.unless_done(image.file_name):
            if image.problem:
                raise BadImage(image.problem)
            result = only_shown(project.result(image.id))
            result.name = image.file_name
            measured.append(replace(Measured.of_file(result, image.path), dead=dead))
    if left_out and not measured:
        raise BadImage(f"None of the images can be measured. {left_out.sentences[0]}")
    return measured
