"""Segment an image larger than memory, tile by tile: its cells are written while they are found, and a stopped run goes on."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.ensemble import AnySegmenter, engines_of
from napari_centermask.io.disk_images import DiskImage
from napari_centermask.io.large_cells import LargeForm, LargePlaces, LargeWriter
from napari_centermask.io.packed_waiting import pack_waiting, unpack_waiting
from napari_centermask.pipeline.image_file import OpenedFile, opened_image
from napari_centermask.pipeline.passes import Pass, largest, passes
from napari_centermask.pipeline.plane_rows import PlaneRows, RowState
from napari_centermask.pipeline.planes import Plane, PlaneInputs
from napari_centermask.pipeline.progress import Progress, scaled_to
from napari_centermask.pipeline.segmentation import score_of, with_card_defaults
from napari_centermask.settings import SegmentSettings


@dataclass(frozen=True)
class LargeResult:
    """What a run has written.

    Attributes
    ----------
    places
        Where the cells are.
    shape
        (H, W) of a plane.
    n_cells
        In all planes.
    diameter
        Of a typical cell, in pixels; see `PlaneCells`.
    left_out
        The planes that cannot be used, each with the reason.
    seconds
        Of this run, without those before a stop.
    """

    places: LargePlaces
    shape: tuple[int, int]
    n_cells: int
    diameter: float
    left_out: list[str]
    seconds: float


def segment_large(
    image: DiskImage,
    engine: AnySegmenter,
    settings: SegmentSettings,
    places: LargePlaces,
    *,
    command: Mapping[str, Any],
    version: str = "0.4",
) -> Generator[Progress | OpenedFile, None, LargeResult]:
    """Segment all planes of an image on the disk; may be closed at every yield, between tiles, and continued.

    The cells are those of `segment_planes`. In memory are a row of tiles and the cells that lie across its lower edge.

    Parameters
    ----------
    command
        What the cells depend on, as JSON: a run that was stopped in `places` goes on if it is the same; else it is replaced.
    version
        Of the OME-Zarr that is written, "0.4" or "0.5".

    Raises
    ------
    BadImage, BadSettings
        As `segment_planes`; for several models or scales; and if a part of the image cannot be read.
    CannotSave
        If the cells cannot be written. What was written stays, and the run can go on.
    """
    start = time.perf_counter()
    one = _only_look(engine, settings)
    planes, settings, opened = opened_image(image, engine, settings)
    yield opened
    run = yield from _begun(image, planes, one, settings, places, command=command, version=version)
    yield from run.segment()
    yield Progress(1, 1, "Writing the smaller copies")
    for _ in run.writer.finish():
        yield Progress(1, 1, "Writing the smaller copies")
    return LargeResult(
        places,
        image.plane_shape,
        run.writer.n_cells,
        largest(run.passes),
        run.left_out,
        seconds=time.perf_counter() - start,
    )


def _only_look(engine: AnySegmenter, settings: SegmentSettings) -> AnyEngine:
    """The only model; several looks need all of their cells at once."""
    one, *others = engines_of(engine)
    for name, is_set in (("more_models", others or settings.more_models), ("scales", len(settings.scales) > 1)):
        if is_set:
            raise BadSettings(
                f"'{name}' has no effect on images that are read tile by tile: they are looked at once. Leave it out, or raise "
                "--large if the image fits into memory."
            )
    return one


def _begun(
    image: DiskImage,
    planes: Sequence[Plane],
    engine: AnyEngine,
    settings: SegmentSettings,
    places: LargePlaces,
    *,
    command: Mapping[str, Any],
    version: str,
) -> Generator[Progress, None, _Run]:
    """A run that begins or goes on; the diameter is estimated once."""
    own = with_card_defaults(settings, engine.card)
    inputs = PlaneInputs(planes, engine.card, own, check=True)
    yield from inputs.check()
    state = places.state(command)
    if state is None:
        found = yield from inputs.passes(engine, own)
    else:
        found = passes(engine.card, state["diameters"])
    names = dict(enumerate(engine.card.model.categories, start=1))
    form = LargeForm(image.name, image.leading, image.plane_shape, names, version, image.pixel_sizes_um)
    writer = LargeWriter(places, form, None if state is None else state["cells"])
    run = _Run(image, inputs, engine, own, found, writer, command)
    if state is not None:
        run.number, run.left_out, run.row = state["plane"], list(state["left_out"]), _unpacked(state["row"])
    run.score = score_of(settings, engine)
    return run


class _Run:
    """A run between two stops.

    Attributes
    ----------
    number
        Of the plane that is segmented now.
    row
        How far that plane is.
    """

    def __init__(
        self,
        image: DiskImage,
        inputs: PlaneInputs,
        engine: AnyEngine,
        settings: SegmentSettings,
        found: tuple[Pass, ...],
        writer: LargeWriter,
        command: Mapping[str, Any],
    ) -> None:
        self.inputs, self.engine, self.settings, self.passes, self.writer = inputs, engine, settings, found, writer
        self.number, self.row, self.left_out, self.score = 0, RowState(), list[str](), 0.0
        self._labels = [label for label, _ in image.planes()]
        self._command = command

    def segment(self) -> Generator[Progress, None, None]:
        """Segment the planes that are not done."""
        planes = self.inputs.planes
        self._save()
        while self.number < len(planes):
            title = f"Plane {self.number + 1} of {len(planes)}: " if len(planes) > 1 else ""
            yield from scaled_to(self._plane(planes[self.number]), self.number, len(planes), title)
            self.inputs.close(self.number)
            self.number, self.row = self.number + 1, RowState(last_id=self.row.last_id)
            self._save()

    def _plane(self, plane: Plane) -> Generator[Progress, None, None]:
        plane_input = self.inputs[self.number]
        if isinstance(plane_input, BadImage):
            self.left_out.append(f"{self._labels[self.number]}: {plane_input}")
            self.writer.put(plane.index, [], plane.shape[0])
            return
        (scale,) = self.settings.scales
        found = [replace(one, diameter=one.diameter / scale) for one in self.passes]
        rows = PlaneRows(plane_input, self.engine, self.settings, found, min_score=self.score, state=self.row)
        last = 0
        for step in rows.cells():
            if isinstance(step, Progress):
                yield step
                continue
            self.writer.put(plane.index, step.cells, step.line)
            last = step.line
            if step.row + 1 < step.rows:
                self._save()
        if last < plane.shape[0]:  # a blank plane has no rows
            self.writer.put(plane.index, [], plane.shape[0])

    def _save(self) -> None:
        state = {
            "plane": self.number,
            "diameters": [one.diameter for one in self.passes],
            "left_out": self.left_out,
            "row": _packed(self.row),
        }
        self.writer.save(self._command, state)


def _packed(row: RowState) -> dict[str, Any]:
    """The state of a plane as JSON."""
    waiting = [[*place, pack_waiting(cells)] for place, cells in row.waiting.items()]
    lists = {"pieces": list(row.pieces.items()), "lines": list(row.lines.items())}
    return {"row": row.row, "last_id": row.last_id, "waiting": waiting, **lists}


def _unpacked(values: Mapping[str, Any]) -> RowState:
    waiting = {(int(one), str(step)): unpack_waiting(cells) for one, step, cells in values["waiting"]}
    pieces, lines = ({int(k): int(n) for k, n in values[name]} for name in ("pieces", "lines"))
    return RowState(int(values["row"]), int(values["last_id"]), waiting, pieces, lines)
