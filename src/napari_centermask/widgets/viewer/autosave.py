"""Autosave of images without a project: every edit goes to a journal, and is offered when the image is opened again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from psygnal import Signal

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage
from napari_centermask.core.result import Result
from napari_centermask.io.recovery import Autosave, Recovered, find_recovered
from napari_centermask.widgets.viewer.planes import ImagePlanes, readings
from napari_centermask.widgets.viewer.shown import image_path
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.utils.events import Event

    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.viewer.shown import Shown

KEPT_AS = "napari_centermask_kept_as"
"""Key of the metadata of layers whose edits are kept under another name than that of a file; whoever sets it restores them."""
IN_PROJECT = "napari_centermask_project"  # key of the metadata of layers whose project keeps a journal itself


class Autosaves:
    """Watches the images of one viewer.

    Attributes
    ----------
    offered
        Emitted with the image layer that has unsaved work, or whose offer has ended.
    """

    offered = Signal(object)

    def __init__(self, session: Session) -> None:
        self._session = ref(session)
        self._kept: WeakKeyDictionary[Image, tuple[Shown, Autosave]] = WeakKeyDictionary()
        self._offers: WeakKeyDictionary[Image, tuple[Recovered, ImagePlanes]] = WeakKeyDictionary()
        self._links = Connections()
        self._links.add(session.changed, self._on_changed)
        self._links.add(session.viewer.layers.events.inserted, self._on_inserted)
        for layer in session.viewer.layers:
            self.look_at(layer)
            self._on_changed(layer)

    def end(self) -> None:
        """Stop writing; the edits are offered when the images are opened again."""
        self._links.end()
        for _, autosave in list(self._kept.values()):
            autosave.close()
        self._kept.clear()

    def note_saved(self, result: Result) -> None:
        """Note that these cells were saved to a file and need not be offered."""
        for _, autosave in list(self._kept.values()):
            if autosave.history.result is result:
                autosave.saved()

    def offer(self, source: Image | None) -> Recovered | None:
        """Unsaved work on an image."""
        offer = None if source is None else self._offers.get(source)
        return None if offer is None else offer[0]

    def describe(self, source: Image) -> str:
        """The offer as a sentence."""
        offer, _ = self._offers[source]
        when = time.strftime("%d %B %Y, %H:%M", time.localtime(offer.time)).lstrip("0")
        return f"'{source.name}' has unsaved work from {when}: {counted(len(offer.result), 'cell')}."

    def _on_inserted(self, event: Event) -> None:
        self.look_at(event.value)

    def look_at(self, layer: Layer) -> None:
        """Offer unsaved work on an image from an earlier session, if it has corrections."""
        from napari.layers import Image
        from napari.utils.notifications import show_info

        if not isinstance(layer, Image) or IN_PROJECT in layer.metadata or KEPT_AS in layer.metadata:
            return
        try:
            likely = readings(layer)
        except BadImage:
            return
        for planes in likely:
            recovered = find_recovered(_name(layer), Result(planes.shape, leading=planes.leading, name=layer.name))
            if recovered is not None and _is_by_a_person(recovered.result):
                self._offers[layer] = recovered, planes
                show_info(f"{self.describe(layer)} Open Plugins > CenterMask > Review to restore or discard it.")
                self.offered.emit(layer)
                return

    def restore(self, source: Image) -> None:
        """Restore the unsaved work on an image, as one edit that can be undone."""
        offer, planes = self._offers.pop(source)
        session = self._session()
        shown = session.shown(source) or session.attach(source, planes)
        offer.restore(shown.history)
        session.changed.emit(source)
        self.offered.emit(source)

    def discard(self, source: Image) -> None:
        """Discard the unsaved work on an image."""
        self._offers.pop(source)[0].discard()
        self.offered.emit(source)

    def _on_changed(self, source: Layer) -> None:
        """Write the edits of an image's present result."""
        shown = self._session().shown(source)
        kept = self._kept.get(source)
        if kept is not None and kept[0] is not shown:
            self._kept.pop(source)[1].close()
            kept = None
        if shown is not None and kept is None and not shown.in_project:
            self._kept[source] = shown, Autosave(_name(source), shown.history)


def _name(source: Image) -> str:
    return str(source.metadata.get(KEPT_AS) or image_path(source) or source.name)


def _is_by_a_person(result: Result) -> bool:
    return bool(result.reviewed_planes) or any(cell.status != "predicted" or cell.is_draft for cell in result)
