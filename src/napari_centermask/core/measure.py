"""Shape, neighbours and intensities of each cell on its own mask, so that overlapping cells are measured whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.cell_shape import LENGTHS, SHAPE, shape_of
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.instances import Box, Instance, Instances
from napari_centermask.core.surroundings import SURROUNDINGS, surroundings
from napari_centermask.core.tools.pairs import around, drawn

BACKGROUNDS = ("ring", "image", "none")
INTENSITY = ("mean", "std", "min", "max", "integrated")
CORRECTED = ("background", "corrected_mean", "corrected_integrated")
# Pixels of a ring: the median of 12 normal values has a standard error of 0.34 of their spread, of 6 of 0.46
_FEWEST = 12
_STRIP = 1024  # rows of an image that is read piece by piece: a choice that limits memory
_SAMPLE = 1 << 22  # pixels to sample for the background of an image: a choice, all of an image of 2048 x 2048


@dataclass(frozen=True)
class Background:
    """What is subtracted from the intensities of a cell.

    Attributes
    ----------
    kind
        "ring": the median around the cell, from `gap` to `gap + width` pixels off its edge and more than `gap` off all
        others; where fewer than 12 such pixels are left, that of the image. "image": the median of the pixels that are
        more than `gap` off all cells. "none".
    gap, width
        Pixels; the defaults are choices: beyond the blur of an edge, and before the next cell in most fields.
    """

    kind: str = "ring"
    gap: int = 2
    width: int = 6

    def __post_init__(self) -> None:
        if self.kind not in BACKGROUNDS:
            raise BadSettings(f"The background must be one of {', '.join(BACKGROUNDS)}, not {self.kind!r}.")
        if self.gap < 0 or self.width < 1:
            raise BadSettings(
                f"The ring needs a gap of 0 or more and a width of 1 or more, not {self.gap} and {self.width}."
            )


def columns(channels: Sequence[str], background: Background, *, pixel_size_um: float | None = None) -> list[str]:
    """Names of the values of `measure`, in order; intensities once per channel: "mean_DAPI"."""
    measures = INTENSITY + (CORRECTED if background.kind != "none" else ())
    size = ["area_um2", *(f"{name}_um" for name in (*LENGTHS, "nearest_centre"))] if pixel_size_um else []
    return [*SHAPE, *SURROUNDINGS, *size, *(f"{m}_{name}" for name in channels for m in measures)]


def measure(
    image: Array,
    cells: Instances,
    *,
    channels: Sequence[str],
    background: Background = Background(),
    pixel_size_um: float | None = None,
) -> Iterator[tuple[Instance, dict[str, float]]]:
    """Measure the cells of one plane, from top to bottom.

    Intensities are those of the image, never scaled; pixels that are not finite are left out.

    Parameters
    ----------
    image
        (C, H, W) array-like, read strip by strip.
    cells
        All cells of the plane: they are measured, and none of them counts as background of another.
    channels
        A name for each channel.

    Yields
    ------
    tuple of Instance and dict
        A cell, and its values by the names of `columns`; NaN where undefined.

    Raises
    ------
    BadImage
        If the image differs in size from the cells, or in number of channels from the names.

    Examples
    --------
    >>> cells = Instances((4, 4))
    >>> _ = cells.add(Instance(1, 1, 1, np.ones((2, 2), bool)))
    >>> ((cell, values),) = measure(np.full((1, 4, 4), 7), cells, channels=["DAPI"], background=Background("none"))
    >>> values["area_px"], values["mean_DAPI"]
    (4.0, 7.0)
    """
    if tuple(image.shape) != (len(channels), *cells.shape):
        expected = " x ".join(map(str, (len(channels), *cells.shape)))
        raise BadImage(
            f"The cells need an image of {expected} (channels, height, width), not "
            f"{' x '.join(map(str, image.shape))}. Choose the image that they belong to."
        )
    ground = None if background.kind == "none" else _ground(image, cells, background.gap)
    margin = 2 * background.gap + background.width + 1  # what is near the ring counts too
    ordered = sorted(cells, key=lambda c: (c.y0, c.x0))
    others = surroundings(cells)
    for _, some in groupby(ordered, key=lambda c: c.y0 // _STRIP):
        strip = list(some)
        low, high = max(0, strip[0].y0 - margin), max(c.box[2] for c in strip) + margin
        pixels = np.asarray(image[:, low:high])
        for cell in strip:
            box = around(cell.box, margin, cells.shape)
            seen = pixels[:, box[0] - low : box[2] - low, box[1] : box[3]]
            values = shape_of(cell) | others[cell.id]
            values |= _in_um(values, pixel_size_um)
            yield cell, values | _intensities(cell, seen, box, cells, channels, background, ground)


def _in_um(values: dict[str, float], pixel_size_um: float | None) -> dict[str, float]:
    """Area and lengths in micrometres; nothing if the size of a pixel is unknown."""
    if not pixel_size_um:
        return {}
    lengths = (*LENGTHS, "nearest_centre")
    area = {"area_um2": values["area_px"] * pixel_size_um**2}
    return area | {f"{name}_um": values[f"{name}_px"] * pixel_size_um for name in lengths}


def _intensities(
    cell: Instance,
    seen: np.ndarray,
    box: Box,
    cells: Instances,
    channels: Sequence[str],
    background: Background,
    ground: np.ndarray | None,
) -> dict[str, float]:
    """Of a window (C, h, w) around a cell."""
    mask = drawn(cell, box)
    values: dict[str, float] = {}
    ring = _ring(mask, box, cells, background) if background.kind == "ring" else None
    for c, name in enumerate(channels):
        inside = _finite(seen[c][mask])
        n = len(inside)
        own = (inside.mean(), inside.std(), inside.min(), inside.max(), inside.sum()) if n else (np.nan,) * 5
        values |= {f"{m}_{name}": float(v) for m, v in zip(INTENSITY, own, strict=True)}
        if ground is not None:
            around_it = _finite(seen[c][ring]) if ring is not None else np.zeros(0)
            level = float(np.median(around_it)) if len(around_it) >= _FEWEST else float(ground[c])
            corrected = level, own[0] - level, own[4] - level * n
            values |= {f"{m}_{name}": float(v) for m, v in zip(CORRECTED, corrected, strict=True)}
    return values


def _ring(mask: np.ndarray, box: Box, cells: Instances, background: Background) -> np.ndarray:
    """(h, w) bool: pixels around a cell that belong to no cell."""
    from scipy.ndimage import distance_transform_edt

    taken = mask.copy()
    for other in cells.meeting(box):
        taken |= drawn(other, box)
    free = distance_transform_edt(~taken) > background.gap if not taken.all() else np.zeros_like(taken)
    return free & (distance_transform_edt(~mask) <= background.gap + background.width)


def _ground(image: Array, cells: Instances, gap: int) -> np.ndarray:
    """(C,) the median outside all cells; NaN if they cover everything. Large images are sampled."""
    height, width = cells.shape
    step = max(1, int(np.ceil(np.sqrt(height * width / _SAMPLE))))
    free = np.ones((len(range(0, height, step)), len(range(0, width, step))), bool)
    for cell in cells:
        y0, x0, y1, x1 = around(cell.box, gap, cells.shape)
        near = _grown(drawn(cell, (y0, x0, y1, x1)), gap)[-y0 % step :: step, -x0 % step :: step]
        rows, cols = -(-y0 // step), -(-x0 // step)
        free[rows : rows + near.shape[0], cols : cols + near.shape[1]] &= ~near
    levels = []
    for channel in range(image.shape[0]):
        values = _finite(np.asarray(image[channel, ::step, ::step])[free])
        levels.append(np.median(values) if len(values) else np.nan)
    return np.array(levels, float)


def _grown(mask: np.ndarray, n: int) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(~mask) <= n if n and not mask.all() else mask


def _finite(values: np.ndarray) -> np.ndarray:
    """As float64, without NaN and infinite values."""
    values = np.asarray(values, np.float64)
    finite: np.ndarray = values[np.isfinite(values)]
    return finite
