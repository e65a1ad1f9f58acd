"""`pictures`: images with their cells, drawn by detectron2's Visualizer."""

from __future__ import annotations

from pathlib import Path

from napari_centermask.cli.output import busy, check_writable, notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings


def pictures(
    annotations: Path, /, *, out: Path, split: str | None = None, overwrite: Flag = False, json: Flag = False
) -> int:
    """Draw the cells of a COCO file, or of a project, into their images with detectron2's Visualizer.

    Needs detectron2. Each image becomes the picture NAME.png in a folder.

    For example:

      napari-centermask pictures my_project --out drawn

      napari-centermask pictures fields/annotations_val.json --out drawn

    Parameters
    ----------
    annotations
        A COCO file, or the folder of a project or of images/ and annotations.json.
    out
        Folder for the pictures.
    split
        Of annotations_SPLIT.json in a folder, such as val.
    overwrite
        Replace existing pictures.
    json
        Print the paths as JSON.
    """
    from napari_centermask.detectron2.installed import require
    from napari_centermask.io.coco.annotated import read_annotated

    require()
    path = annotations.expanduser()
    if path.is_dir():
        path = path / ("annotations.json" if split is None else f"annotations_{split}.json")
    elif split is not None:
        raise BadSettings(f"--split has no effect: {path.name} is a file. Leave it out, or name the folder.")
    records = read_annotated(path, images_root=path.parent / "images", say=notice)
    shown = [(record, out / f"{Path(record.file_name).stem}.png") for record in records if record.path is not None]
    check_writable([picture for _, picture in shown], inputs=[path, *(record.path for record, _ in shown)])
    if not overwrite and (there := next((picture for _, picture in shown if picture.exists()), None)):
        raise BadSettings(f"{there} exists. Choose another --out, or replace it with --overwrite.")
    from napari_centermask.detectron2.pictures import write_picture

    with busy("Drawing"):
        for record, picture in shown:
            write_picture(picture, record.path, record.instances, plane=record.plane)
    if json:
        print_json({"pictures": [picture for _, picture in shown]})
    else:
        print(f"{counted(len(shown), 'picture')} in {out}")
    return 0
