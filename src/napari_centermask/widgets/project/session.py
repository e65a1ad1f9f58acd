"""The project that is open in a viewer: which image is shown, saving, and predictions ahead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from psygnal import Signal

from napari_centermask.core.errors import BadImage, UserError
from napari_centermask.io.images import read_image
from napari_centermask.io.project import Project
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.project.predictions import Ahead
from napari_centermask.widgets.project.ranking import Teaching
from napari_centermask.widgets.project.reading import Opening, is_small
from napari_centermask.widgets.viewer.autosave import IN_PROJECT
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.session import Session, session_of
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_centermask.io.image_data import ImageData
    from napari_centermask.io.project import ProjectImage
    from napari_centermask.models.store.card import ModelCard

_PROJECTS: WeakKeyDictionary[Viewer, ProjectSession] = WeakKeyDictionary()


def project_session_of(viewer: Viewer) -> ProjectSession:
    """The viewer's project session, made on first use."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _PROJECTS:
        _PROJECTS[viewer] = ProjectSession(viewer)
    return _PROJECTS[viewer]


class ProjectSession:
    """One viewer's project.

    Attributes
    ----------
    opened
        Emitted when a project was opened or closed.
    changed
        Emitted with the id of an image whose cells or status changed; 0 for the list or the categories.
    shown
        Emitted with the id of the image that came into view, 0 for none.
    reading
        Emitted with the id of an image that is being read and comes into view then, 0 when it came or is not wanted.
    coming
        That id.
    failed
        Emitted with a sentence if it could not be read.
    ahead
        Predicts the next images.
    teaching
        Finds the images from which a model would learn most.
    images
        All images in the order in which they are listed and gone through: those that teach most first where it was asked
        for, else as in the project.
    """

    opened = Signal()
    changed = Signal(int)
    shown = Signal(int)
    reading = Signal(int)
    failed = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = ref(viewer)
        self.session: Session = session_of(viewer)
        self.project: Project | None = None
        self.current = self.coming = 0
        self.layer: Image | None = None
        self._opening = Opening(self._on_read)
        self.ahead, self.teaching = Ahead(lambda: self.images), Teaching()
        self.teaching.changed.connect(lambda _: self.changed.emit(0))
        self._last: SegmentSettings | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def viewer(self) -> Viewer:
        """The viewer; the session does not keep it alive."""
        return self._viewer()

    @property
    def images(self) -> list[ProjectImage]:
        """The images of the project, in order."""
        return [] if self.project is None else self.teaching.sorted(self.project.images)

    def open(self, folder: Path) -> Project:
        """Open a project, or make one of a folder of images; the one before is saved and closed.

        Raises
        ------
        UserError
            If it cannot be opened; the one before stays open then.
        """
        same = self.project is not None and self.project.folder == Path(folder).absolute()
        if same:
            self.close()
        project = Project.open(Path(folder))
        self.close()
        self._take(project)
        return project

    def _take(self, project: Project) -> None:
        self.project = project
        project.changed.connect(self._on_changed)
        self.opened.emit()

    def close(self) -> None:
        """Save and close the project; what cannot be saved stays in its journal."""
        if self.project is None:
            return
        self.ahead.stop()
        self.teaching.stop()
        self._expect(0)
        self.leave()
        project, self.project = self.project, None
        project.changed.disconnect(self._on_changed, missing_ok=True)
        try:
            if not project.read_only and project.unsaved:
                project.save()
        except UserError as error:
            from napari.utils.notifications import show_warning

            show_warning(f"{error} All edits are in the journal; they are offered when the project is opened again.")
        finally:
            project.close()
        self.opened.emit()

    def replace(self, project: Project) -> None:
        """Go on with another state of the same project, from `Project.reload` or `discard_recovered`."""
        current = self.coming or self.current
        self._expect(0)
        self.leave()
        self._take(project)
        if current:
            self.show_soon(current)

    def show(self, id: int) -> None:
        """Bring an image into view with its cells, now; the one before leaves.

        Raises
        ------
        UserError
            If the image or its annotations cannot be used; the one before stays in view then.
        """
        image = self._usable(id)
        if id != self.current:
            self._enter(id, read_image(image.path))

    def show_soon(self, id: int) -> None:
        """The same, but a large image is read by a thread and comes when it is there.

        The one before stays in view until then, and can be worked on. Choosing another image, also the one in view, ends the
        wait.
        """
        image = self._usable(id)
        if id == self.current or is_small(image):
            self.show(id)
        else:
            self._expect(id)
            self._opening.start(image.path)

    def _usable(self, id: int) -> ProjectImage:
        """An image's entry; nothing else is waited for from now on."""
        image = self.project.image(id)
        if image.problem:
            raise BadImage(image.problem)
        self._expect(0)
        return image

    def _expect(self, id: int) -> None:
        """Wait for an image, 0 for none."""
        if not id:
            self._opening.cancel()
        if id != self.coming:
            self.coming = id
            self.reading.emit(id)

    def _on_read(self, found: ImageData | Failed) -> None:
        """The image that is wanted was read, or could not be."""
        id = self.coming
        self._expect(0)
        if self.project is None or self.viewer is None or not id:
            return
        try:
            if isinstance(found, Failed):
                raise BadImage(found.message)
            self._enter(id, found)
        except UserError as error:
            self.failed.emit(str(error))

    def _enter(self, id: int, pixels: ImageData) -> None:
        """Put an image that was read into the viewer, in place of the one before."""
        result, history = self.project.result(id), self.project.history(id)
        self.leave()
        layer, planes = self._add(pixels, Path(self.project.image(id).file_name).stem)
        self.layer, self.current = layer, id
        self._colour()
        self.session.attach(layer, planes, result, history)
        self.viewer.layers.selection.active = layer
        self.viewer.reset_view()
        self.ahead.follow(id)
        self.shown.emit(id)

    def remove(self, id: int) -> None:
        """Take an image out of the project, and out of view; raises as `Project.remove_image`."""
        self.flush()
        if id in (self.current, self.coming):
            self._expect(0)
            self.leave()
        self.project.remove_image(id)

    def _add(self, pixels, name: str) -> tuple[Image, ImagePlanes]:
        """The image as one layer; channels become a slider."""
        from napari.layers import Image

        data, axes, rgb = pixels.data, pixels.axes, pixels.axes.endswith("S")
        if "S" in axes and not rgb:
            import numpy as np

            data, axes, rgb = np.moveaxis(data, axes.index("S"), -1), axes.replace("S", "") + "S", True
        labels = tuple(axes.rstrip("S").lower())
        about = {IN_PROJECT: True, "channel_names": list(pixels.channel_names)}
        layer = Image(data, name=name, rgb=rgb, axis_labels=labels, metadata=about)
        self.viewer.add_layer(layer)
        return layer, ImagePlanes.of(layer, channel_axis=axes.index("C") if "C" in axes else None)

    def leave(self) -> None:
        """Take the image in view out of the viewer; what was painted on it is kept."""
        layer, self.layer, self.current = self.layer, None, 0
        if layer is not None and self.viewer is not None:
            self._note_settings(layer)
            self.session.forget(layer)
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self.shown.emit(0)

    def neighbour(self, step: int, *, open_only: bool = False) -> int | None:
        """The id of the next (or with -1 the previous) usable image; of those not reviewed with `open_only`.

        While an image is read, those beside it.
        """
        images = [i for i in self.images if not i.problem]
        ids = [i.id for i in images]
        here = self.coming or self.current
        at = ids.index(here) if here in ids else (-1 if step > 0 else len(ids))
        rest = images[at + step :: step] if 0 <= at + step < len(ids) else []
        return next((i.id for i in rest if not (open_only and i.status == "reviewed")), None)

    def finish(self) -> int | None:
        """Call the image in view reviewed and go on to the next one that is not; returns its id."""
        self.flush()
        self.project.set_status(self.current, "reviewed")
        following = self.neighbour(1, open_only=True)
        if following is not None:
            self.show_soon(following)
        return following

    def save(self, *, overwrite: bool = False) -> None:
        """Save the project; raises as `Project.save`."""
        self.flush()
        self.project.save(overwrite=overwrite)
        self.changed.emit(0)

    def flush(self) -> None:
        """Take over what was painted on the image in view."""
        shown = self.session.shown(self.layer)
        if shown is not None and shown.edits is not None:
            shown.edits.flush()

    def settings(self, card: ModelCard) -> SegmentSettings:
        """Settings for a prediction with a model: those of the last run of it in this viewer, else its own."""
        from napari_centermask.pipeline import with_card_defaults

        self._note_settings(self.layer)
        if self._last is not None and self._last.model == card.name:
            return self._last
        names = [] if self.layer is None else self.layer.metadata.get("channel_names")
        return with_card_defaults(SegmentSettings(model=card.name, channel_names=names or None), card)

    def _note_settings(self, layer: Image | None) -> None:
        shown = self.session.shown(layer)
        if shown is not None and shown.settings is not None:
            self._last = shown.settings

    def _on_changed(self, id: int) -> None:
        if id == 0:
            self._colour()
            shown = self.session.shown(self.layer)
            if shown is not None:
                shown.layers.describe()
                self.session.changed.emit(self.layer)
        self.changed.emit(id)

    def _colour(self) -> None:
        """Give the image in view the project's colours of categories."""
        if self.current:
            result = self.project.result(self.current)
            result.colours = {id: c.colour for id, c in self.project.categories.items()}

    def _on_removed(self, event) -> None:
        if event.value is self.layer:
            self.layer, self.current = None, 0
            self.shown.emit(0)
