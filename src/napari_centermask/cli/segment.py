"""`segment`: write label images and COCO files of the cells in images."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from napari_centermask import __version__
from napari_centermask.cli.flags import check_class_maps, check_segment_flags
from napari_centermask.cli.large import command_of, with_large
from napari_centermask.cli.output import busy, check_free, check_writable, follow, notice, print_json, working
from napari_centermask.cli.plan import ImageFiles, plan
from napari_centermask.cli.segmented import Notes, Segmented, steps_of
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings, UserError
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.disk_images import LARGE
from napari_centermask.io.run_file import RunFile, open_run, stamp
from napari_centermask.io.scene_paths import file_of
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.cli.workers import Workers
    from napari_centermask.core.image_kind import Kind
    from napari_centermask.engines.ensemble import AnySegmenter
    from napari_centermask.models.store.card import ModelCard
    from napari_centermask.pipeline import Progress

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
    workers: int | None = None,
    scheduler: str | None = None,
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
        Patterns such as "plate/*.tif" may be quoted. Results of segmentation in a folder are left out.
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
    workers
        Segment the images on so many processes of this computer; each loads the model once. Needs the extra cluster.
    scheduler
        Segment the images on the workers of a Dask scheduler at this address, such as tcp://10.0.0.1:8786. They need this
        package, and the folders of the images and the results.
    overwrite
        Replace existing results.
    json
        Print a summary as JSON.
    """
    from napari_centermask.models.store.zoo import model_paths

    formats = _formats(format)
    chosen = _workers(workers, scheduler)
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
        "models": [[str(path), stamp(path)] for path in model_paths([settings.model, *settings.more_models])],
    }
    with open_run(out, command, outputs, overwrite=overwrite) as run:
        segmenting = Segmenting(plans, coco, run, settings, command=command, axes=axes, is_quiet=json, workers=chosen)
        segmenting.check(overwrite=overwrite)
        return segmenting.run()


@dataclass(frozen=True)
class Ran:
    """What ran the model, for the report."""

    engine: str = ""
    device: str = ""
    place: str = ""


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
    workers
        Where the images are segmented; None for this process.
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
        workers: Workers | None = None,
    ) -> None:
        self.plans, self.coco, self.noted, self.command = plans, coco, noted, command
        self.settings, self.axes, self.is_quiet = settings, axes, is_quiet
        self.workers, self.ran = workers, Ran()
        self.card: ModelCard | None = None
        self.left_out = LeftOut[str](lambda why: notice(f"Error: {why}"))
        self._doubts: set[Kind | None] = set()
        self.waiting = [f for f in plans if not _is_done(f, noted)]

    def check(self, *, overwrite: bool) -> None:
        """Refuse to replace what this command did not write."""
        planned = set(self.noted.planned) if self.noted.is_continued else set()
        new = [p for f in self.waiting for p in f.outputs if str(p) not in planned and not self._goes_on(f)]
        for files in self.waiting:
            if files.large is not None and not self._goes_on(files):
                files.large.check_free()
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
        segment_all = self._loaded() if self.workers is None else self._on_workers
        self.noted.begin()
        is_finished = False
        try:
            segment_all()
            is_finished = not self.left_out
        except (KeyboardInterrupt, UserError):
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
        self._report(written)
        return 2 if self.left_out else 0

    def _loaded(self) -> Callable[[], None]:
        """Load the models, and return what segments with them."""
        from napari_centermask.engines.ensemble import cards_of, place_of
        from napari_centermask.engines.load import load_engines

        with busy(f"Loading {self.settings.model}"):
            engine = load_engines(self.settings, say=notice)
        self._check_models(cards_of(engine))
        self.ran = Ran(engine.name, engine.device, place_of(engine))
        return partial(self._here, engine)

    def _check_models(self, cards: Sequence[ModelCard]) -> None:
        check_segment_flags(self.settings, cards)
        self.card = cards[0]
        if any(files.classes for files in self.plans):
            check_class_maps(self.card, settings=self.settings)

    def _here(self, engine: AnySegmenter) -> None:
        """Segment what waits: several devices share the images, or the tiles of the only one."""
        from napari_centermask.engines.several import segmenters_of
        from napari_centermask.pipeline.progress import run_through
        from napari_centermask.pipeline.shared_work import shared

        workers = segmenters_of(engine)
        if len(workers) == 1 or len(self.waiting) == 1:
            for files in self.waiting:
                with self.left_out.unless_done(str(files.image)):
                    self._keep(files, follow(self._segment(files, engine), files.image.name))
            return
        with closing(shared(self.waiting, workers, lambda one, files: run_through(self._segment(files, one)))) as done:
            for number, future in done:
                files = self.waiting[number]
                with self.left_out.unless_done(str(files.image)):
                    self._keep(files, future.result())

    def _on_workers(self) -> None:
        """Segment what waits on other processes."""
        from napari_centermask.cli.worker import Task
        from napari_centermask.cli.workers import outcomes, threads_for
        from napari_centermask.models.store.zoo import find_model

        names = self.settings.model, *self.settings.more_models
        self._check_models([find_model(name).card for name in names])
        threads = threads_for(self.workers)
        coco = None if self.coco is None else self.coco.absolute()
        tasks = [Task(f.absolute(), self.settings, coco, self.axes, self.command, threads) for f in self.waiting]
        folder = self.noted.path.parent.absolute()
        with working("Segmenting", "images") as advance, closing(outcomes(tasks, self.workers, folder)) as done:
            for n, (number, outcome) in enumerate(done, start=1):
                files = self.waiting[number]
                for notes in outcome.notes:
                    self._say(files, notes)
                if outcome.segmented is None:
                    self.left_out.add(str(files.image), outcome.why)
                else:
                    self.ran = Ran(outcome.engine, outcome.device, outcome.place)
                    self._keep(files, outcome.segmented.named(files))
                advance(n, len(tasks))

    def _segment(self, files: ImageFiles, engine: AnySegmenter) -> Generator[Progress, None, Segmented]:
        """The progress of an image; what is to be known about it is printed before it is segmented."""
        say = partial(self._say, files)
        return steps_of(files, engine, self.settings, self.coco, axes=self.axes, command=self.command, say=say)

    def _keep(self, files: ImageFiles, done: Segmented) -> None:
        """Note that an image is done; its files are written."""
        for note in done.notes:
            notice(note)
        self.noted.note(_key(files), {"row": done.row, "coco": done.coco, "stamp": stamp(file_of(files.image))})
        if not self.is_quiet:
            print(f"{files.image}: {counted(done.row['n_instances'], 'cell')} in {done.row['seconds']:.2f} s")

    def _say(self, files: ImageFiles, notes: Notes) -> None:
        for sentence in notes.sentences:
            notice(sentence)
        self._doubt(notes.kind, files.image.name)

    def _doubt(self, kind: Kind | None, name: str) -> None:
        """Say, once for each kind, that the model was trained on other kinds of images."""
        from napari_centermask.models.store.zoo import list_models
        from napari_centermask.pipeline.suitability import proposed, unsuited

        if kind in self._doubts or not (doubt := unsuited(self.card, kind, image=name)):
            return
        self._doubts.add(kind)
        other = proposed(self.card, kind, {m.name: m.card for m in list_models()})
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

    def _report(self, coco: Path | None) -> None:
        rows = [d["row"] for d in self._done()]
        if self.is_quiet:
            print_json(
                {
                    "images": rows,
                    "failed": self.left_out.sentences,
                    "coco": coco,
                    "engine": self.ran.engine,
                    "device": self.ran.device,
                    "settings": self.settings.model_dump(mode="json"),
                }
            )
            return
        places = [str(coco)] * bool(coco) + sorted({str(Path(r["labels"]).parent) for r in rows if r["labels"]})
        places += [r["cells"] for r in rows if "cells" in r]
        if places:
            notice(f"Engine {self.ran.engine} on {self.ran.place}. Written: {', '.join(places)}")
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


def _workers(n: int | None, scheduler: str | None) -> Workers | None:
    """Where the images are segmented; None for this process."""
    from napari_centermask.cli.workers import Workers

    if n is not None and scheduler is not None:
        raise BadSettings(
            "--workers has no effect with --scheduler, whose workers are started elsewhere. Leave one out."
        )
    if n is not None and n < 1:
        raise BadSettings(f"--workers must be 1 or more, not {n}.")
    return Workers(n or 0, scheduler or "") if n or scheduler else None


def _formats(text: str) -> list[str]:
    formats = [f.strip() for f in text.split(",") if f.strip()]
    if not formats or set(formats) - set(FORMATS):
        raise BadSettings(f"--format must be {', '.join(FORMATS)} or both separated by a comma, not '{text}'.")
    return formats
