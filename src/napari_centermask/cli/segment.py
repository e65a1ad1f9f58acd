"""`segment`: images in, label images and COCO out."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_centermask.cli.output import check_free, follow, notice, print_json, write_labels
from napari_centermask.core.errors import BadImage, BadSettings, UserError
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.engines import AnyEngine
    from napari_centermask.pipeline import Plane, PlaneCells, Progress

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
    plans = plan(images, out, [*formats, "classes"] if maps else formats)
    coco = out / "annotations.json" if "coco" in formats else None
    written = [p for f in plans for p in (f.labels, f.classes) if p]
    check_free(written + ([coco] if coco else []), overwrite=overwrite, inputs=[f.image for f in plans])

    from napari_centermask.engines.load import load_engine

    engine = load_engine(settings.model, engine=settings.engine, device=settings.device)
    rows, records, failed = [], [], []
    for files in plans:
        try:
            row, new = _one(files, engine, settings, first_id=len(records) + 1)
        except UserError as error:
            failed.append(f"{files.image}: {error}")
            notice(f"Error: {failed[-1]}")
            continue
        rows.append(row)
        records += new
        if not json:
            print(f"{files.image}: {row['n_instances']} cells in {row['seconds']:.2f} s")
    if coco and records:
        from napari_centermask.io.coco.document import write_coco

        out.mkdir(parents=True, exist_ok=True)
        write_coco(coco, records)
    _report(rows, failed, engine, settings, coco if records else None, json=json)
    return 2 if failed else 0


@dataclass(frozen=True)
class ImageFiles:
    """One image, what COCO calls it, and where its labels and its class image go."""

    image: Path
    name: str
    labels: Path | None
    classes: Path | None = None


def plan(images: list[Path], out: Path, formats: list[str]) -> list[ImageFiles]:
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
        ImageFiles(f, _coco_name(f, files), *(out / f"{n}_{kind}.tif" if kind else None for kind in kinds))
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


def _one(files: ImageFiles, engine: AnyEngine, settings: SegmentSettings, *, first_id: int) -> tuple[dict, list]:
    """Segment one image, all its planes, and write its files."""
    from napari_centermask.io.coco.image_record import ImageRecord
    from napari_centermask.io.images import read_image
    from napari_centermask.pipeline import planes_of
    from napari_centermask.pipeline.channels import missing_channels, named

    start = time.perf_counter()
    image = read_image(files.image)
    settings = named(settings, image.channel_names)
    planes = planes_of(image)
    if missing := missing_channels(len(planes[0].pixels), engine.card, settings):
        notice(f"{files.image.name} has no {', '.join(missing)}: the model sees it empty.")
    done = follow(_segmented(planes, engine, settings, classes=files.classes is not None), files.image.name)
    labels = [label for label, _ in image.planes()]
    left_out = [f"{label}: {d.problem}" for label, d in zip(labels, done, strict=True) if d.problem]
    for why in left_out:
        notice(f"{files.image.name} has no cells in {why}")
    extra = {"pixel_size_um": image.pixel_size_um} if image.pixel_size_um else {}
    records = [
        ImageRecord(
            *(first_id + number, files.name, files.image, d.cells.shape, d.cells, extra),
            plane=d.plane.index,
            leading=image.leading,
        )
        for number, d in enumerate(done)
    ]
    _write(files, done)
    row = {
        "image": str(files.image),
        "labels": str(files.labels) if files.labels else None,
        "classes": str(files.classes) if files.classes else None,
        "n_instances": sum(len(r.instances) for r in records),
        "shape": list(records[0].shape),
        "diameter": round(done[0].diameter, 2),
        "left_out": left_out,
        "seconds": round(time.perf_counter() - start, 4),
    }
    return row, records


def _segmented(
    planes: list[Plane], engine: AnyEngine, settings: SegmentSettings, *, classes: bool
) -> Generator[Progress, None, list[PlaneCells]]:
    """The cells of all planes."""
    from napari_centermask.pipeline import PlaneCells, segment_planes

    done = []
    for step in segment_planes(planes, engine, settings, classes=classes):
        if isinstance(step, PlaneCells):
            done.append(step)
        else:
            yield step
    return done


def _write(files: ImageFiles, done: list[PlaneCells]) -> None:
    """The label image and the class image, each a stack if there are several planes."""
    import numpy as np

    from napari_centermask.core.compose import label_image

    if files.labels:
        stack = np.stack([label_image(d.cells) for d in done])
        write_labels(files.labels, stack[0] if len(stack) == 1 else stack)
    if files.classes:
        stack = np.stack([d.classes for d in done])
        write_labels(files.classes, stack[0] if len(stack) == 1 else stack)


def _report(
    rows: list, failed: list, engine: AnyEngine, settings: SegmentSettings, coco: Path | None, *, json: bool
) -> None:
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
