"""Names of keys: for napari, for Qt and for people; and the keys that napari uses itself."""

from __future__ import annotations

from napari.utils.key_bindings import coerce_keybinding

# Keys of napari's menus, from the docs of 0.9.2. They never reach a layer.
_MENUS = (
    *(f"Ctrl+{k}" for k in "ONSWQMU,/-=0"),
    *("Ctrl+Shift+O", "Ctrl+Shift+P", "Ctrl+Alt+O", "Ctrl+Alt+P", "Ctrl+Alt+S", "Ctrl+F11", "Alt+S", "Alt+C", "Alt+T"),
    *("Shift+Alt+S", "Shift+Alt+C", "Shift+Alt+T", "Tab"),
)


def is_key(key: str) -> bool:
    """Whether napari knows a key; an empty text means none."""
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
    """A key for people: "Control-Shift-Z" -> "Ctrl ⇧Z"."""
    *modifiers, last = key.rsplit("-", maxsplit=key.count("-")) if key not in ("-", "") else [key]
    signs = [_SIGNS.get(m, m) for m in modifiers]
    return "".join(s if s == "⇧" else f"{s} " for s in signs) + _SIGNS.get(last, last)


def napari_keys() -> dict[str, str]:
    """Keys that napari uses in the viewer and in label layers -> what they do."""
    from napari.layers import Labels
    from napari.viewer import ViewerModel

    keys = dict.fromkeys(_MENUS, "a menu")
    for kind in (Labels, ViewerModel):
        for key, function in kind.class_keymap.items():
            keys[str(key)] = getattr(function, "__name__", "napari").replace("_", " ")
    return keys
