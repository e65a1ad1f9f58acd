"""Check whether an image can be segmented, before the network runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_centermask.core.errors import BadImage
from napari_centermask.core.instances import Box
from napari_centermask.pipeline.model_input import ModelInput

_SAMPLED = 512  # pixels along the longer side of a lazy array: a choice, a quarter of a million in all


def check_intensities(plane: ModelInput, parts: Sequence[Box] | None = None) -> None:
    """Raise an error for NaN, infinite or constant intensities in the channels in use.

    Arrays in memory are checked completely, lazy ones by a coarse sample.

    Parameters
    ----------
    parts
        Only check these boxes (y0, x0, y1, x1); by default the whole plane.

    Raises
    ------
    BadImage
        If intensities are not finite, or constant.
    """
    image = plane.image
    step = 1 if isinstance(image, np.ndarray) else max(1, max(plane.shape) // _SAMPLED)
    boxes = [(0, 0, *plane.shape)] if parts is None else parts
    samples = [np.asarray(image[c, y0:y1:step, x0:x1:step]) for c in plane.ranges for y0, x0, y1, x1 in boxes]
    for sample in samples:
        n_bad = int(np.count_nonzero(~np.isfinite(sample))) if sample.dtype.kind == "f" else 0
        if n_bad:
            raise BadImage(
                f"{n_bad:,} of {sample.size:,} pixels are NaN or infinite. "
                "Replace them, for instance with numpy.nan_to_num."
            )
    if samples and all(sample.min() == sample.max() for sample in samples):
        raise BadImage("The image has no contrast: all its pixels are equal. Choose another image or channel.")
