"""Sequences and stacks with known truth, composed of real masks: cells move, grow, divide, cross each other, and are missed.

Semi-synthetic: the outlines are annotated ones, the motion is drawn by lot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import read_coco

Key = tuple[tuple[int, ...], int]


@dataclass(frozen=True)
class How:
    """How cells behave; lengths are in diameters of a typical cell.

    Attributes
    ----------
    motion
        Typical step from one frame to the next.
    drift
        Largest common step of all cells, drawn anew for each frame.
    dividing
        Part of the cells that divide in each frame.
    missed
        Part of the cells that no detector finds, drawn anew for each frame.
    """

    frames: int = 100
    cells: int = 300
    side: int = 1024
    motion: float = 0.2
    drift: float = 0.1
    dividing: float = 0.003
    missed: float = 0.0


@dataclass(frozen=True)
class Sequence:
    """Cells without tracks, and the truth: track and parent by plane and id."""

    result: Result
    truth: dict[Key, tuple[int, int]]


@dataclass
class _Cell:
    track: int
    parent: int
    mask: np.ndarray
    place: np.ndarray
    speed: np.ndarray
    angle: float
    spin: float
    scale: float
    target: float
    age: int = 0


def cut_outs(coco: Path, *, most: int = 400) -> list[np.ndarray]:
    """Masks of annotated cells of ordinary size that do not touch the border of their image."""
    cells = [(r.shape, c) for r in read_coco(coco) for c in r.instances]
    whole = [c for s, c in cells if c.y0 > 0 and c.x0 > 0 and c.box[2] < s[0] and c.box[3] < s[1]]
    typical = float(np.median([c.diameter for c in whole]))
    return [c.mask for c in whole if 0.6 * typical < c.diameter < 1.6 * typical][:most]


def compose(masks: list[np.ndarray], how: How, *, seed: int = 0) -> Sequence:
    """Draw a sequence by lot."""
    rng = np.random.default_rng(seed)
    diameter = float(np.median([2 * np.sqrt(m.sum() / np.pi) for m in masks]))
    result = Result((how.side, how.side), leading=(how.frames,), name="composed")
    truth: dict[Key, tuple[int, int]] = {}
    cells = [_new(rng, masks, n + 1, how, diameter) for n in range(how.cells)]
    last = how.cells
    for at in range(how.frames):
        plane = Instances(result.shape)
        for cell in cells:
            drawn = _drawn(cell, result.shape)
            if drawn is not None and rng.random() >= how.missed:
                id = result.new_id()
                plane.add(Instance.from_mask(*drawn, id=id, status="accepted"))
                truth[(at,), id] = (cell.track, cell.parent)
        result.put((at,), plane, keep_ids=True)
        drift = rng.uniform(-how.drift, how.drift, 2) * diameter
        following: list[_Cell] = []
        for cell in cells:
            _move(rng, cell, drift, how, diameter)
            if cell.age > 8 and rng.random() < how.dividing:
                following += _daughters(rng, cell, last, diameter)
                last += 2
            else:
                following.append(cell)
        cells = following
    return Sequence(result, truth)


def _new(rng: np.random.Generator, masks: list[np.ndarray], track: int, how: How, diameter: float) -> _Cell:
    place = rng.uniform(diameter, how.side - diameter, 2)
    mask = masks[rng.integers(len(masks))]
    return _Cell(track, 0, mask, place, np.zeros(2), rng.uniform(0, 360), rng.normal(0, 4), 1.0, 1.0, age=20)


def _move(rng: np.random.Generator, cell: _Cell, drift: np.ndarray, how: How, diameter: float) -> None:
    """A persistent random walk, turned back at the border."""
    step = rng.normal(0, how.motion * diameter / np.sqrt(2), 2)
    cell.speed = 0.6 * cell.speed + 0.8 * step
    out = (cell.place + cell.speed < diameter) | (cell.place + cell.speed > how.side - diameter)
    cell.speed = np.where(out, -cell.speed, cell.speed)
    cell.place = np.clip(cell.place + cell.speed + drift, 0, how.side)
    cell.angle += cell.spin
    cell.scale += 0.08 * (cell.target - cell.scale) + rng.normal(0, 0.01)
    cell.age += 1


def _daughters(rng: np.random.Generator, cell: _Cell, last: int, diameter: float) -> list[_Cell]:
    """Two cells of half the area on both sides of where their mother was, which move apart."""
    angle = rng.uniform(0, 2 * np.pi)
    aside = np.array([np.sin(angle), np.cos(angle)]) * 0.45 * diameter * cell.scale
    share = rng.uniform(0.42, 0.58)
    return [
        _Cell(
            last + 1 + n,
            cell.track,
            cell.mask,
            cell.place + sign * aside * (1.5 - part),
            0.25 * sign * aside,
            cell.angle + rng.normal(0, 30),
            rng.normal(0, 4),
            cell.scale * float(np.sqrt(part)),
            cell.target,
        )
        for n, (sign, part) in enumerate(((1, share), (-1, 1 - share)))
    ]


def _drawn(cell: _Cell, shape: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]] | None:
    """The cell's mask, turned and scaled, and its origin in the image; None if it is outside."""
    turn = np.deg2rad(cell.angle)
    back = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / cell.scale
    side = int(np.ceil(np.hypot(*cell.mask.shape) * cell.scale)) + 3
    corner = np.floor(cell.place - side / 2).astype(int)
    offset = np.array(cell.mask.shape) / 2 - 0.5 - back @ (cell.place - corner)
    mask = affine_transform(cell.mask.astype(np.float32), back, offset, (side, side), order=1) > 0.5
    low = np.maximum(-corner, 0)
    high = np.minimum(side, np.array(shape) - corner)
    if (low >= high).any() or not mask[low[0] : high[0], low[1] : high[1]].any():
        return None
    y, x = (corner + low).tolist()
    return mask[low[0] : high[0], low[1] : high[1]], (y, x)


def compose_stack(masks: list[np.ndarray], *, cells: int, slices: int, side: int, missed: float, seed: int) -> Sequence:
    """A z stack: cells as ellipsoids of their outline, at any height, which overlap where they lie above each other."""
    rng = np.random.default_rng(seed)
    result, truth = Result((side, side), leading=(slices,), name="composed"), {}
    diameter = float(np.median([2 * np.sqrt(m.sum() / np.pi) for m in masks]))
    how = How(side=side)
    planes = [Instances(result.shape) for _ in range(slices)]
    for n in range(cells):
        cell = _new(rng, masks, n + 1, how, diameter)
        height, half = rng.uniform(0, slices - 1), rng.uniform(2.0, 4.0)  # slices
        lean = rng.normal(0, 0.04, 2) * diameter
        for z in range(slices):
            part = 1 - ((z - height) / half) ** 2
            if part <= 0.1:
                continue
            cell.scale, shift = float(np.sqrt(part)), lean * (z - height)
            cell.place = cell.place + shift
            drawn = _drawn(cell, result.shape)
            cell.place = cell.place - shift
            if drawn is not None and rng.random() >= missed:
                id = result.new_id()
                planes[z].add(Instance.from_mask(*drawn, id=id, status="accepted"))
                truth[(z,), id] = (n + 1, 0)
    for z, plane in enumerate(planes):
        result.put((z,), plane, keep_ids=True)
    return Sequence(result, truth)
