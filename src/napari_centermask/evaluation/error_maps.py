"""Pictures of what a segmentation got right and wrong, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.normalise import RANGE
from napari_centermask.evaluation.matching import inside_any, match, pair
from napari_centermask.io.whole_file import whole_file

COLOURS = {
    "true": (60, 180, 75),
    "missed": (66, 135, 245),
    "false": (230, 45, 45),
    "merged": (245, 190, 30),
    "split": (200, 70, 230),
    "unknown": (150, 150, 150),
}
"""true: matched; missed: annotated, not found; false: found, not annotated; merged: one cell over several annotated ones;
split: one of several cells within one annotated cell; unknown: found where nobody
annotated, in the legend only where there is such a cell."""
CONTAINED = 0.5
"""A cell is part of another if at least this fraction of its area lies in it."""


def classify(
    truth: list[Instance], predicted: list[Instance], *, unknown: Sequence[Instance] = (), threshold: float = 0.5
) -> tuple[list[str], list[str]]:
    """Assign a key of `COLOURS` to each annotated and each predicted cell.

    Returns
    -------
    truth
        "true", "missed", "merged" or "split".
    predicted
        "true", "false", "merged", "split", or "unknown" for what is not matched and lies for the most part in an unknown region.
    """
    pairs = pair(truth, predicted)
    t, p, _ = match(pairs, threshold)
    of_truth = ["missed"] * len(truth)
    of_predicted = ["unknown" if part >= 0.5 else "false" for part in inside_any(predicted, unknown)]
    area_t, area_p = np.array([i.area for i in truth]), np.array([i.area for i in predicted])
    if len(pairs.truth):
        in_predicted = pairs.shared / area_t[pairs.truth] >= CONTAINED
        in_truth = pairs.shared / area_p[pairs.predicted] >= CONTAINED
        holds = np.bincount(pairs.predicted[in_predicted], minlength=len(predicted))
        parts = np.bincount(pairs.truth[in_truth], minlength=len(truth))
        for a, b, covers, lies in zip(pairs.truth, pairs.predicted, in_predicted, in_truth, strict=True):
            if covers and holds[b] > 1:
                of_truth[a] = of_predicted[b] = "merged"
            elif lies and parts[a] > 1:
                of_truth[a] = of_predicted[b] = "split"
    for a, b in zip(t, p, strict=True):
        of_truth[a] = of_predicted[b] = "true"
    return of_truth, of_predicted


def error_map(
    image: np.ndarray,
    truth: Instances,
    predicted: Instances,
    *,
    unknown: Sequence[Instance] = (),
    threshold: float = 0.5,
) -> np.ndarray:
    """Draw predicted cells filled and annotated ones as outlines, coloured by kind, with a legend.

    Parameters
    ----------
    image
        (C, H, W).
    unknown
        Regions that nobody annotated.

    Returns
    -------
    numpy.ndarray
        (H + legend, W, 3) uint8.
    """
    true_cells, predicted_cells = list(truth), list(predicted)
    of_truth, of_predicted = classify(true_cells, predicted_cells, unknown=unknown, threshold=threshold)
    canvas = _grey(image)
    for cell, kind in zip(predicted_cells, of_predicted, strict=True):
        y0, x0, y1, x1 = cell.box
        window = canvas[y0:y1, x0:x1]
        window[cell.mask] = 0.55 * window[cell.mask] + 0.45 * np.array(COLOURS[kind])
    for cell, kind in zip(true_cells, of_truth, strict=True):
        y0, x0, y1, x1 = cell.box
        canvas[y0:y1, x0:x1][_edge(cell.mask)] = COLOURS[kind]
    return _with_legend(canvas.astype(np.uint8), of_truth, of_predicted)


def write_error_map(
    path: Path, image: np.ndarray, truth: Instances, predicted: Instances, *, unknown: Sequence[Instance] = ()
) -> None:
    """Write `error_map` as PNG."""
    with whole_file(path) as part:
        Image.fromarray(error_map(image, truth, predicted, unknown=unknown)).save(part, format="PNG")


def _grey(image: np.ndarray) -> np.ndarray:
    grey = np.nan_to_num(image.astype(np.float64)).mean(axis=0)
    low, high = np.percentile(grey, RANGE)
    grey = np.clip((grey - low) / max(high - low, 1e-9), 0, 1) * 255
    return np.repeat(grey[..., None], 3, axis=2)


def _edge(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _with_legend(canvas: np.ndarray, of_truth: list[str], of_predicted: list[str]) -> np.ndarray:
    counts = {
        "true": of_truth.count("true"),
        "missed": of_truth.count("missed"),
        "false": of_predicted.count("false"),
        "merged": of_predicted.count("merged"),
        "split": of_truth.count("split"),
    }
    if "unknown" in of_predicted:
        counts["unknown"] = of_predicted.count("unknown")
    per_line = max(1, canvas.shape[1] // 92)
    lines = -(-len(counts) // per_line)
    legend = Image.new("RGB", (canvas.shape[1], 16 * lines + 4), (20, 20, 20))
    draw = ImageDraw.Draw(legend)
    for i, (kind, n) in enumerate(counts.items()):
        x, y = 4 + 92 * (i % per_line), 2 + 16 * (i // per_line)
        draw.rectangle([x, y + 3, x + 9, y + 12], fill=COLOURS[kind])
        draw.text((x + 13, y + 1), f"{kind} {n}", fill=(230, 230, 230))
    return np.concatenate([canvas, np.asarray(legend)])
