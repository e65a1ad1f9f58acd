"""The categories of cells, shared by all images of a project."""

from __future__ import annotations

import re
from collections.abc import Mapping

from psygnal import Signal

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.edits import BadRecord
from napari_centermask.io.project.layout import Category, CategoryEntry, new_category


class Categories:
    """Categories by COCO id.

    Attributes
    ----------
    changed
        Emitted after any change.
    """

    changed = Signal()

    def __init__(self, by_id: Mapping[int, Category]) -> None:
        self._by_id = dict(by_id)

    def __contains__(self, id: int) -> bool:
        return id in self._by_id

    @property
    def by_id(self) -> dict[int, Category]:
        """A copy of all categories, by id."""
        return dict(self._by_id)

    @property
    def names(self) -> dict[int, str]:
        """Their names by id."""
        return {id: c.name for id, c in self._by_id.items()}

    def entries(self) -> list[CategoryEntry]:
        """Entries for project.json, by id."""
        return [CategoryEntry.of(id, c) for id, c in sorted(self._by_id.items())]

    def new(self, name: str, *, id: int = 0) -> tuple[int, Category]:
        """A category with a free id, colour and digit key; it is not added yet."""
        return new_category(name, self._by_id, id=id)

    def set(self, id: int, category: Category) -> None:
        """Change a category, or add one with this id."""
        self._by_id[id] = category
        self.changed.emit()

    def remove(self, id: int) -> None:
        """Remove a category that no cell has.

        Raises
        ------
        BadSettings
            If it is the only one.
        """
        if len(self._by_id) == 1:
            raise BadSettings("This is the only category. Rename it, or add another one first.")
        del self._by_id[id]
        self.changed.emit()

    def replay(self, item: object) -> None:
        """Make the change that a record of the journal describes.

        Raises
        ------
        BadRecord, pydantic.ValidationError
            If it does not describe such a change.
        """
        if not (isinstance(item, dict) and item.get("removed") is True):
            entry = CategoryEntry.model_validate(item)
            self.set(entry.id, entry.category)
        elif type(item.get("id")) is int and item["id"] in self._by_id and len(self._by_id) > 1:
            self.remove(item["id"])
        else:
            raise BadRecord("there is no such category")


def check_category(id: int, category: Category, existing: Mapping[int, Category]) -> None:
    """Refuse a category with an invalid name, key or colour.

    Raises
    ------
    BadSettings
        If another one has the name or the key, the name is empty, or the colour is not valid.
    """
    others = [c for k, c in existing.items() if k != id]
    if not category.name.strip():
        raise BadSettings("A category needs a name. Enter one.")
    if category.name in {c.name for c in others}:
        raise BadSettings(f"Another category is already called {category.name!r}. Choose another name.")
    if category.key and category.key in {c.key for c in others}:
        raise BadSettings(f"Another category already has the key {category.key!r}. Choose another key.")
    if not re.fullmatch("#[0-9a-fA-F]{6}", category.colour):
        raise BadSettings(f"{category.colour!r} is not a colour such as #4c9be8. Choose another one.")
