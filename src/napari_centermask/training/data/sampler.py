"""Tiles for training: random windows of annotated images at the model's cell size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.normalise import normalise
from napari_centermask.core.size_levels import SizeLevel
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data import augment
from napari_centermask.training.data.light import drawn, is_transmitted, optical_density, transmitted
from napari_centermask.training.data.negatives import empty_field, out_of_focus
from napari_centermask.training.data.overlay import laid_over
from napari_centermask.training.data.paste_cells import cut_cells, paste_cells
from napari_centermask.training.data.sample import Sample, class_indices
from napari_centermask.training.data.scales import Scales
from napari_centermask.training.data.tile import TrainTile, bent, rotated
from napari_centermask.training.data.window import Window, cut_cells_of, cut_image, cut_unreviewed, pad

# Chosen, not measured one by one.
BENT = 0.3
"""Fraction of the tiles that are deformed, if elastic deformation is on."""
OWN_DONOR = 0.5
"""Fraction of the tiles that paste their own cells; the others paste cells from elsewhere."""
NEAR_ONE = 0.5, 0.15
"""Fraction of the zooms that are close to 1, and their sigma: cells of one kind vary in size by about that much."""
ON_A_CELL = 0.8
"""Fraction of the windows that contain at least part of a cell; the others show background."""
BEYOND = 0.3, 1 / 12
"""Fraction of the windows that may extend beyond the image, by up to this fraction of their side: its border cuts cells."""
_PLACE = 0.1, 0.9
"""Where in a window the middle of the cell lies that it was drawn for, as parts of its side."""


class TileSampler:
    """Random training tiles; tile `index` depends only on (seed, index), not on the process that asks for it.

    Parameters
    ----------
    folders
        Samples of each data folder, in the settings' order.
    settings
        Tile side, diameter, augmentation, categories, weights and seed.
    levels
        The scales of the run, see `scales.levels_of`.

    Raises
    ------
    BadSettings
        If there are no images, or their channels do not fit the model.
    """

    def __init__(self, folders: list[list[Sample]], settings: TrainSettings, levels: Sequence[SizeLevel] = ()) -> None:
        self.folders, self.settings = folders, settings
        _check(folders, settings)
        self._classes = [[class_indices(s, settings.model.categories) for s in folder] for folder in folders]
        self._scales = Scales(folders, self._classes, levels, settings.model.categories, settings.diameter)
        tiles = [
            np.array([self._area(number, image) for image in range(len(folder))]) / settings.tile**2
            for number, folder in enumerate(folders)
        ]
        shares = [np.maximum(t, 1.0) for t in tiles]
        self._folder_weights = _folder_weights([float(s.sum()) for s in shares], settings)
        self._rarity = None
        if settings.oversample:
            self._rarity = rarity(self._classes, len(settings.model.categories), settings.oversample)
            shares = [
                s * [_mean(self._rarity[c]) for c in kinds] for s, kinds in zip(shares, self._classes, strict=True)
            ]
        self._image_weights = [s / s.sum() for s in shares]

    def _area(self, folder: int, image: int) -> float:
        """Number of pixels of an image at the model's cell size; the mean over the levels."""
        sample, levels = self.folders[folder][image], range(len(self._scales.classes))
        scales = [self.settings.diameter / self._scales.diameter(folder, image, level) for level in levels]
        return sample.area * sample.known_part * float(np.mean(np.square(scales)))

    def __getitem__(self, index: int) -> TrainTile:
        """Tile number `index` of the endless sequence."""
        rng = np.random.default_rng((self.settings.seed, index))
        return replace(self.draw(rng), seed=int(rng.integers(2**31)))

    def draw(self, rng: np.random.Generator) -> TrainTile:
        """One random, augmented tile."""
        folder = int(rng.choice(len(self.folders), p=self._folder_weights))
        tile = self._cut(folder, rng)
        if self.settings.augment.elastic and rng.random() < BENT:
            tile = bent(tile, self.settings.augment.elastic * rng.random(), rng)
        how = self.settings.augment
        pasting = how.paste_colour if len(tile.image) == 3 else how.copy_paste
        if (pasting or len(tile.image) != 3) and rng.random() < pasting:
            tile = self._paste(tile, folder, rng)
        if how.mixup and len(self._scales.classes) == 1 and rng.random() < how.mixup:
            tile = laid_over(tile, self._cut(folder, rng), drawn(rng, how.mixup_light))
        if how.empty and rng.random() < how.empty:
            tile = empty_field(tile, rng)
        elif how.defocus and rng.random() < how.defocus:
            tile = out_of_focus(tile, drawn(rng, how.defocus_blur))
        image = augment.appearance(tile.image, rng, self.settings.augment)
        if self.settings.augment.drop_channel:
            image = augment.drop_channel(image, rng, self.settings.augment.drop_channel)
        channels = self.settings.model.in_channels
        if len(image) == 1 and channels > 1:
            image = np.repeat(image, channels, axis=0)
        return replace(tile, image=image)

    def _cut(self, folder: int, rng: np.random.Generator) -> TrainTile:
        """A window of a random image, rotated and mirrored, with unchanged intensities."""
        number = int(rng.choice(len(self.folders[folder]), p=self._image_weights[folder]))
        sample, settings = self.folders[folder][number], self.settings
        angle = float(rng.uniform(-1, 1) * settings.augment.rotate)
        side = augment.rotated_side(settings.tile, angle) if angle else settings.tile
        level = self._scales.draw(folder, number, rng)
        scale = settings.diameter / self._scales.diameter(folder, number, level)
        rare = self._worth(folder, number, level)
        window = choose_window(sample, scale * random_zoom(rng, settings.augment.scale), side, rng, weights=rare)
        pixels, part = cut_image(sample.image, window)
        image = pad(normalise(pixels, sample.lo, sample.hi), part, side, rng)
        if settings.model.in_channels == 1 and len(image) == 3:
            image = image.mean(axis=0, keepdims=True)
        boxes, classes, masks, ignore = self._of_level(
            level, *cut_cells_of(sample, window, self._classes[folder][number])
        )
        unreviewed = cut_unreviewed(sample, window)
        if angle:
            return rotated(TrainTile(image, boxes, classes, masks, ignore, unreviewed), angle, settings.tile)
        if settings.augment.flip:
            flip, turns = bool(rng.random() < 0.5), int(rng.integers(4))
            ignore = augment.flip_turn(image, ignore, masks, flip=flip, turns=turns)[1]
            image, boxes, masks = augment.flip_turn(image, boxes, masks, flip=flip, turns=turns)
            if unreviewed is not None:
                unreviewed = augment.flip_turn(unreviewed, boxes[:0], masks[:0], flip=flip, turns=turns)[0]
        return TrainTile(image, boxes, classes, masks, ignore, unreviewed)

    def _worth(self, folder: int, image: int, level: int) -> np.ndarray | None:
        """(N,) how often a tile is drawn for each cell of an image; None for equally often."""
        kinds = self._classes[folder][image]
        worth = None if self._rarity is None else self._rarity[kinds]
        if len(self._scales.classes) == 1:
            return worth
        own = self._scales.is_of(kinds, level)
        return (np.ones(len(kinds)) if worth is None else worth) * own if own.any() else worth

    def _of_level(
        self, level: int, boxes: np.ndarray, classes: np.ndarray, masks: np.ndarray, ignore: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The cells that are looked for at a level: smaller ones are ignored, larger ones are background, as others find them."""
        own = self._scales.is_of(classes, level)
        smaller = boxes[~own & self._scales.is_smaller(classes, level)]
        return boxes[own], classes[own], masks[own], np.concatenate([ignore, smaller])

    def _paste(self, tile: TrainTile, folder: int, rng: np.random.Generator) -> TrainTile:
        """The tile with cells of itself, or of another tile of the folder, added."""
        own = len(self._scales.classes) > 1 or rng.random() < OWN_DONOR  # another tile may show another size of cells
        donor = tile if own else self._cut(folder, rng)
        if len(donor.image) != len(tile.image):  # a folder may have grey and colour images
            donor = tile
        absorbs = len(tile.image) == 3 and is_transmitted(tile.image) and is_transmitted(donor.image)
        to, back = (optical_density, transmitted) if absorbs else (np.asarray, np.asarray)
        whole = cut_cells(to(donor.image), donor.boxes, donor.classes, donor.masks)
        image, boxes, classes, masks = paste_cells(
            *(to(tile.image), tile.boxes, tile.classes, tile.masks),
            donors=whole,
            rng=rng,
            light=self.settings.augment.paste_light,
        )
        image = back(image)
        return replace(tile, image=image, boxes=boxes, classes=classes, masks=masks)


def rarity(classes: list[list[np.ndarray]], n_classes: int, strength: float) -> np.ndarray:
    """(n_classes,) how much more often cells of each class are drawn: the inverse of their frequency, to a power."""
    counts = np.bincount(np.concatenate([k for folder in classes for k in folder]), minlength=n_classes)
    return (counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))) ** strength


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 1.0


def _folder_weights(tiles: list[float], settings: TrainSettings) -> np.ndarray:
    """How often each folder is drawn: data folders by their weights or tiles, the replay folders together by `replay_part`.

    Of all tiles, `unlabelled_part` come from the last folder if it is one more: the pseudo-labelled images.
    """
    n_data, n_annotated = len(settings.data), len(settings.data) + len(settings.replay)
    own = np.array(settings.weights or tiles[:n_data], dtype=float)
    shares = own / own.sum()
    if settings.replay:
        known = np.array(tiles[n_data:n_annotated])
        shares = np.concatenate([(1 - settings.replay_part) * shares, settings.replay_part * known / known.sum()])
    if len(tiles) > n_annotated:
        shares = np.append((1 - settings.unlabelled_part) * shares, settings.unlabelled_part)
    return shares


def random_zoom(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Some draws are close to 1 (log-normal), the others log-uniform over `limits`; see `NEAR_ONE`."""
    part, sigma = NEAR_ONE
    if rng.random() < part:
        return float(np.clip(np.exp(rng.normal(0, sigma)), *limits))
    return float(np.exp(rng.uniform(*np.log(limits))))


def choose_window(
    sample: Sample, scale: float, side: int, rng: np.random.Generator, *, weights: np.ndarray | None = None
) -> Window:
    """A random position; in four out of five draws it contains at least part of a cell, else part of a reviewed region.

    `weights` (N,) says how often each cell is chosen. The window extends beyond a larger image by at most a twelfth of its
    side; a smaller image lies anywhere in it.
    """
    length = side / scale
    origin = []
    target = None
    if len(sample.boxes) and rng.random() < ON_A_CELL:
        n = len(sample.boxes)
        target = sample.boxes[int(rng.integers(n) if weights is None else rng.choice(n, p=weights / weights.sum()))]
    if target is None and sample.reviewed:
        y0, x0, y1, x1 = sample.reviewed[int(rng.integers(len(sample.reviewed)))]
        y, x = rng.uniform(y0, y1), rng.uniform(x0, x1)
        target = (y, x, y, x)
    for axis, extent in enumerate(sample.image.shape[1:]):
        beyond = length * BEYOND[1] if rng.random() < BEYOND[0] else 0.0
        low, high = (
            sorted((-beyond, extent - length + beyond)) if extent < length else (-beyond, extent - length + beyond)
        )
        if target is None:
            start = rng.uniform(low, high)
        else:
            centre = (target[axis] + target[axis + 2]) / 2
            start = centre - length * rng.uniform(*_PLACE)
        origin.append(float(np.clip(start, low, high)))
    return Window(origin[0], origin[1], scale, side)


def _check(folders: list[list[Sample]], settings: TrainSettings) -> None:
    if not folders or not all(folders):
        raise BadSettings("A data folder has no images. Check 'data'.")
    n_data = len(settings.data)
    if settings.weights is not None and len(settings.weights) != n_data:
        raise BadSettings(
            f"There are {n_data} data folders but {len(settings.weights)} weights. Give one for each in 'weights'."
        )
    wanted = settings.model.in_channels
    for sample in (s for folder in folders for s in folder):
        channels = sample.image.shape[0]
        if channels not in (1, wanted) and not (channels == 3 and wanted == 1):
            raise BadSettings(
                f"The model needs 1 or {wanted} channels, but {sample.folder}/{sample.name} has {channels}. "
                "Set 'model.in_channels' to the images' channels."
            )
