"""The table of actions on cells, for buttons, keys and tests; its keys can be changed."""

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
    """An action of the Correct dock.

    Attributes
    ----------
    name
        Its name in code and in the file of keys: "split_line".
    title
        Its title in messages and in the list of keys: "Split along a line".
    key
        Its default key in napari's notation: "K", "Shift-G", "Control-Z"; empty for none.
    run
        The function to call.
    tip
        What it does, in a sentence.
    needs
        Number of cells that must be selected.
    group
        Its theme: the heading of its button among the tools, and of its key in the list of all keys.
    label
        Text of its button among the tools, and beside the pointer; without one, it has no button there.
    also
        Further keys, which cannot be changed.
    everywhere
        Whether its key works whatever layer is active.
    in_view
        Whether it only works in 2D with the axes in their order.
    changes
        Whether it changes cells, or how painting does; not possible in a read-only project.
    interrupts
        Whether a stroke, polygon or drawing in progress is finished first; otherwise, the action handles it.
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
    changes: bool = True
    interrupts: bool = True


class Keys:
    """The actions by name, and the key of each; changed keys are kept in a file.

    Attributes
    ----------
    changed
        Emitted with the name of an action that was added or got another key.
    """

    changed = Signal(str)

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.actions: dict[str, Action] = {}
        self._chosen: dict[str, str] | None = None

    @property
    def path(self) -> Path:
        """The file of changed keys."""
        if self._path is None:
            from platformdirs import user_config_path

            self._path = user_config_path("napari-centermask", appauthor=False) / "keys.json"
        return self._path

    def add(self, action: Action) -> Action:
        """Add an action, or replace the one of the same name."""
        self.actions[action.name] = action
        self.changed.emit(action.name)
        return action

    def key(self, name: str) -> str:
        """The key of an action; empty for none."""
        return self._read().get(name, self.actions[name].key)

    def set_key(self, name: str, key: str) -> None:
        """Give an action another key, empty for none, and save it.

        Raises
        ------
        BadKey
            If there is no such key, or another action, the viewer or the label layer uses it.
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
