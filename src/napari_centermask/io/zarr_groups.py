"""The groups of an OME-Zarr, 0.4 or 0.5: its images, also those of a plate, a well or a collection of bioformats2raw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import MissingExtra
from napari_centermask.core.extras import how_to_install

ENDING = ".zarr"
MARKS = (".zgroup", ".zattrs", ".zarray", "zarr.json")
"""Files one of which is in every group and array."""
_MOST_IMAGES = 100_000  # of a plate: a choice, 384 wells of 200 fields; a file that claims more is not believed


def zarr_package() -> Any:
    """The package zarr.

    Raises
    ------
    MissingExtra
        If it is not installed.
    """
    try:
        import zarr
    except ImportError:
        raise MissingExtra(f"OME-Zarr needs the package zarr: {how_to_install('formats')}") from None
    return zarr


def is_zarr(path: Path) -> bool:
    """Whether a folder is a group or an array of Zarr."""
    return any((path / name).is_file() for name in MARKS)


def open_group(path: Path) -> Any:
    """The group of a folder.

    Raises
    ------
    MissingExtra
        Without zarr.
    ValueError
        If it holds a single array, which says nothing about axes or labels; or any error of zarr.
    """
    root = zarr_package().open(store=str(path), mode="r")
    if hasattr(root, "shape"):
        raise ValueError("it is a single array, without the groups of OME-Zarr")
    return root


def attributes(node: Any) -> dict[str, Any]:
    """The attributes; in 0.5, those under "ome" and those of other programs beside it."""
    own = dict(node.attrs)
    ome = own.get("ome")
    return own | ome if isinstance(ome, dict) else own


def is_inside(name: object) -> bool:
    """Whether a path in a file leads to a place below its group."""
    return isinstance(name, str) and bool(name) and not {"", ".", ".."} & set(name.replace("\\", "/").split("/"))


def first_dataset(group: Any) -> Any:
    """The array of an image or of labels in full size.

    Raises
    ------
    LookupError, TypeError, ValueError
        If the group has none, or it is outside the folder.
    """
    scales = attributes(group).get("multiscales")
    at = scales[0]["datasets"][0]["path"] if scales else "0"  # as all writers name the full size
    if not is_inside(at):
        raise ValueError("an image is outside the folder")
    return group[at]


def image_names(root: Any) -> list[str]:
    """Paths of the images in a group: "A/1/0" of a plate, "0" of a well or a collection; "" for the group itself.

    Raises
    ------
    LookupError, TypeError, ValueError
        If its list of wells or images is damaged.
    """
    known = attributes(root)
    if "plate" in known:
        wells = _paths(known["plate"]["wells"])
        return _few([f"{well}/{field}" for well in wells for field in _fields(root, well)])
    if "well" in known:
        return _few(_paths(known["well"]["images"]))
    if "bioformats2raw.layout" not in known:
        return [""]
    found = (key for key, member in root.members() if key != "OME" and not hasattr(member, "shape"))
    return _few(sorted(found, key=_by_number))


def _fields(root: Any, well: str) -> list[str]:
    """The fields of a well; none if the plate lists it, but it was never imaged."""
    return _paths(attributes(root[well])["well"]["images"]) if well in root else []


def _by_number(name: str) -> tuple[int, int, str]:
    return (0, int(name), "") if name.isdecimal() else (1, 0, name)


def _paths(entries: Sequence[dict[str, Any]]) -> list[str]:
    paths = [entry["path"] for entry in entries]
    if not all(map(is_inside, paths)):
        raise ValueError("an image is outside the folder")
    return paths


def _few(names: list[str]) -> list[str]:
    if len(names) > _MOST_IMAGES:
        raise ValueError(f"it claims {len(names):,} images")
    return names


def outer(path: Path) -> tuple[Path, str]:
    """The outermost folder of Zarr that a path lies in, and the way from there: (plate.zarr, "A/1/0")."""
    around = path
    for folder in _around(path):
        around = folder
    return around, path.relative_to(around).as_posix() if around != path else ""


def _around(path: Path) -> Iterator[Path]:
    for folder in path.parents:
        if not is_zarr(folder) and not is_zarr(folder.parent):  # the rows of a plate may be plain folders
            return
        if is_zarr(folder):
            yield folder
