"""Edit the categories of the open project, or of the current image if there is no project."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.project.category_keys import set_key, with_keys
from napari_centermask.widgets.project.image_categories import ImageCategories

if TYPE_CHECKING:
    from napari_centermask.io.project import Category, Project
    from napari_centermask.widgets.project.category_box import CategoryBox
    from napari_centermask.widgets.project.session import ProjectSession
    from napari_centermask.widgets.work.connections import Connections


class CategoryEditor:
    """Applies changes in the box to the project or the image, and shows why some are not possible."""

    def __init__(self, box: CategoryBox, session: ProjectSession, links: Connections) -> None:
        self._box, self._session = box, session
        links.add(box.edited, self._on_edited)
        links.add(box.added, lambda name: self.change(lambda owner: owner.add_category(name)))
        links.add(box.removed, lambda id: self.change(lambda owner: owner.remove_category(id)))

    @property
    def owner(self) -> Project | ImageCategories | None:
        """The project or image whose categories are edited; None if there is neither."""
        if self._session.project is not None:
            return self._session.project
        session = self._session.session
        shown = session.shown(session.viewer.layers.selection.active)
        if shown is None and session.editing is not None:
            shown = session.editing.shown
        return None if shown is None else ImageCategories(session, shown)

    def show(self, *_: object) -> None:
        """Show the present categories."""
        owner = self.owner
        categories = {} if owner is None else with_keys(owner.categories)
        self._box.show_categories(categories, enabled=owner is not None and not owner.read_only)

    def change(self, change: Callable[[Project | ImageCategories], object]) -> None:
        """Change the categories; an error is shown below them."""
        owner = self.owner
        if owner is None:
            return
        try:
            change(owner)
        except UserError as error:
            self.show()
            self._box.explain(str(error))

    def _on_edited(self, id: int, category: Category) -> None:
        def change(owner: Project | ImageCategories) -> None:
            if category.key != with_keys(owner.categories)[id].key:
                set_key(id, category.key)
            owner.set_category(id, category)

        self.change(change)
