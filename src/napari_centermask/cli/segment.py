"""`segment`: write label images and COCO files of the cells in images."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

from napari_centermask import __version__
from napari_centermask.cli.flags import check_class_maps, check_segment_flags
from napari_centermask.cli.large import LARGE, command_of, large_row, large_steps, with_large
from napari_centermask.cli.output import busy, check_free, check_writable, follow, notice, print_json, write_labels
from napari_centermask.cli.plan import ImageFiles, plan
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.run_file import RunFile, open_run, stamp
from napari_centermask.io.scene_paths import file_of
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.core.image_kind import Kind
    from napari_centermask.engines.ensemble import AnySegmenter
    from napari_centermask.models.store.card import ModelCard
    from napari_centermask.pipeline import PlaneCells, Progress
    from napari_centermask.pipeline.image_file import FileCells, OpenedFile
    from napari_centermask.pipeline.large_image import LargeResult

T = TypeVar("T")

FORMATS = ("labels", "coco")
Flag = Annotated[bool, Parameter(negative=())]


def segment(
    images: list[Path],
    /,
    *,
    out: Path = Path("segmented"),
    format: str = "labels,coco",
    maps: Flag = False,
    axes: str | None = None,
    scenes: list[str] | None = None,
    large: float = LARGE,
    overwrite: Flag = False,
    json: Flag = False,
    settings: Annotated[SegmentSettings, Parameter(name="*")] = SegmentSettings(),  # noqa: B008  a frozen default
) -> int:
    """Segment images: NAME_labels.tif per image, and one annotations.json for all.

    Images that are too large for memory are read tile by tile: NAME_cells.ome.zarr and the table NAME_cells.parquet.

    To continue a run that was stopped, or try images that failed again, give the same command again.

    For example:

      napari-centermask segment cells.tif

      napari-centermask segment plate/*.png --out results --diameter 35 --score 0.5

      napari-centermask segment plate --format coco --engine onnx --json

      napari-centermask segment plate --model unet-nuclei --maps --flips

    Parameters
    ----------
    images
        Image files (png, tif, jpg, npy; lif and nd2 with the extra bioio, czi with bioio-czi too; OME-Zarr), or folders of them.
        Results of segmentation in a folder are left out.
    out
        Folder for the results; created if missing.
    format
        labels, coco, or both separated by a comma. Only coco keeps overlaps.
    maps
        Write NAME_classes.tif too: the category of each pixel, 0 for background. U-Nets only.
    axes
        What the axes of the images are, a letter for each (T, Z, C, Y, X): ZYX; as their files say when not given.
    scenes
        Names or numbers (from 0) of the images to take from files that hold several; by default all.
    large
        Megapixels of a plane beyond which an image is read tile by tile, and its cells are written while they are found, as
        OME-Zarr labels and a table. So are images of which all planes fill more than half of the memory.
    overwrite
        Replace existing results.
    json
        Print a summary as JSON.
    """

    formats = _formats(format)
    plans = plan(images, out, [*formats, "classes"] if maps else formats, scenes=scenes)
    plans = with_large(plans, out, limit=large, axes=axes, maps=maps)
    coco = out / "annotations.json" if "coco" in formats and any(f.large is None for f in plans) else None
    outputs = [path for files in plans for path in files.outputs] + ([coco] if coco else [])
    check_writable(outputs, inputs=[f.image for f in plans])
    command = {
        "command": "segment",
        "version": __version__,
        "images": [str(path.resolve()) for path in images],
        "kinds": {"format": formats, "maps": maps, "axes": axes, "overwrite": overwrite}
        | ({"scenes": scenes} if scenes else {})
        | ({"large": large} if large != LARGE else {}),
        "settings": settings.model_dump(mode="json", exclude_unset=True),
        # A model that was trained again under its name is another one: its cells do not go into one file with the former's.
        "models": [[str(path), stamp(path)] for path in _model_files(settings)],
    }
    with open_run(out, command, outputs, overwrite=overwrite) as run:
        segmenting = Segmenting(plans, coco, run, settings, command=command, axes=axes, is_quiet=json)
        segmenting.check(overwrite=overwrite)
        return segmenting.run()


def _model_files(settings: SegmentSettings) -> list[Path]:
    """The files of the models; of one that is missing there are none, and loading it says so."""
    from napari_centermask.models.store.zoo import find_model

    files: list[Path] = []
    for name in (settings.model, *settings.more_models):
        with suppress(BadModel):
            files += find_model(name).paths
    return files


class Segmenting:
    """All images of one command.

    Parameters
    ----------
    plans
        The images and their files.
    coco
        The COCO file for all; None for none.
    noted
        What is done; the cells wait there until the COCO file is written.
    command
        As JSON; what it was stopped in goes on only for the same.
    is_quiet
        Print JSON at the end instead of a line for each image.
    """

    def __init__(
        self,
        plans: list[ImageFiles],
        coco: Path | None,
        noted: RunFile,
        settings: SegmentSettings,
        *,
        command: dict[str, Any],
        axes: str | None,
        is_quiet: bool,
    ) -> None:
        self.plans, self.coco, self.noted, self.command = plans, coco, noted, command
        self.settings, self.axes, self.is_quiet = settings, axes, is_quiet
        self.left_out = LeftOut[str](lambda why: notice(f"Error: {why}"))
        self._doubts: set[Kind | None] = set()
        self.waiting = [f for f in plans if not _is_done(f, noted)]

    def check(self, *, overwrite: bool) -> None:
        """Refuse to replace what this command did not write."""
        planned = set(self.noted.planned) if self.noted.is_continued else set()
        new = [p for f in self.waiting for p in f.outputs if str(p) not in planned and not self._goes_on(f)]
        is_ours = self.noted.is_continued and (self.coco is None or self.noted.done.get(_COCO) == stamp(self.coco))
        check_free([*new, *([] if is_ours or self.coco is None else [self.coco])], overwrite=overwrite)
        if self.noted.is_continued:
            n = len(self.plans) - len(self.waiting)
            notice(f"Continuing the same command: {n} of {counted(len(self.plans), 'image')} are done.")

    def _goes_on(self, files: ImageFiles) -> bool:
        """Whether a large image was stopped in the middle by the same command."""
        return files.large is not None and files.large.state(command_of(files, self.command)) is not None

    def run(self) -> int:
        """Segment what waits, write the COCO file of all that is done, also when stopped, and return the exit code."""
        from napari_centermask.engines.ensemble import cards_of
        from napari_centermask.engines.load import load_engines

        with busy(f"Loading {self.settings.model}"):
            engine = load_engines(self.settings, say=notice)
        check_segment_flags(self.settings, cards_of(engine))
        if any(files.classes for files in self.plans):
            check_class_maps(engine.card, settings=self.settings)
        self.noted.begin()
        is_finished = False
        try:
            self._segment_all(engine)
            is_finished = not self.left_out
        except KeyboardInterrupt:
            n = sum(_is_done(f, self.noted) for f in self.plans)
            notice(f"{n} of {counted(len(self.plans), 'image')} are done. Run the same command again to continue.")
            raise
        finally:
            try:
                written = self._write_coco()
            except BaseException:
                is_finished = False
                raise
            finally:
                self.noted.close(finished=is_finished)
        self._report(engine, written)
        return 2 if self.left_out else 0

    def _segment_all(self, engine: AnySegmenter) -> None:
        """Segment what waits: several devices share the images, or the tiles of the only one."""
        from napari_centermask.engines.several import segmenters_of
        from napari_centermask.pipeline.progress import run_through
        from napari_centermask.pipeline.shared_work import shared

        workers = segmenters_of(engine)
        if len(workers) == 1 or len(self.waiting) == 1:
            for files in self.waiting:
                with self.left_out.unless_done(str(files.image)):
                    self._keep(files, follow(self._steps(files, engine), files.image.name))
            return
        with closing(shared(self.waiting, workers, lambda one, files: run_through(self._steps(files, one)))) as done:
            for number, future in done:
                files = self.waiting[number]
                with self.left_out.unless_done(str(files.image)):
                    self._keep(files, future.result())

    def _steps(self, files: ImageFiles, engine: AnySegmenter) -> Generator[Progress, None, FileCells | LargeResult]:
        from napari_centermask.pipeline.image_file import segment_file

        if files.large is not None:
            large = large_steps(files, engine, self.settings, axes=self.axes, command=self.command)
            return self._noticing(large, files, engine)

        wants_classes = files.classes is not None
        steps = segment_file(files.image, engine, self.settings, axes=self.axes, classes=wants_classes)
        return self._noticing(steps, files, engine)

    def _keep(self, files: ImageFiles, done: FileCells | LargeResult) -> None:
        """Write the cells of an image, and note that it is done; those of a large one are written."""
        from napari_centermask.pipeline.large_image import LargeResult

        row, coco = (
            (large_row(files, done), None) if isinstance(done, LargeResult) else _written(files, done, self.coco)
        )
        self.noted.note(
            _key(files), {"row": row, "coco": coco if self.coco else None, "stamp": stamp(file_of(files.image))}
        )
        if not self.is_quiet:
            print(f"{files.image}: {counted(row['n_instances'], 'cell')} in {row['seconds']:.2f} s")

    def _noticing(
        self, steps: Generator[Progress | OpenedFile, None, T], files: ImageFiles, engine: AnySegmenter
    ) -> Generator[Progress, None, T]:
        """The progress of an image; what is to be known about the file is printed before it is segmented."""
        from napari_centermask.pipeline.progress import Progress

        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                done: T = end.value
                return done
            if isinstance(step, Progress):
                yield step
                continue
            if step.image.note:
                notice(step.image.note)
            if step.missing:
                notice(f"{files.image.name} has no {', '.join(step.missing)}: the model gets an empty channel.")
            if step.stained:
                notice(f"{files.image.name}: only the channel {step.stained} is used. Choose others with --channels.")
            self._doubt(step.kind, files.image.name, engine.card)

    def _doubt(self, kind: Kind | None, name: str, card: ModelCard) -> None:
        """Say, once for each kind, that the model was trained on other kinds of images."""
        from napari_centermask.models.store.zoo import list_models
        from napari_centermask.pipeline.suitability import proposed, unsuited

        if kind in self._doubts or not (doubt := unsuited(card, kind, image=name)):
            return
        self._doubts.add(kind)
        other = proposed(card, kind, {m.name: m.card for m in list_models()})
        way = f"Try --model {other}" if other else "Correct about 20 cells of such images and fine-tune the model"
        notice(f"Warning: {doubt} {way}.")

    def _done(self) -> list[dict[str, Any]]:
        """What is noted of each image that is done, in the order of the command."""
        return [self.noted.done[key] for f in self.plans if (key := _key(f)) in self.noted.done]

    def _write_coco(self) -> Path | None:
        from napari_centermask.io.coco.document import joined, write_json

        done = self._done()
        if self.coco is None or not any(d["coco"] for d in done):
            return None
        write_json(self.coco, joined(d["coco"] for d in done if d["coco"] is not None))
        self.noted.note(_COCO, stamp(self.coco))
        return self.coco

    def _report(self, engine: AnySegmenter, coco: Path | None) -> None:
        from napari_centermask.engines.ensemble import place_of

        rows = [d["row"] for d in self._done()]
        if self.is_quiet:
            print_json(
                {
                    "images": rows,
                    "failed": self.left_out.sentences,
                    "coco": coco,
                    "engine": engine.name,
                    "device": engine.device,
                    "settings": self.settings.model_dump(mode="json"),
                }
            )
            return
        places = [str(coco)] * bool(coco) + sorted({str(Path(r["labels"]).parent) for r in rows if r["labels"]})
        places += [r["cells"] for r in rows if "cells" in r]
        if places:
            notice(f"Engine {engine.name} on {place_of(engine)}. Written: {', '.join(places)}")
        if self.left_out and rows:
            n = len(self.left_out.why)
            notice(
                f"{n} of {counted(len(self.plans), 'image')} failed. Run the same command again to retry them; "
                "the others are kept."
            )


_COCO = "annotations.json"


def _key(files: ImageFiles) -> str:
    return str(files.image.resolve())


def _is_done(files: ImageFiles, noted: RunFile) -> bool:
    """Whether an image was segmented as it is now, and its files are there."""
    done = noted.done.get(_key(files))
    return done is not None and done["stamp"] == stamp(file_of(files.image)) and all(map(stamp, files.outputs))


def _formats(text: str) -> list[str]:
    formats = [f.strip() for f in text.split(",") if f.strip()]
    if not formats or set(formats) - set(FORMATS):
        raise BadSettings(f"--format must be {', '.join(FORMATS)} or both separated by a comma, not '{text}'.")
    return formats


def _written(files: ImageFiles, done: FileCells, coco: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the files of an image; returns its row of the report and its cells as COCO."""
    from napari_centermask.io.coco.document import to_coco
    from napari_centermask.io.coco.image_place import with_place
    from napari_centermask.io.coco.image_record import ImageRecord

    image, planes = done.image, done.planes
    for why in done.left_out:
        notice(f"{files.image.name} has no cells in {why}")
    size = {"pixel_size_um": image.pixel_size_um} if image.pixel_size_um else {}
    extra = size if coco is None else with_place(size, files.image, coco, files.name)
    records = [
        ImageRecord(
            *(number, files.name, files.image, d.cells.shape, d.cells, extra),
            plane=d.plane.index,
            leading=image.leading,
        )
        for number, d in enumerate(planes, start=1)
    ]
    _write(files, planes)
    row = {
        "image": str(files.image),
        "labels": str(files.labels) if files.labels else None,
        "classes": str(files.classes) if files.classes else None,
        "n_instances": sum(len(r.instances) for r in records),
        "shape": list(records[0].shape),
        "diameter": round(planes[0].diameter, 2),
        "left_out": done.left_out,
        "seconds": round(done.seconds, 4),
    }
    return row, to_coco(records)


def _write(files: ImageFiles, done: Sequence[PlaneCells]) -> None:
    """The label image and the class image, each a stack if there are several planes."""
    import numpy as np

    from napari_centermask.core.compose import label_image

    if files.labels:
        stack = np.stack([label_image(d.cells) for d in done])
        write_labels(files.labels, stack[0] if len(stack) == 1 else stack)
    if files.classes:
        stack = np.stack([d.classes for d in done])
        write_labels(files.classes, stack[0] if len(stack) == 1 else stack)
