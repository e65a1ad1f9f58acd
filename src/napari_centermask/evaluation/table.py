"""The table of an evaluation for the screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from napari_centermask.core.counted import counted
from napari_centermask.evaluation.report import Report
from napari_centermask.evaluation.training_curve import ApPoint


def format_table(report: Report) -> str:
    """A table for the screen."""
    data = report.to_json()
    parts = (_head(data), _cells(data), _by_size(data["coco_by_size"]), _class_map(data["class_map"]))
    lines = [*(line for part in parts for line in part), *_categories(data["per_category"])]
    if data["seconds_per_image"] is not None:
        lines += ["", f"{data['seconds_per_image']:.3f} seconds per image"]
    return "\n".join(lines)


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _named(values: Mapping[str, Any], *keys: str) -> str:
    return "   ".join(f"{key} {_show(values[key])}" for key in keys)


def _head(data: Mapping[str, Any]) -> list[str]:
    ap, outlines = data["bioimage_ap"], data["boundary"]
    return [
        f"{counted(data['n_images'], 'image')}, {counted(data['n_instances'], 'annotated cell')}",
        *([data["left_out"]] if data["left_out"] else []),
        "",
        "bioimage AP = TP / (TP + FP + FN), pooled over the images",
        "  IoU       " + "  ".join(f"{k:>6}" for k in ap) + "   mean .50-.90",
        *(
            f"  {title:<10}"
            + "  ".join(map(_show, values["bioimage_ap"].values()))
            + f"   {_show(values['bioimage_ap_mean'])}"
            for title, values in (("AP", data), ("boundary", outlines))
        ),
    ]


def _cells(data: Mapping[str, Any]) -> list[str]:
    groups = {"overlapping cells": data["overlap"]}
    groups |= {"cells cut by the border": data["border"]["cut"], "cells inside": data["border"]["inside"]}
    return [
        "",
        f"at IoU 0.50   {_named(data, 'precision', 'recall', 'f1', 'pq')}",
        "matched cells   mean IoU {}   Dice {}   Boundary IoU {}".format(
            *map(_show, (data["mean_iou_matched"], data["dice_matched"], data["boundary"]["iou_matched"]))
        ),
        f"area of matched cells, predicted / annotated   median {_show(data['area_ratio'])}",
        *(
            f"{title}   n {row['n']}   recall {_show(row['recall50'])}   mean IoU {_show(row['mean_iou'])}"
            for title, row in groups.items()
        ),
        f"COCO (a different measure)   {_named(data['coco'], 'AP', 'AP50', 'AP75', 'AR')}   maxDets {data['coco']['maxDets']}",
    ]


def _by_size(sizes: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, row in sizes.items():
        low, high = (None if area is None else 2 * math.sqrt(area / math.pi) for area in row["area"])
        limits = (
            f"up to {high:.1f} px" if low is None else f"from {low:.1f} px" if high is None else f"to {high:.1f} px"
        )
        lines.append(f"  COCO, {name:<8}{limits:<15}n {row['n']:<8}{_named(row, 'AP', 'AP50')}")
    return lines


def _class_map(values: Mapping[str, Any]) -> list[str]:
    if not values["per_class"]:
        return []
    head = f"pixel accuracy {_show(values['pixel_accuracy'])}   mIoU {_show(values['miou'])}   Dice {_show(values['dice'])}"
    classes = values["per_class"] | ({"any cell": values["foreground"]} if len(values["per_class"]) > 2 else {})
    rows = (f"  {name:<20}IoU {_show(row['iou'])}   Dice {_show(row['dice'])}" for name, row in classes.items())
    return ["", f"class map   {head}", *rows]


def training_lines(points: Sequence[ApPoint], *, most: int = 8) -> list[str]:
    """Lines of AP over the training of a model: at most so many evaluations, the last one among them."""
    step = max(1, -(-len(points) // most))
    lines = ["", "AP on its validation images during the training of the model"] if points else []
    for point in reversed(points[::-1][::step]):
        minutes = "" if point.seconds is None else f"{point.seconds / 60:.1f} min"
        lines.append(f"  step {point.step:<9}{minutes:<12}AP {_show(point.AP)}   AP50 {_show(point.AP50)}")
    return lines


def _categories(rows: Mapping[str, Any]) -> list[str]:
    if len(rows) < 2:
        return []
    lines = ["", f"{'category':<20}{'n':>8}{'precision':>11}{'recall':>9}{'f1':>9}{'COCO AP':>9}"]
    for name, row in rows.items():
        values = [_show(row[k]) for k in ("precision", "recall", "f1", "coco_ap")]
        lines.append(f"{name:<20}{row['n']:>8}{values[0]:>11}{values[1]:>9}{values[2]:>9}{values[3]:>9}")
    return lines
