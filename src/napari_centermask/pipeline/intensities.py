"""Whether an image can be segmented at all, asked before the network runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_centermask.core.errors import BadImage
from napari_centermask.settings import SegmentSettings


def check_intensities(image: Any, settings: SegmentSettings) -> None:
    """Refuse what a person would not want segmented: NaN, infinite or constant intensities.

    `segment` itself passes over NaN and finds nothing in a constant image, so that a batch or an evaluation goes on.

    Arrays in memory are looked at whole, lazy ones at a coarse sample.

    Raises
    ------
    BadImage
        Not finite, or constant.
    """
    if image.dtype.kind not in "buif" or min(image.shape[1:]) < 2:
        return
    step = 1 if isinstance(image, np.ndarray) else max(1, max(image.shape[1:]) // 512)
    chosen = [c for c in settings.channels or range(image.shape[0]) if c < image.shape[0]]
    flat = True
    for channel in chosen:
        sample = np.asarray(image[channel, ::step, ::step])
        n_bad = int(np.count_nonzero(~np.isfinite(sample))) if sample.dtype.kind == "f" else 0
        if n_bad:
            raise BadImage(
                f"Expected finite intensities, {n_bad:,} of {sample.size:,} pixels are NaN or infinite. "
                "Replace them, for instance with numpy.nan_to_num."
            )
        flat = flat and sample.min() == sample.max()
    if flat and chosen:
        raise BadImage("Expected an image with contrast, all its pixels are equal. Choose another image or channel.")
