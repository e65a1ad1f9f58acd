"""Read and write files of any format, one or a folder of them; the format follows from the names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from napari_centermask.core.errors import BadAnnotations, BadSettings, MissingExtra, UserError
from napari_centermask.core.left_out import LeftOut
from napari_centermask.core.progress import Advance, part_of, silent
from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS, READABLE, Format
from napari_centermask.io.formats.reading import Reading, find_image
from napari_centermask.io.own_files import check_targets
from napari_centermask.io.run_file import RunFile, open_run
from napari_centermask.io.scene_paths import file_of, flat_name
from napari_centermask.io.zarr_groups import is_zarr

_SNIFF = 1 << 16  # bytes that tell a format: a choice, beyond the metadata that files begin with


def format_named(name: str, *, to_read: bool = False) -> Format:
    """The format with a name.

    Parameters
    ----------
    to_read
        Whether formats that can only be read are good, too.

    Raises
    ------
    BadSettings
        If there is no such format.
    """
    known = READABLE if to_read else FORMATS
    if name not in known:
        raise BadSettings(f"There is no format '{name}'. Choose one of: {', '.join(known)}.")
    return known[name]


def guess_target(path: Path) -> Format | None:
    """The format to write by a path's name; None if unknown."""
    return FORMATS["coco"] if path.suffix.lower() == ".json" else FORMATS.get(getattr(guess(path), "name", ""))


def guess(path: Path) -> Format | None:
    """The format to read by a path's name, and for an existing JSON or text file by its beginning; None if unknown."""
    name = path.name.lower()
    if name.endswith(".json"):
        return READABLE[_json_format(path)]
    if name.endswith(".zip") and path.is_file():
        from napari_centermask.io.formats.geojson import is_zipped

        return FORMATS["geojson" if is_zipped(path) else "imagej"]
    if name.endswith(".txt"):
        from napari_centermask.io.formats.yolo import is_yolo

        return READABLE["yolo"] if is_yolo(path) else None
    order = ("cellpose", "geojson", "ome-zarr", "imagej", "labels")
    return next((FORMATS[n] for n in order if name.endswith(FORMATS[n].endings)), None)


def _json_format(path: Path) -> str:
    """The format of a JSON file by its beginning; COCO if it does not say."""
    if not path.is_file():
        return "coco"
    with path.open("rb") as stream:
        head = stream.read(_SNIFF)
    if b'"images"' in head:
        return "coco"
    return "geojson" if b'"Feature' in head else "labelme" if b'"shapes"' in head else "coco"


def read_files(
    path: Path,
    format: Format | None = None,
    *,
    images: Path | None = None,
    labels: Sequence[str] | None = None,
    advance: Advance = silent,
) -> tuple[Format, Reading]:
    """Read a file, or all files of one format in a folder.

    Parameters
    ----------
    format
        By default, it follows from the names.
    images
        Folder of the images; by default beside the files.
    labels
        Names of the label images to read, of those in an OME-Zarr; by default all.
    advance
        Called with the number of cells read so far, and of all; of a folder, of files.

    Raises
    ------
    BadAnnotations
        If there is nothing, its format is not clear, or no file of a folder can be read.
    """
    if not path.exists():
        raise BadAnnotations(f"{path} does not exist. Check the path.")
    if not path.is_dir() or is_zarr(path) or (format is not None and format.name == "ctc"):
        format = format or (FORMATS["ome-zarr"] if path.is_dir() else guess(path))
        if format is None:
            raise BadAnnotations(
                f"The format of {path.name} is not clear. Choose it with --from: {', '.join(READABLE)}."
            )
        reading = format.read(path, images=images, labels=labels, advance=advance)
        return format, _with_files(reading, reading.files or [path], images)
    by_format = files_in(path, format, images)
    if len(by_format) != 1:
        many = f"files of several formats ({', '.join(sorted(by_format))})" if by_format else "none"
        raise BadAnnotations(f"{path} must have files of one format, but has {many}. Choose the format with --from.")
    ((name, files),) = by_format.items()
    format = READABLE[name]
    left_out, readings = LeftOut[str](but=(MissingExtra,)), {}
    for n, file in enumerate(files):
        advance(n, len(files))
        with left_out.unless_done(file.name):
            readings[file.name] = format.read(file, images=images, labels=labels)
    advance(len(files), len(files))
    if not readings:
        raise BadAnnotations(left_out.sentences[0])
    notes = tuple(f"{name}: {n}" for name, r in readings.items() for n in r.notes)
    if format.name == "labels" and _has_tracks(path):
        notes += (
            "Each frame is read as an image of its own. Use --from ctc to read them as one series, with its tracks.",
        )
    results = tuple(r for reading in readings.values() for r in reading.results)
    return format, _with_files(Reading(results, notes, failed=left_out.why), files, images)


def _has_tracks(folder: Path) -> bool:
    from napari_centermask.io.formats.ctc import is_result

    return is_result(folder)


def _with_files(reading: Reading, files: Sequence[Path], images: Path | None) -> Reading:
    """The reading with the files that it came from, and the images that were found."""
    of_cells = {*files}
    image_paths = (find_image(files[0], images, r.name, but=of_cells) for r in reading.results)
    return replace(reading, files=(*files, *(p for p in image_paths if p is not None)))


def files_in(folder: Path, format: Format | None, images: Path | None = None) -> dict[str, list[Path]]:
    """The files of a folder, by the name of their format.

    Images count as labels if their names say so, or if there are no other files. Beside YOLO's labels, a text file that is named
    as an image counts as one of them: it is damaged, and reading it says how.
    """
    from napari_centermask.io.formats.labels import is_label_name

    by_format: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        of = guess(path)
        if format is not None and format.name != "yolo":  # beside YOLO's labels lie lists of classes and readme files
            of = format if path.name.lower().endswith(format.endings) else None
        if of is not None and not path.name.startswith("."):
            by_format.setdefault(of.name, []).append(path)
    if "yolo" in by_format:
        others = sorted({p for p in folder.iterdir() if p.suffix.lower() == ".txt"} - {*by_format["yolo"]})
        by_format["yolo"] += [p for p in others if not p.name.startswith(".") and find_image(p, images, p.stem)]
    labels = by_format.pop("labels", [])
    labels = [p for p in labels if is_label_name(p)] or ([] if by_format else labels)
    if labels:
        by_format["labels"] = labels
    whole = folder / "annotations.json"
    if whole in by_format.get("coco", []):  # the files of single splits beside it hold the same cells
        by_format["coco"] = [whole]
    return by_format


def write_files(
    path: Path,
    results: Sequence[Result],
    format: Format,
    *,
    overwrite: bool = False,
    inputs: Sequence[Path] = (),
    left_out: LeftOut[str] | None = None,
    advance: Advance = silent,
) -> list[Path]:
    """Write results into one file, or into a folder with a file for each image if the format holds only one.

    A folder is locked while it is written. What a stopped call wrote there is kept when the same call is repeated.

    Parameters
    ----------
    inputs
        Files that were read, which are never replaced.
    left_out
        Collects the images that cannot be written into a folder; without it, the first failure is raised.
    advance
        Called with the number of cells written so far, and of all.

    Returns
    -------
    list of Path
        The written files.

    Raises
    ------
    UserError
        If something would be replaced, two images would get the same file, or another run writes there; then nothing is written.
    """
    targets = _targets(path, results, format)
    check_targets(targets, inputs)
    for result in results:
        if len(result.leading) > 2:
            raise BadSettings(
                f"Only the axes t and z can be written, but {result.name} has {len(result.leading)} such axes."
            )
    if format.many or targets == [path]:
        _check_free(targets, overwrite=overwrite)
        format.write(targets[0], results, advance=advance)
        return targets
    command = {"command": "convert", "format": format.name, "overwrite": overwrite, "inputs": list(map(_stamp, inputs))}
    command |= {"images": [[r.name, len(r)] for r in results]}
    with open_run(path, command, targets, overwrite=overwrite) as run:
        _write_folder(targets, results, format, run, overwrite=overwrite, left_out=left_out, advance=advance)
    return [t for t in targets if str(t) in run.done]


def _write_folder(
    targets: Sequence[Path],
    results: Sequence[Result],
    format: Format,
    run: RunFile,
    *,
    overwrite: bool,
    left_out: LeftOut[str] | None,
    advance: Advance,
) -> None:
    """Write a file for each result that an earlier run of the same command has not written."""
    pairs = [(t, r) for t, r in zip(targets, results, strict=True) if not (str(t) in run.done and t.exists())]
    planned = set(run.planned) if run.is_continued else set()
    _check_free([t for t, _ in pairs if str(t) not in planned], overwrite=overwrite)
    run.begin()
    is_finished = False
    done, total = 0, sum(len(r) for _, r in pairs)
    try:
        for target, result in pairs:
            with nullcontext() if left_out is None else left_out.unless_done(result.name):
                format.write(target, [result], advance=part_of(advance, done, total))
                run.note(str(target), True)
            done += len(result)
        is_finished = not left_out
    finally:
        run.close(finished=is_finished)


def _check_free(targets: Sequence[Path], *, overwrite: bool) -> None:
    taken = [p for p in targets if os.path.exists(p)]  # False if a name is too long, which is reported later
    if taken and not overwrite:
        raise UserError(f"{taken[0]} would be replaced. Choose another place or add --overwrite.")


def _stamp(path: Path) -> list[str | int]:
    """A file's path, size and time."""
    now = file_of(path).stat()
    return [os.path.abspath(path), now.st_size, now.st_mtime_ns]


def _targets(path: Path, results: Sequence[Result], format: Format) -> list[Path]:
    """The file for each result, or one for all."""
    folder = path.is_dir() or not path.suffix
    if format.module == "ome_zarr":  # a file of this format is a folder
        folder = not path.name.endswith(".zarr")
    if format.many:
        return [path / "annotations.json" if folder else path]
    if len(results) == 1 and not folder:
        return [path]
    if path.is_file() or not folder:
        raise BadSettings(
            f"{path} is a file, but there are {len(results)} images. A file of {format.title} holds one image: choose a folder."
        )
    names = [flat_name(r.name) or "image" for r in results]
    if len(set(names)) < len(names):
        names = ["_".join((*Path(r.name).parent.parts, n)) for r, n in zip(results, names, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{name}_{n}" for n, name in enumerate(names, start=1)]
    return [path / (name + format.ending) for name in names]
