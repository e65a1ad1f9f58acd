"""Label layers, new ones and used ones that become as good as new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels

_AS_NEW = {"mode": "pan_zoom", "visible": True, "blending": "translucent", "contour": 0, "show_selected_label": False}


class MakesLabels(Protocol):
    """What makes a label layer for a role, such as showing cells; see `viewer.canvas.Canvas.labels`."""

    def __call__(self, data: np.ndarray, *, role: str, **fields: Any) -> Labels: ...


def label_layer(data: np.ndarray, *, role: str = "", **fields: Any) -> Labels:
    """A new label layer; the role does not matter."""
    from napari.layers import Labels

    return Labels(data, **fields)


def renew(layer: Labels, data: np.ndarray, **fields: Any) -> Labels:
    """Give a used layer, which stays in the viewer, other data of as many axes and other fields; nothing of before is left."""
    for name, value in _AS_NEW.items():
        _set(layer, name, value)
    layer.data = data
    layer._reset_history()
    layer.features = {}
    for name, value in fields.items():
        _set(layer, name, value)
    return layer


def _set(layer: Labels, name: str, value: Any) -> None:
    """Set a field that is another one: setting one that is not draws the layer again."""
    if name in ("colormap", "metadata") or not _same(getattr(layer, name), value):
        setattr(layer, name, value)


def _same(a: Any, b: Any) -> bool:
    a, b = (getattr(v, "affine_matrix", v) for v in (a, b))
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else a == b
