"""A project: a folder with images, annotations, a journal, models and runs."""

from napari_centermask.io.project.images import ProjectImage
from napari_centermask.io.project.layout import Category
from napari_centermask.io.project.project import Project

__all__ = ["Category", "Project", "ProjectImage"]
