"""The categories of the open project, or of the current image if there is no project: editing them, and their keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari_centermask.core.errors import BadSettings, UserError
from napari_centermask.io.project import Category
from napari_centermask.io.project.categories import check_category
from napari_centermask.io.project.layout import new_category
from napari_centermask.widgets.edit.actions import set_category
from napari_centermask.widgets.edit.keys import KEYS, Action, BadKey
from napari_centermask.widgets.parts.colours import CATEGORY_COLOURS

if TYPE_CHECKING:
    from napari_centermask.io.project import Project
    from napari_centermask.widgets.project.category_box import CategoryBox
    from napari_centermask.widgets.project.session import ProjectSession
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.viewer.shown import Shown
    from napari_centermask.widgets.work.connections import Connections

_NO_OWNER = "There are no categories to edit. Open a project, or select an image that has cells."


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
        self._box.show_categories(categories, closed=_NO_OWNER if owner is None else owner.read_only)

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


def with_keys(categories: Mapping[int, Category]) -> dict[int, Category]:
    """The categories with their present keys."""
    return {id: replace(c, key=KEYS.key(_action(id))) for id, c in categories.items()}


def set_key(id: int, key: str) -> None:
    """Give a category a key, empty for none.

    Raises
    ------
    BadKey
        If it is not a key, or is used already.
    """
    KEYS.set_key(_action(id), key)


def apply_keys(categories: Mapping[int, Category]) -> list[str]:
    """Use the keys of a project's categories; returns why some cannot be used.

    A digit stands for the default, Control and that digit, because digits alone choose the label layer's tools.
    """
    problems = []
    for id, category in categories.items():
        name = _action(id)
        if not category.key or category.key.isdigit() or category.key == KEYS.key(name):
            continue
        try:
            KEYS.set_key(name, category.key)
        except BadKey as error:
            problems.append(f"{category.name}: {error}")
    return problems


def _action(id: int) -> str:
    """The name of the action that assigns a category; the action is made if missing."""
    name = f"category_{id}"
    if name not in KEYS.actions:
        KEYS.add(
            Action(
                name,
                f"Category {id}",
                "",
                partial(set_category, category=id),
                f"Give the selected cells category {id}.",
            )
        )
    return name
