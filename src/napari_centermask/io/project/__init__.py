"""A project: a folder with images, annotations, a journal, models and runs."""

from .images import ProjectImage
from .layout import Category
from .project import Project

__all__ = ["Category", "Project", "ProjectImage"]
