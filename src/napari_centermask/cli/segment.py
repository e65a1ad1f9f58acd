"""`segment`: images in, label images and COCO out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from napari_centermask.cli.output import check_free, follow, notice, print_json, write_labels
from napari_centermask.core.errors import BadImage, BadSettings, UserError
from napari_centermask.settings import SegmentSettings

FORMATS = ("labels", "coco")
Flag = Annotated[bool, Parameter(negative=())]


def segment(
    images: list[Path],
    /,
    *,
    out: Path = Path("segmented"),
    format: str = "labels,coco",
    maps: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
    settings: Annotated[SegmentSettings, Parameter(name="*")] = SegmentSettings(),  # noqa: B008  a frozen default
) -> int:
    """Segment images: NAME_labels.tif per image, and one annotations.json for all.

    For example:

      napari-centermask segment cells.tif

      napari-centermask segment plate/*.png --out results --diameter 35 --score 0.5

      napari-centermask segment plate --format coco --engine onnx --json

      napari-centermask segment plate --model unet-nuclei --maps --flips

    Parameters
    ----------
    images
        Image files (png, tif, jpg, npy), or folders of them.
    out
        Folder for the results; made when missing.
    format
        labels, coco, or both with a comma. Overlaps survive in coco only.
    maps
        Write NAME_classes.tif too: the category of each pixel, 0 for background. U-Nets only.
    overwrite
        Replace earlier results.
    json
        Print what was found and written as JSON.
    """
    formats = _formats(format)
    jobs = plan(images, out, [*formats, "classes"] if maps else formats)
    coco = out / "annotations.json" if "coco" in formats else None
    written = [p for j in jobs for p in (j.labels, j.classes) if p]
    check_free(written + ([coco] if coco else []), overwrite=overwrite)

    from napari_centermask.engines.load import load_engine

    engine = load_engine(settings.model, engine=settings.engine, device=settings.device)
    rows, records, failed = [], [], []
    for job in jobs:
        try:
            row, new = _one(job, engine, settings, first_id=len(records) + 1)
        except UserError as error:
            failed.append(f"{job.image}: {error}")
            notice(f"Error: {failed[-1]}")
            continue
        rows.append(row)
        records += new
        if not json:
            print(f"{job.image}: {row['n_instances']} cells in {row['seconds']:.2f} s")
    if coco and records:
        from napari_centermask.io.coco.document import write_coco

        out.mkdir(parents=True, exist_ok=True)
        write_coco(coco, records)
    _report(rows, failed, engine, settings, coco if records else None, json=json)
    return 2 if failed else 0


@dataclass(frozen=True)
class Job:
    """One image, what COCO calls it, and where its labels and its class image go."""

    image: Path
    name: str
    labels: Path | None
    classes: Path | None = None


def plan(images: list[Path], out: Path, formats: list[str]) -> list[Job]:
    """Which files are read and written.

    Images of the same name in different folders get their folder's name in front.

    Raises
    ------
    BadImage
        If a path does not exist, or a folder holds no image.
    BadSettings
        If two images would write the same file.
    """
    files = [f for path in images for f in image_files(path)]
    stems = [f.stem for f in files]
    names = [f.stem if stems.count(f.stem) == 1 else f"{f.resolve().parent.name}_{f.stem}" for f in files]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise BadSettings(f"Expected images of different names, '{twice}' comes twice. Segment them in two runs.")
    kinds = [kind if kind in formats else None for kind in ("labels", "classes")]
    return [
        Job(f, _coco_name(f, files), *(out / f"{n}_{kind}.tif" if kind else None for kind in kinds))
        for f, n in zip(files, names, strict=True)
    ]


def _coco_name(file: Path, files: list[Path]) -> str:
    """The file's name, behind its folder's where several have it."""
    is_only = [f.name for f in files].count(file.name) == 1
    return file.name if is_only else f"{file.resolve().parent.name}/{file.name}"


def image_files(path: Path) -> list[Path]:
    """An image file itself, or the images of a folder by name; `BadImage` where there is none."""
    from napari_centermask.io.images import SUFFIXES

    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        if not found:
            raise BadImage(f"Expected images ({', '.join(sorted(SUFFIXES))}) in {path}, found none.")
        return found
    if not path.is_file():
        raise BadImage(f"Expected an image file, {path} does not exist.")
    return [path]


def _formats(text: str) -> list[str]:
    formats = [f.strip() for f in text.split(",") if f.strip()]
    if not formats or set(formats) - set(FORMATS):
        raise BadSettings(f"--format: expected {', '.join(FORMATS)} or both with a comma, got '{text}'.")
    return formats


def _one(job: Job, engine: Any, settings: SegmentSettings, *, first_id: int) -> tuple[dict, list]:
    """Segment one file, plane by plane, and write its images."""
    import numpy as np

    from napari_centermask.core.compose import label_image
    from napari_centermask.io.coco.image_record import ImageRecord
    from napari_centermask.io.images import read_image
    from napari_centermask.pipeline import check_intensities, class_image, class_map_steps, segment_steps
    from napari_centermask.pipeline.channels import missing_channels, named

    start = time.perf_counter()
    records, classes = [], []
    image = read_image(job.image)
    settings = named(settings, image.channel_names)
    extra = {"pixel_size_um": image.pixel_size_um} if image.pixel_size_um else {}
    indices = np.ndindex(*image.leading)
    for number, (index, (label, plane)) in enumerate(zip(indices, image.planes(), strict=True)):
        check_intensities(plane, settings)
        if not number and (missing := missing_channels(len(plane), engine.card, settings)):
            notice(f"{job.image.name} has no {', '.join(missing)}: the model sees it empty.")
        title = f"{job.image.name} {label}".strip()
        if job.classes:
            classes.append(class_image(follow(class_map_steps(plane, engine, settings), title)))
        cells = follow(segment_steps(plane, engine, settings), title)
        where = {"plane": index, "leading": image.leading}
        records.append(ImageRecord(first_id + number, job.name, job.image, cells.shape, cells, extra, **where))
    if job.labels:
        stack = np.stack([label_image(r.instances) for r in records])
        write_labels(job.labels, stack[0] if len(stack) == 1 else stack)
    if job.classes:
        write_labels(job.classes, classes[0] if len(classes) == 1 else np.stack(classes))
    row = {
        "image": str(job.image),
        "labels": str(job.labels) if job.labels else None,
        "classes": str(job.classes) if job.classes else None,
        "n_instances": sum(len(r.instances) for r in records),
        "shape": list(records[0].shape),
        "seconds": round(time.perf_counter() - start, 4),
    }
    return row, records


def _report(rows: list, failed: list, engine: Any, settings: SegmentSettings, coco: Path | None, *, json: bool) -> None:
    if json:
        print_json(
            {
                "images": rows,
                "failed": failed,
                "coco": coco,
                "engine": engine.name,
                "device": engine.device,
                "settings": settings.model_dump(mode="json"),
            }
        )
        return
    places = [str(coco)] * bool(coco) + sorted({str(Path(r["labels"]).parent) for r in rows if r["labels"]})
    if places:
        notice(f"Engine {engine.name} on {engine.device}. Written: {', '.join(places)}")
