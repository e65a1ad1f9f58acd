"""One table of what a person can do to cells: buttons, keys and tests use it, and its keys can be changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.key_bindings import coerce_keybinding
from psygnal import Signal

from napari_centermask.core.errors import UserError

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_centermask.widgets.edit.session import EditSession

# Of napari's menus; docs of its 0.9.2. They never reach a layer.
_MENUS = (
    *(f"Ctrl+{k}" for k in "ONSWQMU,/-=0"),
    *("Ctrl+Shift+O", "Ctrl+Shift+P", "Ctrl+Alt+O", "Ctrl+Alt+P", "Ctrl+Alt+S", "Ctrl+F11", "Alt+S", "Alt+C", "Alt+T"),
    *("Shift+Alt+S", "Shift+Alt+C", "Shift+Alt+T", "Tab"),
)


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
        On its button and in the list of keys.
    key
        Its default key as napari writes them: "K", "Shift-G", "Control-Z"; empty for none.
    run
        What it does.
    tip
        What happens, in a sentence.
    needs
        How many cells have to be selected.
    also
        Further keys, which cannot be changed.
    everywhere
        Its key works whatever layer is active.
    """

    name: str
    title: str
    key: str
    run: Callable[[EditSession], object]
    tip: str = ""
    needs: int = 0
    also: tuple[str, ...] = ()
    everywhere: bool = False


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
        if not _is_key(key):
            raise BadKey(f"Expected a key such as K, Shift-G or Control-5, got '{key}'.")
        binding = coerce_keybinding(key)
        for other, action in self.actions.items():
            taken = [k for k in (self.key(other), *action.also) if k]
            if other != name and binding in map(coerce_keybinding, taken):
                raise BadKey(f"{key} is the key of '{action.title}'. Choose another one, or change that first.")
        if binding in map(coerce_keybinding, (self.actions[name].key, *self.actions[name].also)):
            return key
        user = napari_keys().get(str(binding))
        if user is not None:
            raise BadKey(f"{key} is used by napari: {user}. Choose another one.")
        return key

    def _read(self) -> dict[str, str]:
        if self._chosen is None:
            try:
                stored = json.loads(self.path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                stored = {}
            pairs = stored.items() if isinstance(stored, dict) else ()
            self._chosen = {n: k for n, k in pairs if isinstance(n, str) and isinstance(k, str) and _is_key(k)}
        return self._chosen

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps(self._chosen, indent=1), encoding="utf-8")
            part.replace(self.path)
        except OSError as error:
            from napari.utils.notifications import show_warning

            show_warning(
                f"The keys could not be kept in {self.path}: {error.strerror}. They hold until napari is closed."
            )


def _is_key(key: str) -> bool:
    """Whether napari knows such a key; empty stands for none."""
    try:
        return not key or all(part.key.name != "UNKNOWN" for part in coerce_keybinding(key).parts)
    except (ValueError, KeyError, TypeError):
        return False


_QT_NAMES = {
    "Ctrl": "Control",
    "PgUp": "PageUp",
    "PgDown": "PageDown",
    "Del": "Delete",
    "Esc": "Escape",
    "Return": "Enter",
}
_SIGNS = {"Control": "Ctrl", "PageUp": "PgUp", "PageDown": "PgDn", "Delete": "Del", "Escape": "Esc", "Shift": "⇧"}


def napari_name(key: str) -> str:
    """A key as napari writes it, from Qt's portable text: "Ctrl+Shift+G" -> "Control-Shift-G"."""
    parts = [p for p in key.replace("++", "+plus").split("+") if p]
    return "-".join(_QT_NAMES.get(p, "+" if p == "plus" else p) for p in parts)


def pretty_key(key: str) -> str:
    """A key as a person reads it: "Control-Shift-Z" -> "Ctrl ⇧Z"."""
    *modifiers, last = key.rsplit("-", maxsplit=key.count("-")) if key not in ("-", "") else [key]
    signs = [_SIGNS.get(m, m) for m in modifiers]
    return "".join(s if s == "⇧" else f"{s} " for s in signs) + _SIGNS.get(last, last)


def napari_keys() -> dict[str, str]:
    """Keys that napari uses where cells are corrected, in the viewer and in label layers -> what they do there."""
    from napari.layers import Labels
    from napari.viewer import ViewerModel

    found = dict.fromkeys(_MENUS, "a menu")
    for kind in (Labels, ViewerModel):
        for key, function in kind.class_keymap.items():
            found[str(key)] = getattr(function, "__name__", "napari").replace("_", " ")
    return found


KEYS = Keys()


class KeyBinder:
    """Binds the keys of the actions to the layers of one correction; follows changes of the keys."""

    def __init__(self, edits: EditSession, *, keys: Keys = KEYS) -> None:
        self._edits, self._keys = edits, keys
        self._bound: list[tuple[object, str]] = []

    def bind(self, layers: list[Layer]) -> None:
        """Bind the keys to these layers, and those that work everywhere to the viewer."""
        self.release()
        self._layers = layers
        self._keys.changed.connect(self._on_changed)
        self._bind_all()

    def release(self) -> None:
        """Give all keys back."""
        self._keys.changed.disconnect(self._on_changed, missing_ok=True)
        self._unbind()

    def _on_changed(self, name: str) -> None:
        self._unbind()
        self._bind_all()

    def _bind_all(self) -> None:
        for name, action in self._keys.actions.items():
            targets = [*self._layers, *([self._edits.session.viewer] if action.everywhere else [])]
            for key in filter(None, (self._keys.key(name), *action.also)):
                for target in targets:
                    target.bind_key(key, _function(self._edits, action), overwrite=True)
                    self._bound.append((target, key))

    def _unbind(self) -> None:
        for target, key in self._bound:
            if target is not None:
                target.bind_key(key, None)
        self._bound = []


def _function(edits: EditSession, action: Action) -> Callable[[object], None]:
    """What napari binds to a key: a function with a name."""

    def run(_: object) -> None:
        perform(edits, action)

    run.__name__ = action.name
    return run


def perform(edits: EditSession, action: Action) -> None:
    """Run an action by key or button; says what is missing instead if too few cells are selected."""
    from napari.utils.notifications import show_info

    if len(edits.selected) < action.needs:
        many = "a cell" if action.needs == 1 else f"{action.needs} cells or more: Shift adds to the selection"
        show_info(f"{action.title}: select {many} first.")
        return
    try:
        action.run(edits)
    except UserError as error:
        show_info(str(error))
