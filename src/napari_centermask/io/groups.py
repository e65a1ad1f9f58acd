"""Find images that come from the same source, and make splits that never separate them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.files import sha256_of
from napari_centermask.io.scene_paths import file_of

if TYPE_CHECKING:
    from napari_centermask.io.coco.image_record import ImageRecord

_WORDS = "frame|time|tile|plane|slice|channel|chan|row|col|crop|patch|part|ch|t|z|c|x|y"
_TOKEN = re.compile(rf"(?:^|[_\-. ])(?:(?:{_WORDS})[_\-]?\d+)+(?=$|[_\-. ])", re.IGNORECASE)


def group_of(file_name: str) -> str:
    """The source of an image by its name, without the numbers of frames, planes, channels and tiles.

    "exp/cells_t003_z01.tif" and "exp/cells_t004_z02.tif" are "exp/cells". A bare number ("field_012") names another
    source; if that is wrong, give the images a group.
    """
    path = PurePosixPath(file_name.replace("\\", "/"))
    return str(path.with_name(_TOKEN.sub("", path.stem).casefold() or "all frames"))


def same_files(paths: Sequence[Path]) -> list[int]:
    """For each image, the position of the first one in a file with the same bytes."""
    files = list(map(file_of, paths))
    places: dict[Path, int] = {}
    first = [places.setdefault(file, k) for k, file in enumerate(files)]
    sizes: dict[int, list[int]] = {}
    for file, k in places.items():
        sizes.setdefault(file.stat().st_size if file.is_file() else -1 - k, []).append(k)
    for positions in sizes.values():
        seen: dict[str, int] = {}
        for k in positions if len(positions) > 1 else ():
            places[files[k]] = seen.setdefault(sha256_of(files[k]), k)
    return [places[files[k]] for k in first]


def joined(groups: Sequence[str], same: Sequence[int]) -> list[str]:
    """Join groups that share a file."""
    parent = {g: g for g in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    for k, first in enumerate(same):
        parent[root(groups[k])] = root(groups[first])
    return [root(g) for g in groups]


def sources_of(records: Sequence[ImageRecord]) -> list[str]:
    """The source of each image: its `group`, else its name without the number of a frame, plane or tile.

    Images with the same bytes have the same source, whatever they are called.
    """
    groups = [str(r.extra.get("group") or group_of(r.file_name)) for r in records]
    return joined(groups, same_files([r.path or Path(f"missing {n}") for n, r in enumerate(records)]))


def split_groups(groups: Sequence[str], fractions: Mapping[str, float], *, seed: int = 0) -> list[str]:
    """Assign each image to a split of about the wanted size; groups stay whole.

    The same images and seed give the same splits. Large groups come first, each to the split that lacks most.

    Parameters
    ----------
    groups
        The group of each image.
    fractions
        Name of each split and its fraction of the images; splits with 0 stay empty.

    Raises
    ------
    BadSettings
        If the fractions are not valid, or there are fewer groups than splits.
    """
    wanted = {name: float(part) for name, part in fractions.items() if part}
    if not wanted or not all(0 < part < float("inf") for part in wanted.values()):
        raise BadSettings(f"The fractions of splits must be above 0, not {dict(fractions)}. Correct them.")
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    if len(sizes) < len(wanted):
        raise BadSettings(
            f"{len(wanted)} splits need images of at least {len(wanted)} sources, but there are {len(sizes)}: frames and "
            "tiles of one source stay together. Add images, choose fewer splits, or correct the groups of the images."
        )
    scale = len(groups) / sum(wanted.values())
    missing = {name: part * scale for name, part in wanted.items()}
    order = sorted(sizes, key=lambda g: (-sizes[g], hashlib.sha256(f"{seed} {g}".encode()).digest()))
    place: dict[str, str] = {}
    for n, group in enumerate(order):
        empty = [name for name in wanted if name not in place.values()]
        forced = len(order) - n <= len(empty)
        name = max(empty if forced else wanted, key=lambda s: missing[s])
        place[group] = name
        missing[name] -= sizes[group]
    return [place[group] for group in groups]
