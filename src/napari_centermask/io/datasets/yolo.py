"""The folders that YOLO's `data.yaml` names for train, val and test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.datasets.pairs import SPLITS, Place
from napari_centermask.io.formats.yolo import NAMES, yaml_values


def places_in_yaml(folder: Path) -> tuple[list[Place], list[str]]:
    """The places that a `data.yaml` in the folder names, and notes; no places without one, or if it names none.

    Labels are in the folder that mirrors `images/` as `labels/`, or else beside the images, as Ultralytics looks for them.
    As there, images for tests may be missing, which Roboflow always names.

    Raises
    ------
    BadAnnotations
        If something else that it names is not there.
    """
    file = next((folder / name for name in NAMES if name.endswith("ml") and (folder / name).is_file()), None)
    if file is None:
        return [], []
    values = yaml_values(file.read_text(encoding="utf-8-sig", errors="replace"))
    roots = [folder / str(values.get("path") or "."), folder]
    places: list[Place] = []
    notes: list[str] = []
    for split, names in SPLITS.items():
        for entry in _entries(next((values[name] for name in names if values.get(name)), None)):
            path = _found(entry, roots)
            if path is not None:
                places += _places(file, split, path)
            elif split == "test":
                notes.append(f"{file.name} names {entry} for tests, which is not there: left out.")
            else:
                raise BadAnnotations(
                    f"{file} names {entry}, which is not there. Correct the path in it, or put the images there."
                )
    return places, notes


def _entries(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [entry for entry in values if isinstance(entry, str)]


def _found(entry: str, roots: Sequence[Path]) -> Path | None:
    """The folder or list of images; Roboflow writes `../train/images` for train/images, and others a path on their computer."""
    text = entry.replace("\\", "/")
    plain = PurePosixPath(*(part for part in PurePosixPath(text).parts if part not in ("..", ".")))
    names = [entry, str(plain)]
    if text.startswith("/") or text[1:2] == ":":  # the last parts that say which images are meant: images/train
        names += ["/".join(plain.parts[k:]) for k in range(1, len(plain.parts) - 1)]
    return next((path for name in names for root in roots if (path := root / name).exists()), None)


def _places(file: Path, split: str, path: Path) -> Iterator[Place]:
    if path.is_dir():
        yield Place(split, path, _labels_of(path))
        return
    by_folder: dict[Path, set[Path]] = {}
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        if line.strip():
            image = _listed(path, line.strip())
            by_folder.setdefault(image.parent, set()).add(image)
    for images, only in by_folder.items():
        yield Place(split, images, _labels_of(images), frozenset(only))


def _listed(file: Path, line: str) -> Path:
    """An image of a list, by a path from the folder of the list or absolute."""
    path = file.parent / line.removeprefix("./")
    if not path.is_file():
        raise BadAnnotations(f"{file} lists {line}, which is not there. Correct the list, or put the image there.")
    return path


def _labels_of(images: Path) -> Path:
    """The folder of the labels: the last `images` of the path is `labels`."""
    parts = list(images.parts)
    at = next((k for k in reversed(range(len(parts))) if parts[k].lower() == "images"), None)
    if at is None:
        return images
    return Path(*parts[:at], "labels", *parts[at + 1 :])
