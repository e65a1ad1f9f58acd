"""What kinds of images the layers of a viewer show, looked at in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from psygnal import Signal

from napari_centermask.core.image_kind import image_kind

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.core.array import Array
    from napari_centermask.core.image_kind import Kind
    from napari_centermask.widgets.viewer.planes import ImagePlanes


class ImageLooks:
    """The kind of each image, found once.

    Attributes
    ----------
    changed
        Emitted with the image layer whose kind was found.
    """

    changed = Signal(object)

    def __init__(self) -> None:
        self._kinds: WeakKeyDictionary[Image, tuple[object, Kind | None]] = WeakKeyDictionary()
        self._waiting: set[object] = set()

    @property
    def is_working(self) -> bool:
        """Whether an image is being looked at."""
        return bool(self._waiting)

    def kind(self, source: Image | None) -> Kind | None:
        """The kind of an image; None while it is not known."""
        return None if source is None else self._kinds.get(source, ((), None))[1]

    def look(self, source: Image | None, planes: ImagePlanes | None, channels: list[int] | None) -> None:
        """Look at the first of the chosen channels in the middle plane of an image, unless that was done."""
        if source is None or planes is None:
            return
        first = channels[0] if channels else 0
        key = (id(planes.array), planes.channel_axis, first)
        if self._kinds.get(source, ((), None))[0] == key or key in self._waiting:
            return
        indices = planes.indices()
        plane = planes.plane(indices[len(indices) // 2])
        self._start(key, ref(source), plane if planes.rgb else plane[first : first + 1], is_rgb=planes.rgb)

    def _start(self, key: object, source: ref[Image], plane: Array, *, is_rgb: bool) -> None:
        from napari.qt.threading import create_worker

        def on_found(kind: Kind | None) -> None:
            layer = source()
            if layer is not None:
                self._kinds[layer] = key, kind
                self.changed.emit(layer)

        self._waiting.add(key)
        worker = create_worker(image_kind, plane, is_rgb=is_rgb, _start_thread=False)
        worker.returned.connect(on_found)
        worker.errored.connect(lambda _: None)  # an image that cannot be read says so when it is segmented
        worker.finished.connect(lambda: self._waiting.discard(key))
        worker.start()
