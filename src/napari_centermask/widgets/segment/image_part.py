"""The part of the Segment dock in which the image is chosen, and how its axes and channels are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker

from napari_centermask.core.errors import BadImage
from napari_centermask.pipeline.channels import default_channels
from napari_centermask.widgets.parts.pickers import LayerCombo
from napari_centermask.widgets.segment.scope import draw_region, scopes
from napari_centermask.widgets.segment.view import ImageBox
from napari_centermask.widgets.viewer.planes import (
    CHANNEL_AXIS,
    ImagePlanes,
    axes_note,
    channel_names,
    guess_channel_axis,
    last_is_channels,
    put_channels_first,
)

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_centermask.models.store.card import ModelCard
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.work.connections import Connections


class ImagePart:
    """Connects the box with the images of a viewer.

    Parameters
    ----------
    card
        Returns the card of the chosen model, for which channels are offered; None without a model.
    on_read
        Called when another image was chosen, or its axes are read in another way.
    """

    def __init__(
        self,
        viewer: Viewer,
        session: Session,
        links: Connections,
        *,
        card: Callable[[], ModelCard | None],
        on_read: Callable[[], None],
    ) -> None:
        self._viewer, self._session, self._card, self._on_read = viewer, session, card, on_read
        self._ticked_by_hand: tuple[str, ...] = ()
        self.box = box = ImageBox(LayerCombo(viewer, kinds=(Image,), meant=session.image_of))
        links.add(box.layers.picked, self.show)
        links.add(box.axis.activated, self._on_axis_chosen)
        links.add(box.axis.currentIndexChanged, self._read)
        links.add(box.channels.picked, self._on_channels_picked)
        links.add(box.turn.clicked, self._on_turn)
        links.add(box.draw.clicked, lambda: draw_region(viewer, self.source))

    @property
    def source(self) -> Image | None:
        """The chosen image layer."""
        return self.box.layers.layer

    def planes(self) -> ImagePlanes | None:
        """The chosen image as arrays; None if none is chosen.

        Raises
        ------
        BadImage
            If the layer is not an image with height and width.
        """
        return None if self.source is None else ImagePlanes.of(self.source, channel_axis=self.box.channel_axis)

    def planes_or_none(self) -> ImagePlanes | None:
        """The same; None also for a layer that cannot be used."""
        try:
            return self.planes()
        except BadImage:
            return None

    @property
    def problem(self) -> str:
        """Why the layer cannot be used; empty if it can."""
        try:
            self.planes()
        except BadImage as error:
            return str(error)
        return ""

    def show(self) -> None:
        """Show the axes of the chosen image: as its cells have them, or as they are likely."""
        source = self.source
        shown = self._session.shown(source)
        of_cells = None if shown is None else shown.planes.channel_axis
        guess = None if source is None else guess_channel_axis(source) if shown is None else of_cells
        with QSignalBlocker(self.box.axis):
            self.box.set_axes(source, guess=guess)
        self._read()

    def offer_channels(self) -> None:
        """Tick the channels that suit the model, unless you ticked others for images with the same channels."""
        names, card = self._names(), self._card()
        self.box.set_channels(names)
        if card is not None and names and tuple(names) != self._ticked_by_hand:
            self.box.channels.set_value(default_channels(names, card))

    def _names(self) -> list[str]:
        """Names of the channels of the chosen image."""
        return [] if self.source is None else channel_names(self.source, channel_axis=self.box.channel_axis)

    def _read(self) -> None:
        source, axis = self.source, self.box.channel_axis
        self.offer_channels()
        can_turn = source is not None and last_is_channels(source)
        self.box.set_note("" if source is None else axes_note(source, channel_axis=axis), can_turn=can_turn)
        self.box.set_scopes(scopes(self.planes_or_none()))
        self._on_read()

    def _on_axis_chosen(self) -> None:
        """The choice belongs to the image, and all docks follow it."""
        if self.source is not None:
            self.source.metadata[CHANNEL_AXIS] = self.box.channel_axis
            self._read()

    def _on_channels_picked(self) -> None:
        self._ticked_by_hand = tuple(self._names())

    def _on_turn(self) -> None:
        if self.source is not None:
            put_channels_first(self.source)
            self._viewer.reset_view()
            self.show()
