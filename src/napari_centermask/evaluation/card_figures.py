"""The figures of a model's card beyond AP and F1: outlines, class maps, size of the masks, and cells that the border cuts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DETAILS = (
    ("Boundary IoU", (("boundary_iou",), ("boundary", "iou_matched"))),
    ("bioimage AP of outlines", (("boundary", "bioimage_ap_mean"),)),
    ("mIoU", (("miou",), ("class_map", "miou"))),
    ("pixel accuracy", (("pixel_accuracy",), ("class_map", "pixel_accuracy"))),
    ("Dice", (("dice",), ("class_map", "dice"))),
    ("predicted / annotated area", (("area_ratio",),)),
    ("recall of cells cut by the border", (("border", "cut", "recall50"),)),
    ("mean IoU of cells cut by the border", (("border", "cut", "mean_iou"),)),
    ("recall of cells inside", (("border", "inside", "recall50"),)),
    ("mean IoU of cells inside", (("border", "inside", "mean_iou"),)),
)
"""Name, and where it is: in what an evaluation during the training measures, and in what `Report.to_json` returns."""


def detail_figures(values: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Name and value of each figure that was measured.

    Parameters
    ----------
    values
        One set of figures in a card: `metrics["val"]`, or `metrics["test"][name of the data]`.

    Examples
    --------
    >>> detail_figures({"f1": 0.9, "area_ratio": 0.92, "boundary": {"iou_matched": 0.7}})
    [('Boundary IoU', 0.7), ('predicted / annotated area', 0.92)]
    """
    found = []
    for name, places in _DETAILS:
        number = next((n for n in (_at(values, keys) for keys in places) if n is not None), None)
        if number is not None:
            found.append((name, number))
    return found


def _at(values: object, keys: tuple[str, ...]) -> float | None:
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    return float(values) if isinstance(values, (int, float)) and not isinstance(values, bool) else None
