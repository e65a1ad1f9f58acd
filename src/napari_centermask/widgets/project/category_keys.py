"""The keys of categories, in the table of keys of all actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari_centermask.widgets.edit.actions import set_category
from napari_centermask.widgets.edit.keys import KEYS, Action, BadKey

if TYPE_CHECKING:
    from napari_centermask.io.project import Category


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
