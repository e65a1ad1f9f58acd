"""Tiles for training: random windows of annotated images at the model's cell size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PIL import Image

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Box, Instance, Instances
from napari_centermask.core.normalise import normalise
from napari_centermask.settings import TrainSettings
from napari_centermask.training import augment
from napari_centermask.training.paste_cells import cut_cells, paste_cells

# A cell cut by the tile is learned when this much of it is seen, and ignored below.
VISIBLE_PART = 0.3
VISIBLE_PIXELS = 12


@dataclass(frozen=True)
class Sample:
    """One annotated image, decoded.

    Attributes
    ----------
    image
        (C, H, W) uint8, uint16 or float32.
    instances
        Its cells.
    lo, hi
        (C,) float32 from `core.normalise.intensity_range`.
    folder, name
        The data folder's name and the image's file name.
    reviewed
        Rectangles (y0, x0, y1, x1) in which the cells are complete; None for the whole image.
    doubtful
        Cells that nobody looked at.
    names
        Of the channels, as the file tells them; empty if it does not.
    """

    image: np.ndarray
    instances: Instances
    lo: np.ndarray
    hi: np.ndarray
    folder: str = ""
    name: str = ""
    reviewed: tuple[Box, ...] | None = None
    doubtful: tuple[Instance, ...] = ()
    names: tuple[str, ...] = ()

    @cached_property
    def known_part(self) -> float:
        """About the part of the image that teaches something: reviewed, or in a cell."""
        if self.reviewed is None:
            return 1.0
        boxes = np.concatenate([self.boxes, np.array(self.reviewed, np.int64).reshape(-1, 4)])
        area = float(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sum())
        return min(1.0, area / self.image[0].size)

    @cached_property
    def boxes(self) -> np.ndarray:
        """(N, 4) int64 (y0, x0, y1, x1), half-open."""
        return np.array([i.box for i in self.instances], dtype=np.int64).reshape(-1, 4)

    @cached_property
    def cells(self) -> list[Instance]:
        """The instances in order, as a list."""
        return list(self.instances)

    @cached_property
    def diameter(self) -> float | None:
        """Median diameter in pixels of the cells that the border does not cut; None without cells."""
        if not self.cells:
            return None
        height, width = self.image.shape[1:]
        y0, x0, y1, x1 = self.boxes.T
        inside = (y0 > 0) & (x0 > 0) & (y1 < height) & (x1 < width)
        diameters = np.array([cell.diameter for cell in self.cells])
        return float(np.median(diameters[inside] if inside.sum() >= 3 else diameters))


@dataclass(frozen=True)
class TrainTile:
    """A tile as the network and its losses see it.

    Attributes
    ----------
    image
        (C, T, T) float32, normalised.
    boxes
        (N, 4) float32 (x0, y0, x1, y1) of each cell's visible part, tile pixels.
    classes
        (N,) int64, index into the model's categories.
    masks
        (N, T, T) uint8 of 0 and 1.
    ignore
        (M, 4) float32, boxes of cells of which too little is visible.
    unreviewed
        (T, T) uint8, 1 where background is not known to be background; None where all is known.
    """

    image: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    masks: np.ndarray
    ignore: np.ndarray
    unreviewed: np.ndarray | None = None


@dataclass(frozen=True)
class Window:
    """The square of an image that becomes a tile.

    Tile pixel edge t lies at image coordinate `x0 + t / scale`.
    """

    y0: float
    x0: float
    scale: float
    side: int

    def inside(self, origin: float, length: int) -> tuple[int, int]:
        """Tile pixels [start, stop) of one axis whose whole area lies in an image of this length."""
        start = max(0, math.ceil(-origin * self.scale - 1e-6))
        stop = min(self.side, math.floor((length - origin) * self.scale + 1e-6))
        return start, max(start, stop)


def cut_image(image: np.ndarray, window: Window) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Crop, then resize with Pillow's antialiased bilinear filter, as the pipeline does.

    Returns
    -------
    pixels
        (C, h, w) float32, raw intensities of the tile's part that lies in the image.
    part
        (y0, x0, y1, x1) of that part in tile pixels.
    """
    height, width = image.shape[1:]
    ty0, ty1 = window.inside(window.y0, height)
    tx0, tx1 = window.inside(window.x0, width)
    rows = _source(window.y0, ty0, ty1, window.scale, height)
    cols = _source(window.x0, tx0, tx1, window.scale, width)
    crop = image[:, rows[0] : rows[1], cols[0] : cols[1]]
    box = (cols[2], rows[2], cols[3], rows[3])
    planes = [_resize(plane, (tx1 - tx0, ty1 - ty0), box) for plane in crop]
    return np.stack(planes), (ty0, tx0, ty1, tx1)


def _source(origin: float, start: int, stop: int, scale: float, length: int) -> tuple[int, int, float, float]:
    """Image pixels [first, last) to read, with the filter's margin, and the exact range within them."""
    a, b = max(0.0, origin + start / scale), min(float(length), origin + stop / scale)
    margin = math.ceil(max(1.0, 1 / scale)) + 1
    first, last = max(0, math.floor(a) - margin), min(length, math.ceil(b) + margin)
    return first, last, a - first, b - first


def _resize(plane: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def cut_mask(cell: Instance, window: Window) -> tuple[int, int, np.ndarray]:
    """A cell in tile pixels: (y0, x0) of its crop, not cut at the tile's border, and the (h, w) uint8 mask.

    Resized like the image and cut at one half, so that both stay in register.
    """
    y0, x0, y1, x1 = cell.box
    s = window.scale
    ty0, tx0 = math.floor((y0 - window.y0) * s), math.floor((x0 - window.x0) * s)
    ty1, tx1 = math.ceil((y1 - window.y0) * s), math.ceil((x1 - window.x0) * s)
    margin = math.ceil(1 / s) + 1
    padded = np.pad(cell.mask.view(np.uint8) * np.uint8(255), margin)
    box = (
        window.x0 + tx0 / s - x0 + margin,
        window.y0 + ty0 / s - y0 + margin,
        window.x0 + tx1 / s - x0 + margin,
        window.y0 + ty1 / s - y0 + margin,
    )
    box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], padded.shape[1]), min(box[3], padded.shape[0]))
    size = (max(1, tx1 - tx0), max(1, ty1 - ty0))
    small = Image.fromarray(padded).resize(size, Image.Resampling.BILINEAR, box=box)
    return ty0, tx0, (np.asarray(small) >= 128).view(np.uint8)


def cut_cells_of(
    sample: Sample, window: Window, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The cells of a window.

    Parameters
    ----------
    classes
        (N,) int64 of all the sample's cells.

    Returns
    -------
    boxes, classes, masks, ignore
        As in `TrainTile`.
    """
    side, s = window.side, window.scale
    exact = (sample.boxes - np.array([window.y0, window.x0] * 2)) * s
    near = (exact[:, :2] < side - 1e-3).all(axis=1) & (exact[:, 2:] > 1e-3).all(axis=1)
    height, width = sample.image.shape[1:]
    boxes, kinds, masks, ignore = [], [], [], []
    for n in np.flatnonzero(near):
        ty, tx, small = cut_mask(sample.cells[n], window)
        (ry, py), (rx, px) = (_clip(t, length, side) for t, length in zip((ty, tx), small.shape, strict=True))
        part = small[py, px]
        seen, total = int(part.sum()), int(small.sum())
        y0, x0, y1, x1 = sample.boxes[n]
        at_border = y0 == 0 or x0 == 0 or y1 == height or x1 == width
        whole = seen == total
        box = exact[n][[1, 0, 3, 2]]
        if not whole and seen:
            box = augment.boxes_of(part[None])[0] + np.array([rx.start, ry.start] * 2)
        if seen < VISIBLE_PIXELS or (seen < VISIBLE_PART * total and not at_border):
            ignore.append(np.clip(box, 0, side))
            continue
        full = np.zeros((side, side), dtype=np.uint8)
        full[ry, rx] = part
        boxes.append(np.clip(box, 0, side))
        kinds.append(classes[n])
        masks.append(full)
    return (
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(kinds, dtype=np.int64),
        np.array(masks, dtype=np.uint8).reshape(-1, side, side),
        np.array(ignore, dtype=np.float32).reshape(-1, 4),
    )


def cut_unreviewed(sample: Sample, window: Window) -> np.ndarray | None:
    """Where a window shows what nobody reviewed, (side, side) uint8; None for an image that is annotated in full.

    What lies outside of the image is known to be empty, and in a reviewed region doubtful cells are not known.
    """
    if sample.reviewed is None:
        return None
    height, width = sample.image.shape[1:]
    unknown = np.zeros((window.side, window.side), dtype=np.uint8)
    unknown[_within((0, 0, height, width), window)] = 1
    for box in sample.reviewed:
        unknown[_within(box, window)] = 0
    for cell in sample.doubtful:
        ty, tx, small = cut_mask(cell, window)
        (ry, py), (rx, px) = (_clip(t, n, window.side) for t, n in zip((ty, tx), small.shape, strict=True))
        unknown[ry, rx] |= small[py, px]
    return unknown


def _within(box: Box, window: Window) -> tuple[slice, slice]:
    """The tile pixels of an image rectangle."""
    edges = (np.array(box) - np.array([window.y0, window.x0] * 2)) * window.scale
    y0, x0, y1, x1 = np.clip(np.round(edges), 0, window.side).astype(int)
    return slice(y0, y1), slice(x0, x1)


def _clip(start: int, length: int, side: int) -> tuple[slice, slice]:
    """Where a run of pixels lies in the tile, and which of its pixels these are."""
    first, last = max(0, start), max(0, min(side, start + length))
    last = max(first, last)
    return slice(first, last), slice(first - start, last - start)


class TileSampler:
    """Random training tiles; tile `index` depends on (seed, index) alone, not on who asks for it.

    Parameters
    ----------
    folders
        Samples of each data folder, in the settings' order.
    settings
        Tile side, diameter, augmentation, categories, weights and seed.

    Raises
    ------
    BadSettings
        If there is nothing to draw from, or the images' channels do not fit the model.
    """

    def __init__(self, folders: list[list[Sample]], settings: TrainSettings) -> None:
        self.folders, self.settings = folders, settings
        _check(folders, settings)
        self._diameters = [folder_diameter(folder, settings.diameter) for folder in folders]
        tiles = [
            np.array([self._area(sample, number) for sample in folder]) / settings.tile**2
            for number, folder in enumerate(folders)
        ]
        shares = [np.maximum(t, 1.0) for t in tiles]
        self._folder_weights = _folder_weights([float(s.sum()) for s in shares], settings)
        self._classes = [[_class_indices(s, settings.model.categories) for s in folder] for folder in folders]
        self._rarity = None
        if settings.oversample:
            self._rarity = rarity(self._classes, len(settings.model.categories), settings.oversample)
            shares = [
                s * [_mean(self._rarity[c]) for c in kinds] for s, kinds in zip(shares, self._classes, strict=True)
            ]
        self._image_weights = [s / s.sum() for s in shares]

    def _area(self, sample: Sample, folder: int) -> float:
        """Pixels of the image at the model's cell size."""
        scale = self.settings.diameter / (sample.diameter or self._diameters[folder])
        return sample.image[0].size * sample.known_part * scale**2

    def __getitem__(self, index: int) -> TrainTile:
        """Tile number `index` of the endless sequence."""
        return self.draw(np.random.default_rng((self.settings.seed, index)))

    def draw(self, rng: np.random.Generator) -> TrainTile:
        """One random, augmented tile."""
        folder = int(rng.choice(len(self.folders), p=self._folder_weights))
        tile = self._cut(folder, rng)
        if self.settings.augment.elastic and rng.random() < 0.3:
            tile = _bent(tile, self.settings.augment.elastic * rng.random(), rng)
        if len(tile.image) != 3 and rng.random() < self.settings.augment.copy_paste:
            tile = self._paste(tile, folder, rng)
        image = augment.appearance(tile.image, rng, self.settings.augment)
        if self.settings.augment.drop_channel:
            image = augment.drop_channel(image, rng, self.settings.augment.drop_channel)
        channels = self.settings.model.in_channels
        if len(image) == 1 and channels > 1:
            image = np.repeat(image, channels, axis=0)
        return replace(tile, image=image)

    def _cut(self, folder: int, rng: np.random.Generator) -> TrainTile:
        """A window of a random image, turned and mirrored, its intensities as they are."""
        number = int(rng.choice(len(self.folders[folder]), p=self._image_weights[folder]))
        sample, settings = self.folders[folder][number], self.settings
        angle = float(rng.uniform(-1, 1) * settings.augment.rotate)
        side = augment.rotated_side(settings.tile, angle) if angle else settings.tile
        scale = settings.diameter / (sample.diameter or self._diameters[folder])
        rare = None if self._rarity is None else self._rarity[self._classes[folder][number]]
        window = choose_window(sample, scale * random_zoom(rng, settings.augment.scale), side, rng, weights=rare)
        pixels, part = cut_image(sample.image, window)
        image = _pad(normalise(pixels, sample.lo, sample.hi), part, side, rng)
        if settings.model.in_channels == 1 and len(image) == 3:
            image = image.mean(axis=0, keepdims=True)
        boxes, classes, masks, ignore = cut_cells_of(sample, window, self._classes[folder][number])
        unreviewed = cut_unreviewed(sample, window)
        if angle:
            return _rotated(TrainTile(image, boxes, classes, masks, ignore, unreviewed), angle, settings.tile)
        if settings.augment.flip:
            flip, turns = bool(rng.random() < 0.5), int(rng.integers(4))
            ignore = augment.flip_turn(image, ignore, masks, flip=flip, turns=turns)[1]
            image, boxes, masks = augment.flip_turn(image, boxes, masks, flip=flip, turns=turns)
            if unreviewed is not None:
                unreviewed = augment.flip_turn(unreviewed, boxes[:0], masks[:0], flip=flip, turns=turns)[0]
        return TrainTile(image, boxes, classes, masks, ignore, unreviewed)

    def _paste(self, tile: TrainTile, folder: int, rng: np.random.Generator) -> TrainTile:
        """Cells of this tile, or of another one of the folder, added to it."""
        donor = tile if rng.random() < 0.5 else self._cut(folder, rng)
        if len(donor.image) != len(tile.image):  # a folder may hold grey images beside coloured ones
            donor = tile
        whole = cut_cells(donor.image, donor.boxes, donor.classes, donor.masks)
        image, boxes, classes, masks = paste_cells(
            tile.image, tile.boxes, tile.classes, tile.masks, donors=whole, rng=rng
        )
        return replace(tile, image=image, boxes=boxes, classes=classes, masks=masks)


def rarity(classes: list[list[np.ndarray]], n_classes: int, strength: float) -> np.ndarray:
    """(n_classes,) how much more often cells of each class are drawn: the inverse of their part, to a power."""
    counts = np.bincount(np.concatenate([k for folder in classes for k in folder]), minlength=n_classes)
    return (counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))) ** strength


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 1.0


def _folder_weights(tiles: list[float], settings: TrainSettings) -> np.ndarray:
    """How often each folder is drawn: the data's by their weights or tiles, the replay folders together their part."""
    n = len(tiles) - len(settings.replay)
    own = np.array(settings.weights or tiles[:n], dtype=float)
    own = own / own.sum()
    if not settings.replay:
        return own
    known = np.array(tiles[n:])
    return np.concatenate([(1 - settings.replay_part) * own, settings.replay_part * known / known.sum()])


def random_zoom(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Half of the draws close to 1 (log-normal, sigma 0.15), the others log-uniform over `limits`."""
    if rng.random() < 0.5:
        return float(np.clip(np.exp(rng.normal(0, 0.15)), *limits))
    return float(np.exp(rng.uniform(*np.log(limits))))


def choose_window(
    sample: Sample, scale: float, side: int, rng: np.random.Generator, *, weights: np.ndarray | None = None
) -> Window:
    """A random place; in four draws of five it holds at least a part of a cell, else a part of what was reviewed.

    `weights` (N,) says how often each cell is the one. An image larger than the window is left by at most a twelfth of the
    window, a smaller one lies anywhere in it.
    """
    length = side / scale
    origin = []
    target = None
    if len(sample.boxes) and rng.random() < 0.8:
        n = len(sample.boxes)
        target = sample.boxes[int(rng.integers(n) if weights is None else rng.choice(n, p=weights / weights.sum()))]
    if target is None and sample.reviewed:
        y0, x0, y1, x1 = sample.reviewed[int(rng.integers(len(sample.reviewed)))]
        y, x = rng.uniform(y0, y1), rng.uniform(x0, x1)
        target = (y, x, y, x)
    for axis, extent in enumerate(sample.image.shape[1:]):
        beyond = length / 12 if rng.random() < 0.3 else 0.0
        low, high = (
            sorted((-beyond, extent - length + beyond)) if extent < length else (-beyond, extent - length + beyond)
        )
        if target is None:
            start = rng.uniform(low, high)
        else:
            centre = (target[axis] + target[axis + 2]) / 2
            start = centre - length * rng.uniform(0.1, 0.9)
        origin.append(float(np.clip(start, low, high)))
    return Window(origin[0], origin[1], scale, side)


def _pad(image: np.ndarray, part: tuple[int, int, int, int], side: int, rng: np.random.Generator) -> np.ndarray:
    """Fill what lies outside the image: the border's pixels, or the background's level."""
    y0, x0, y1, x1 = part
    if (y0, x0, y1, x1) == (0, 0, side, side):
        return image
    widths = ((0, 0), (y0, side - y1), (x0, side - x1))
    if rng.random() < 0.5:
        return np.pad(image, widths, mode="edge")
    padded = np.pad(image, widths)
    if rng.random() < 0.5:
        return padded
    outside = np.ones((side, side), dtype=bool)
    outside[y0:y1, x0:x1] = False
    padded[:, outside] = np.median(image[:, ::4, ::4], axis=(1, 2))[:, None]
    return padded


def _rotated(tile: TrainTile, angle: float, side: int) -> TrainTile:
    area = tile.masks.sum(axis=(1, 2))
    unreviewed = tile.unreviewed
    if unreviewed is not None:
        unreviewed = augment.rotate(tile.image[:1], unreviewed[None], angle, side=side)[1][0]
    image, masks = augment.rotate(tile.image, tile.masks, angle, side=side)
    seen = masks.sum(axis=(1, 2))
    boxes = augment.boxes_of(masks)
    keep = (seen >= VISIBLE_PIXELS) & (seen >= VISIBLE_PART * area)
    ignore = boxes[~keep & (seen > 0)]
    return TrainTile(image, boxes[keep], tile.classes[keep], masks[keep], ignore, unreviewed)


def _bent(tile: TrainTile, strength: float, rng: np.random.Generator) -> TrainTile:
    """The tile under an elastic deformation; cells that leave it are no longer there."""
    shift = augment.shift_field(tile.image.shape[1:], strength, rng)
    masks = augment.bend_masks(tile.masks, tile.boxes, shift)
    keep = masks.sum(axis=(1, 2)) >= VISIBLE_PIXELS
    unreviewed = tile.unreviewed
    if unreviewed is not None:
        unreviewed = (augment.bend(unreviewed[None].astype(np.float32), shift)[0] >= 0.5).astype(np.uint8)
    side = tile.image.shape[1]
    ignore = np.clip(tile.ignore + np.array([-1, -1, 1, 1], np.float32) * np.float32(strength), 0, side)
    boxes = augment.boxes_of(masks[keep])
    return TrainTile(augment.bend(tile.image, shift), boxes, tile.classes[keep], masks[keep], ignore, unreviewed)


def _check(folders: list[list[Sample]], settings: TrainSettings) -> None:
    if not folders or not all(folders):
        raise BadSettings("Expected at least one image in each data folder, found an empty one. Check 'data'.")
    n_data = len(folders) - len(settings.replay)
    if settings.weights is not None and len(settings.weights) != n_data:
        raise BadSettings(
            f"Expected one weight for each of {n_data} data folders, got {len(settings.weights)}. Check 'weights'."
        )
    wanted = settings.model.in_channels
    for sample in (s for folder in folders for s in folder):
        channels = len(sample.image)
        if channels not in (1, wanted) and not (channels == 3 and wanted == 1):
            raise BadSettings(
                f"Expected 1 or {wanted} channels, {sample.folder}/{sample.name} has {channels}. "
                "Set 'model.in_channels' to the images' channels."
            )


def folder_diameter(folder: list[Sample], default: float) -> float:
    """Median diameter of a folder's images, for those without cells; `default` without any."""
    known = [sample.diameter for sample in folder if sample.diameter]
    return float(np.median(known)) if known else default


def _class_indices(sample: Sample, categories: list[str]) -> np.ndarray:
    """(N,) int64, index of each cell's category."""
    lookup = class_of(sample.instances.categories, categories)
    return np.array([lookup.get(cell.category, 0) for cell in sample.cells], dtype=np.int64)


def class_of(names: dict[int, str], categories: list[str]) -> dict[int, int]:
    """Category id -> index into the model's categories: by name, else by the order of the ids, else the model's last."""
    order = {id: min(n, len(categories) - 1) for n, id in enumerate(sorted(names))}
    named = {id: categories.index(name) for id, name in names.items() if name in categories}
    return order | named
