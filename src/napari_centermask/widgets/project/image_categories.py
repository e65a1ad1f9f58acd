"""The categories of an image without a project, edited like those of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.project import Category
from napari_centermask.io.project.categories import check_category
from napari_centermask.io.project.layout import new_category
from napari_centermask.widgets.parts.colours import CATEGORY_COLOURS

if TYPE_CHECKING:
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.viewer.shown import Shown


class ImageCategories:
    """The categories of a result, with the same methods as `io.project.Project`."""

    read_only = ""

    def __init__(self, session: Session, shown: Shown) -> None:
        self._session, self._shown = session, shown

    @property
    def categories(self) -> dict[int, Category]:
        """The categories by COCO id."""
        result = self._shown.result
        usual = {id: CATEGORY_COLOURS[(id - 1) % len(CATEGORY_COLOURS)] for id in result.categories}
        colours = {**usual, **result.colours}
        return {id: Category(name, colours[id]) for id, name in result.categories.items()}

    def add_category(self, name: str) -> int:
        """Add a category; raises as `Project.add_category`."""
        id, category = new_category(name, self.categories)
        self.set_category(id, category)
        return id

    def set_category(self, id: int, category: Category) -> None:
        """Change or add a category; raises as `Project.set_category`."""
        check_category(id, category, self.categories)
        self._put({**self.categories, id: category})

    def remove_category(self, id: int) -> None:
        """Remove a category that no cell has; raises as `Project.remove_category`."""
        n = sum(cell.category == id for cell in self._shown.result)
        if n:
            raise BadSettings(
                f"{n:,} {'cell has' if n == 1 else 'cells have'} this category. Give them another one first."
            )
        if len(self.categories) == 1:
            raise BadSettings("This is the only category. Rename it, or add another one first.")
        self._put({k: c for k, c in self.categories.items() if k != id})

    def _put(self, categories: dict[int, Category]) -> None:
        result = self._shown.result
        result.categories = {id: c.name for id, c in categories.items()}
        result.colours = {id: c.colour for id, c in categories.items()}
        for plane in result.planes.values():
            plane.categories = dict(result.categories)
        self._shown.layers.describe()
        self._session.changed.emit(self._shown.source())
