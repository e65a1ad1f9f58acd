"""The corrected image as a layer above the image, computed off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_centermask.core.errors import UserError
from napari_centermask.core.flat_field import estimate_gain
from napari_centermask.core.normalise import intensity_range
from napari_centermask.io.whole_file import whole_file
from napari_centermask.pipeline.correction import preview
from napari_centermask.settings import PreprocessSettings
from napari_centermask.widgets.viewer.state import session_of
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_centermask.widgets.viewer.planes import ImagePlanes

_LATER_MS = 150  # after the last change of a value: a choice, longer than between two steps of a wheel


@dataclass(frozen=True)
class Preview:
    """What to show: one channel of one plane of an image, corrected."""

    source: Image
    plane: Any
    channel: int
    settings: PreprocessSettings
    scale: float


def compute(chosen: Preview) -> tuple[np.ndarray, int, tuple[float, float]] | Failed:
    """Pixels, the step between them, and the intensities to show; for the worker thread."""
    try:
        pixels, step = preview(chosen.plane, chosen.channel, chosen.settings, scale=chosen.scale)
        lo, hi = intensity_range(pixels[None])
        return pixels, step, (float(lo[0]), float(max(hi[0], lo[0] + 1e-6)))
    except UserError as error:
        return Failed.of(error)


def save_gain(planes: ImagePlanes, dark: float, path: Path) -> Path | Failed:
    """Estimate the illumination that an image's planes share and write it as a TIFF; for the worker thread."""
    import tifffile

    try:
        gain = estimate_gain((planes.plane(i) for i in planes.indices()), dark=dark)
        with whole_file(path) as part:
            tifffile.imwrite(part, gain, photometric="minisblack", compression="zlib")
        return path
    except UserError as error:
        return Failed.of(error)


class CorrectedLayer:
    """Keeps a layer named "NAME corrected" above an image; of several previews, the last one is shown.

    Parameters
    ----------
    chosen
        Returns what to show; None for nothing. Called just before the computation.
    report
        Called with messages for the user.
    """

    def __init__(
        self, viewer: Viewer, chosen: Callable[[], Preview | None], report: Callable[[str], None], *, parent: QObject
    ) -> None:
        self._viewer, self._chosen, self._report = viewer, chosen, report
        self._layer: Image | None = None
        self._worker: Any = None
        self._again = False
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LATER_MS)
        self._timer.timeout.connect(self._start)

    @property
    def layer(self) -> Image | None:
        """The layer while it is in the viewer."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._layer = None
        return self._layer

    @property
    def is_working(self) -> bool:
        """Whether a preview is being computed or waiting."""
        return self._worker is not None or self._timer.isActive()

    def refresh(self) -> None:
        """Update the preview a moment later, as settings may still be changing."""
        self._timer.start()

    def hide(self) -> None:
        """Remove the layer."""
        self._timer.stop()
        self._again = False
        if self.layer is not None:
            session_of(self._viewer).canvas.take_out(self._layer)
        self._layer = None

    def _start(self) -> None:
        from napari.qt.threading import create_worker

        if self._worker is not None:
            self._again = True
            return
        chosen = self._chosen()
        if chosen is None:
            return
        self._worker = create_worker(compute, chosen, _start_thread=False)
        self._worker.returned.connect(partial(self._show, chosen))
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_finished(self) -> None:
        self._worker = None
        if self._again:
            self._again = False
            self._start()

    def _show(self, chosen: Preview, outcome: Any) -> None:
        if self._chosen() is None or chosen.source not in self._viewer.layers:
            return
        if isinstance(outcome, Failed):
            self._report(outcome.message)
            return
        pixels, step, limits = outcome
        place = _place(chosen.source, step)
        if self.layer is not None and self._layer.metadata["source"] == chosen.source.name:
            self._layer.data = pixels
            self._layer.scale, self._layer.contrast_limits = place["scale"], limits
        else:
            self._add(chosen.source, pixels, place | {"contrast_limits": limits})
        self._report("")

    def _add(self, source: Image, pixels: np.ndarray, options: dict[str, Any]) -> None:
        from napari.layers import Image

        self.hide()
        active = self._viewer.layers.selection.active
        about = {"source": source.name}
        self._layer = Image(pixels, name=f"{source.name} corrected", colormap="gray", metadata=about, **options)
        layers = self._viewer.layers
        layers.insert(layers.index(source) + 1, self._layer)
        layers.selection.active = active or source


def _place(source: Image, step: int) -> dict[str, Any]:
    """Where the layer lies: on the image, pixel on pixel."""
    place = {"scale": np.asarray(source.scale)[-2:] * step, "translate": np.asarray(source.translate)[-2:]}
    if hasattr(source, "units"):
        place["units"] = source.units[-2:]
    return place
