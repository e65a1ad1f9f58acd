"""Rank the images of a project: those whose correction would improve a model most come first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_centermask.core.counted import counted
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed, rank

if TYPE_CHECKING:
    from napari_centermask.io.project import ProjectImage
    from napari_centermask.pipeline.ranking import Ranking
    from napari_centermask.settings import SegmentSettings


class ImageRanking:
    """Ranks images in the background; the ranking is used until another order is chosen.

    Attributes
    ----------
    changed
        Emitted when the order has changed.
    reported
        Emitted with a sentence about the progress or the outcome.
    values
        How informative each image is for training, in [0, 1], by id, the highest first; empty without a ranking.
    """

    changed = Signal(object)
    reported = Signal(str)

    def __init__(self) -> None:
        self.runner = Runner()
        self.runner.advanced.connect(self._on_advanced)
        self.runner.ended.connect(self._on_ended)
        self.values: dict[int, float] = {}
        self._wanted: tuple[Sequence[ProjectImage], SegmentSettings] | None = None

    @property
    def is_running(self) -> bool:
        """Whether images are being ranked."""
        return self._wanted is not None

    def start(self, images: Sequence[ProjectImage], settings: SegmentSettings) -> None:
        """Rank the images that are not reviewed, those unlike the reviewed ones first; replaces an earlier ranking."""
        self._wanted = images, settings
        if self.runner.is_running:
            self.runner.cancel()
        else:
            self._begin()

    def stop(self) -> None:
        """Return to the order of the project; stops within one tile."""
        self._wanted = None
        self.runner.cancel()
        self.reported.emit("")
        if self.values:
            self.values = {}
            self.changed.emit(self)

    def sorted(self, images: Sequence[ProjectImage]) -> list[ProjectImage]:
        """Ranked images in their order, then the others in the order of the project."""
        place = {id: n for n, id in enumerate(self.values)}
        return sorted(images, key=lambda image: place.get(image.id, len(place)))

    def _begin(self) -> None:
        images, settings = self._wanted
        usable = [i for i in images if not i.problem]
        reviewed, waiting = (
            {i.id: i.path for i in usable if (i.status == "reviewed") == is_it} for is_it in (True, False)
        )
        self.reported.emit("Ranking the images…")
        self.runner.start("CenterMask: ranking", rank, waiting, reviewed, settings)

    def _on_advanced(self, progress: Progress) -> None:
        if self._wanted is not None:
            self.reported.emit(f"{progress.message}…")

    def _on_ended(self, value: Ranking[int] | Failed | None) -> None:
        if self.runner.cancelled:
            if self._wanted is not None:
                self._begin()
            return
        self._wanted = None
        if value is None:
            self.reported.emit("The ranking was stopped by an error.")
        elif isinstance(value, Failed):
            self.reported.emit(value.message)
        else:
            self.values = value.values
            self.reported.emit(_summary(len(value.values), list(value.left_out.values())))
            self.changed.emit(self)


def _summary(n: int, problems: Sequence[str]) -> str:
    if not n and not problems:
        return "Every image is reviewed."
    text = f"{counted(n, 'image')} ranked."
    return text if not problems else f"{text} {len(problems):,} left out: {problems[-1]}"
