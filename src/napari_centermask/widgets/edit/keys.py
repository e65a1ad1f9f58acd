"""One table of what a person can do to cells: buttons, keys and tests use it, and its keys can be changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.key_bindings import coerce_keybinding
from psygnal import Signal

from napari_centermask.core.errors import CannotSave, UserError
from napari_centermask.io.whole_file import whole_file
from napari_centermask.widgets.edit.key_names import is_key, napari_keys

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession

# Names of actions in files of keys that earlier versions wrote -> today's.
_RENAMED = {
    "remove_crumbs": "remove_debris",
    "exclusive": "take_shared",
    "give": "give_shared",
    "ghosts": "candidates",
    "ghost_next": "next_candidate",
    "ghost_accept": "accept_candidate",
    "ghost_reject": "reject_candidate",
    "ghost_all": "accept_candidates",
}


class BadKey(UserError):
    """A key that cannot be used, and why."""


@dataclass(frozen=True)
class Action:
    """Something that a person can do while correcting.

    Attributes
    ----------
    name
        As in code and in the file of keys: "split_line".
    title
        In messages and in the list of keys: "Split along a line".
    key
        Its default key as napari writes them: "K", "Shift-G", "Control-Z"; empty for none.
    run
        What it does.
    tip
        What happens, in a sentence.
    needs
        How many cells have to be selected.
    group, label
        The heading among the tools under which its button stands, and what is written on that; without a group there is no
        button among the tools.
    also
        Further keys, which cannot be changed.
    everywhere
        Its key works whatever layer is active.
    in_view
        It works only where a plane is shown as it is: in 2D, the axes in their order.
    interrupts
        A stroke, polygon or drawing under way ends before; without it the action deals with that itself.
    """

    name: str
    title: str
    key: str
    run: Callable[[EditSession], object]
    tip: str = ""
    needs: int = 0
    group: str = ""
    label: str = ""
    also: tuple[str, ...] = ()
    everywhere: bool = False
    in_view: bool = True
    interrupts: bool = True


class Keys:
    """The actions by name, and the key of each; what a person changed is kept in a file.

    Attributes
    ----------
    changed
        Emitted with the name of an action that came or got another key.
    """

    changed = Signal(str)

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.actions: dict[str, Action] = {}
        self._chosen: dict[str, str] | None = None

    @property
    def path(self) -> Path:
        """The file of the keys that a person changed."""
        if self._path is None:
            from platformdirs import user_config_path

            self._path = user_config_path("napari-centermask", appauthor=False) / "keys.json"
        return self._path

    def add(self, action: Action) -> Action:
        """Put an action into the table, or in the place of the one of its name."""
        self.actions[action.name] = action
        self.changed.emit(action.name)
        return action

    def key(self, name: str) -> str:
        """The key of an action; empty for none."""
        return self._read().get(name, self.actions[name].key)

    def set_key(self, name: str, key: str) -> None:
        """Give an action another key, empty for none; it is kept.

        Raises
        ------
        BadKey
            If there is no such key, or it is taken by another action, by the viewer or by the label layer.
        """
        key = self._free(name, key) if key else ""
        chosen = {**self._read(), name: key}
        if key == self.actions[name].key:
            del chosen[name]
        self._chosen = chosen
        self._write()
        self.changed.emit(name)

    def reset(self) -> None:
        """Go back to the default keys."""
        names, self._chosen = list(self._read()), {}
        self._write()
        for name in names:
            if name in self.actions:
                self.changed.emit(name)

    def _free(self, name: str, key: str) -> str:
        if not is_key(key):
            raise BadKey(f"'{key}' is not a key. Type one such as K, Shift-G or Control-5.")
        binding = coerce_keybinding(key)
        for other, action in self.actions.items():
            taken = [k for k in (self.key(other), *action.also) if k]
            if other != name and binding in map(coerce_keybinding, taken):
                raise BadKey(
                    f"{key} is already used for '{action.title}'. Choose another key, or change that one first."
                )
        if binding in map(coerce_keybinding, (self.actions[name].key, *self.actions[name].also)):
            return key
        user = napari_keys().get(str(binding))
        if user is not None:
            raise BadKey(f"napari uses {key}: {user}. Choose another key.")
        return key

    def _read(self) -> dict[str, str]:
        if self._chosen is None:
            try:
                stored = json.loads(self.path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                stored = {}
            pairs = stored.items() if isinstance(stored, dict) else ()
            self._chosen = {_RENAMED.get(n, n): k for n, k in pairs if isinstance(k, str) and is_key(k)}
        return self._chosen

    def _write(self) -> None:
        try:
            with whole_file(self.path) as part:
                part.write_text(json.dumps(self._chosen, indent=1), encoding="utf-8")
        except CannotSave as error:
            from napari.utils.notifications import show_warning

            show_warning(f"{error} Until then, your keys apply until napari is closed.")


KEYS = Keys()
