"""Images with a file of cells each: `images/` and `masks/` or `labels/`, or both side by side, with and without splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.datasets.dataset import WHOLE, Dataset, Item
from napari_centermask.io.formats import READABLE
from napari_centermask.io.formats.files import guess
from napari_centermask.io.formats.imagej import has_rois
from napari_centermask.io.formats.labels import image_name, is_label_name
from napari_centermask.io.formats.reading import find_image
from napari_centermask.io.image_names import IMAGE_ENDINGS

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""Names of the folders of each split; Roboflow writes `valid`."""
_IMAGES = ("images", "image")
_CELLS = ("masks", "labels", "mask", "label")
_FORMATS = ("labels", "cellpose", "labelme", "yolo", "geojson", "imagej")
_NO_IMAGES = ("_flows", "_outlines")  # Cellpose writes them beside the images
_SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Place:
    """Where the images of a split are, and where their cells; the same folder if they lie side by side.

    Attributes
    ----------
    only
        The images that belong to the split, where a list names them; else all of the folder.
    """

    split: str
    images: Path
    cells: Path
    only: frozenset[Path] | None = None

    @property
    def is_beside(self) -> bool:
        """Whether images and cells lie side by side."""
        return self.images == self.cells

    @property
    def text(self) -> str:
        """Both folders, for messages."""
        return f"files beside the images in {self.images}" if self.is_beside else f"{self.cells}"


def find_places(folder: Path) -> list[Place]:
    """All places below a folder in which images with cells may be."""
    found = [place for split, base in _split_folders(folder) for place in _places(base, split)]
    for images in _named(folder, _IMAGES):
        for cells in _named(folder, _CELLS):
            pairs = [(split, base, _same_split(cells, split)) for split, base in _split_folders(images)]
            found += [Place(split, base, other) for split, base, other in pairs if other]
    return [*found, *_places(folder, WHOLE)]


def _same_split(folder: Path, split: str) -> Path | None:
    return next((base for name, base in _split_folders(folder) if name == split), None)


def _split_folders(folder: Path) -> Iterator[tuple[str, Path]]:
    for split, names in SPLITS.items():
        yield from ((split, path) for path in _named(folder, names))


def _named(folder: Path, names: Sequence[str]) -> list[Path]:
    """The folders with one of these names, in any case of letters."""
    if not folder.is_dir():
        return []
    there = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    return [there[name] for name in names if name in there]


def _places(base: Path, split: str) -> Iterator[Place]:
    images = next(iter(_named(base, _IMAGES)), base)
    for cells in _named(base, _CELLS):
        yield Place(split, images, cells)
    yield Place(split, images, images)


def cells_in(place: Place) -> dict[str, list[Path]]:
    """The files of cells by the names of their formats. Where images lie too, an image is of labels only if its name says so."""
    found: dict[str, list[Path]] = {}
    for path in sorted(place.cells.iterdir()) if place.cells.is_dir() else ():
        format = None if path.name.startswith(".") else guess(path)
        if format is None or format.name not in _FORMATS or path.stem.lower().endswith(_NO_IMAGES):
            continue
        if format.name == "imagej" and not has_rois(path):  # the archive that the data came in, for example
            continue
        if format.name != "labels" or not place.is_beside or is_label_name(path):
            found.setdefault(format.name, []).append(path)
    return found


def from_pairs(folder: Path, places: Sequence[Place]) -> list[Dataset]:
    """The data sets of these places: one for each format and arrangement, whose splits belong together.

    Raises
    ------
    BadAnnotations
        If cells have no image, or images have no cells where each must have some.
    """
    groups: dict[tuple[str, bool, bool], list[Place]] = {}
    for place in places:
        for format in _one_of_each(cells_in(place)):
            groups.setdefault((format, place.is_beside, place.split == WHOLE), []).append(place)
    return [_dataset(folder, format, members) for (format, *_), members in groups.items()]


def _one_of_each(files: Mapping[str, Sequence[Path]]) -> list[str]:
    """The formats in a folder; Cellpose writes `NAME_cp_masks` for its own NAME_seg.npy, too."""
    return [name for name in files if name != "labels" or "cellpose" not in files]


def _dataset(folder: Path, format: str, places: Sequence[Place]) -> Dataset:
    items: dict[str, list[Item]] = {}
    notes: list[str] = []
    for place in places:
        own, alone = _matched(place, format)
        notes += [note] if (note := _about(alone, place, format)) else []
        if format == "yolo":  # as Ultralytics counts them
            own += [Item(image, None) for image in alone]
        items.setdefault(place.split, []).extend(own)
    return Dataset(folder, _title(format, places[0]), format, items, (*notes, *_in_train_too(items)))


def _in_train_too(items: Mapping[str, Sequence[Item]]) -> Iterator[str]:
    """Of which splits images are trained on, as in YOLO's small examples."""
    train = {item.image for item in items.get("train", ())}
    for split in ("val", "test"):
        n = len(train & {item.image for item in items.get(split, ())})
        if n:
            yield f"{counted(n, 'image')} of {split} {'is' if n == 1 else 'are'} in train, too: its figures are too good."


def _title(format: str, place: Place) -> str:
    if format == "labels" and place.is_beside:
        return "label images beside the images (as for Cellpose)"
    if format == "labels":
        return "pairs of images and masks (as for StarDist)"
    return READABLE[format].title


def _matched(place: Place, format: str) -> tuple[list[Item], list[Path]]:
    """Images with their cells, and images without."""
    files = cells_in(place)
    of_cells = {path for paths in files.values() for path in paths}
    items: list[Item] = []
    without: list[Path] = []
    for file in _chosen(files, format):
        image = _image_of(file, place, of_cells if place.is_beside else set(), format)
        if image is None:
            without.append(file)
        elif place.only is None or image in place.only:
            items.append(Item(image, file))
    if without and place.only is None:
        raise BadAnnotations(
            f"{_some(without, 'file')} of {place.text} {'has' if len(without) == 1 else 'have'} no image in {place.images}. "
            "Put the images there under the same names, or remove these files."
        )
    _check_once(items)
    with_cells = {item.image.stem for item in items}
    alone = [p for p in _images_in(place) if p not in of_cells and p.stem not in with_cells]
    unread = _unread(place, format)
    items += [Item(image, unread[image.stem]) for image in alone if image.stem in unread]
    return items, [image for image in alone if image.stem not in unread]


def _unread(place: Place, format: str) -> dict[str, Path]:
    """Files of LabelMe and YOLO by the stem of their image: one that was not recognised is damaged, and reading it says how."""
    if format not in ("labelme", "yolo"):
        return {}
    files = sorted(place.cells.iterdir()) if place.cells.is_dir() else []
    return {p.stem: p for p in files if p.suffix.lower() in READABLE[format].endings and not p.name.startswith(".")}


def _chosen(files: Mapping[str, Sequence[Path]], format: str) -> list[Path]:
    """The files of a format; beside those of Cellpose, label images of the images that have none."""
    chosen = list(files[format])
    names = {image_name(path) for path in chosen}
    extra = files.get("labels", ()) if format == "cellpose" else ()
    return chosen + [path for path in extra if image_name(path) not in names]


def _image_of(file: Path, place: Place, of_cells: set[Path], format: str) -> Path | None:
    names = [image_name(file)] if place.is_beside else [file.stem, image_name(file)]
    for name in dict.fromkeys(names):
        if image := find_image(file, place.images, name, but=of_cells):
            return image
    if format not in ("labelme", "cellpose", "geojson", "imagej") or guess(file) is not READABLE[format]:
        return None
    (result,) = READABLE[format].read(file, images=place.images).results  # which image it is stands in the file
    return find_image(file, place.images, result.name, but=of_cells)


def _check_once(items: Sequence[Item]) -> None:
    twice = [image for image, n in Counter(item.image for item in items).items() if n > 1]
    if twice:
        files = ", ".join(item.cells.name for item in items if item.image == twice[0] and item.cells)
        raise BadAnnotations(f"{twice[0]} has several files of cells: {files}. Keep one of them there.")


def _images_in(place: Place) -> list[Path]:
    if place.only is not None:
        return sorted(place.only)
    files = (path for path in sorted(place.images.iterdir()) if path.suffix.lower() in IMAGE_ENDINGS)
    return [p for p in files if not p.name.startswith(".") and not p.stem.lower().endswith(_NO_IMAGES) and p.is_file()]


def _about(alone: Sequence[Path], place: Place, format: str) -> str:
    """What becomes of images without cells.

    Raises
    ------
    BadAnnotations
        If label images are missing: whoever trains from such pairs writes an empty one for an image without cells.
    """
    if not alone:
        return ""
    if format == "labels":
        raise BadAnnotations(
            f"{_some(alone, 'image')} in {place.images} {'has' if len(alone) == 1 else 'have'} no mask in "
            f"{place.cells}. Add the masks (an empty one for an image without cells), or move these images elsewhere."
        )
    if format == "yolo":
        return f"{_some(alone, 'image')} without a file of labels: used as images without cells, as YOLO does."
    return f"{_some(alone, 'image')} without cells in {READABLE[format].title}: left out, as nobody annotated them."


def _some(paths: Sequence[Path], noun: str) -> str:
    names = ", ".join(path.name for path in paths[:_SHOWN])
    return f"{counted(len(paths), noun)} ({names}{', ...' if len(paths) > _SHOWN else ''})"
