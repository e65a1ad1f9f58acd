"""The part of a project that names kinds of cells."""

from __future__ import annotations

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.result import Result
from napari_centermask.io.project import replay
from napari_centermask.io.project.layout import Category, CategoryEntry, fields_of, new_category
from napari_centermask.io.project.state import State


class CategoryList(State):
    """Kinds of cells, shared by all images of a project."""

    @property
    def categories(self) -> dict[int, Category]:
        """Kinds of cells by COCO id."""
        return dict(self._categories)

    def add_category(self, name: str) -> int:
        """Add a kind of cell with a free colour and digit key; returns its id.

        Raises
        ------
        BadSettings
            If there is one of this name.
        """
        self._check_writable()
        id, category = new_category(name, self._categories)
        self.set_category(id, category)
        return id

    def set_category(self, id: int, category: Category) -> None:
        """Change a kind of cell, or add one with this id.

        Raises
        ------
        BadSettings
            If the name or the key is another one's already, or the colour is none.
        """
        self._check_writable()
        replay.check_category(id, category, self._categories)
        self._put_category(id, category)

    def _put_category(self, id: int, category: Category) -> None:
        self._categories[id] = category
        self._journal.note({"category": CategoryEntry(id=id, **fields_of(category)).model_dump()})
        for result in self._results.values():
            self._name_categories(result)
        self.changed.emit(0)

    def remove_category(self, id: int) -> None:
        """Remove a kind of cell that no cell has.

        Raises
        ------
        BadSettings
            Naming an image whose cells have it.
        """
        self._check_writable()
        for entry in self._file.images:
            result = self._results.get(entry.id)
            used = {c.category for c in result} if result is not None else self._store.uses(entry.file_name)
            if id in used:
                raise BadSettings(
                    f"Expected a category without cells, {entry.file_name} has cells of {self._categories[id].name!r}. "
                    "Give them another category first."
                )
        if id in self._store.uses_of_removed():
            raise BadSettings(
                f"Expected a category without cells, an image that was removed from the project has cells of "
                f"{self._categories[id].name!r}. Add that image again and give them another category first."
            )
        if len(self._categories) == 1:
            raise BadSettings("Expected at least one category. Rename this one, or add another first.")
        del self._categories[id]
        self._journal.note({"category": {"id": id, "removed": True}})
        for result in self._results.values():
            self._name_categories(result)
        self.changed.emit(0)

    def _category_named(self, name: str) -> int:
        for id, category in self._categories.items():
            if category.name == name:
                return id
        return self.add_category(name)

    def _name_categories(self, result: Result) -> None:
        result.categories = {id: c.name for id, c in self._categories.items()}
        for plane in result.planes.values():
            plane.categories = dict(result.categories)

    def _adopt_categories(self, result: Result) -> None:
        """Take over categories that a run in the viewer brought."""
        for id, name in result.categories.items():
            if id not in self._categories:
                self._put_category(id, new_category(name, self._categories, id=id)[1])
        if result.categories != {id: c.name for id, c in self._categories.items()}:
            self._name_categories(result)
