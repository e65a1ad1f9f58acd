"""The project that is open in a viewer: which image is shown, and saving."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import ref

import numpy as np
from psygnal import Signal

from napari_centermask.core.errors import BadImage, BadModel, BadProject, CannotSave, ChangedOutside, UserError
from napari_centermask.core.progress import Advance, silent
from napari_centermask.io.images import read_image
from napari_centermask.io.project import Project
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.project.loading import (
    FEW,
    ImageLoader,
    Loaded,
    check_form,
    image_layer,
    is_small,
)
from napari_centermask.widgets.project.predictions import Predictions, settings_for
from napari_centermask.widgets.project.ranking import ImageRanking
from napari_centermask.widgets.project.segment_all import SegmentAll
from napari_centermask.widgets.project.state import ProjectState, neighbour
from napari_centermask.widgets.segment.many import ManySlot
from napari_centermask.widgets.viewer.session import Session
from napari_centermask.widgets.viewer.state import session_of, state_of, unwrapped
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_centermask.io.image_data import ImageData
    from napari_centermask.io.project import ProjectImage
    from napari_centermask.io.project.project import Encoded
    from napari_centermask.io.project.store import Packed
    from napari_centermask.models.store.card import ModelCard

_PER_PIXEL = 2  # an image layer holds its data, and what is in view of them
_FEW_STORED = 2000  # cells that are encoded in some 20 ms
_TRIES = 3  # to encode cells that are changed meanwhile, before saving keeps everything waiting
Made = TypeVar("Made")


def project_session_of(viewer: Viewer) -> ProjectSession:
    """The viewer's project session, made on first use."""
    viewer = unwrapped(viewer)
    return state_of(viewer).part(ProjectSession, lambda: ProjectSession(viewer))


class ProjectSession:
    """One viewer's project.

    Attributes
    ----------
    project_changed
        Emitted when a project was opened or closed.
    changed
        Emitted with the id of an image whose cells or status changed; 0 for the list or the categories.
    shown
        Emitted with the id of the image that is now shown, 0 for none.
    load_failed
        Emitted with a sentence if an image could not be read.
    loader
        Loads large images off the GUI thread.
    predictions
        Predicts the next images in the background.
    ranking
        Ranks the images that would improve a model most.
    segment_all
        Segments many images, as the Segment dock asks.
    images
        All images in the order of the list: as ranked if that was chosen, else as in the project.
    """

    project_changed = Signal()
    changed = Signal(int)
    shown = Signal(int)
    load_failed = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = ref(viewer)
        self.session: Session = session_of(viewer)
        self.project: Project | None = None
        self.current = 0
        self.layer: Image | None = None
        self.loader = ImageLoader()
        self.predictions, self.ranking = Predictions(lambda: self.images), ImageRanking()
        self.ranking.changed.connect(lambda _: self.changed.emit(0))
        self._last: SegmentSettings | None = None
        self._packing: Project | None = None
        self._links, self._project_links = Connections(), Connections()
        self._links.add(self.loader.loaded, self._on_loaded)
        self._links.add(viewer.layers.events.removed, self._on_removed)
        self.in_use = state_of(viewer).in_use
        self.segment_all = SegmentAll(self, state_of(viewer).part(ManySlot, ManySlot))
        self._links.add(self.in_use.changed, self._use_categories)

    @property
    def viewer(self) -> Viewer:
        """The viewer; the session does not keep it alive."""
        return self._viewer()

    @property
    def images(self) -> list[ProjectImage]:
        """The images of the project, in order."""
        return [] if self.project is None else self.ranking.sorted(self.project.images)

    @property
    def loading(self) -> int:
        """The id of an image that is being loaded and will then be shown, 0 for none."""
        return self.loader.id

    def require(self) -> Project:
        """The open project.

        Raises
        ------
        BadProject
            If there is none.
        """
        if self.project is None:
            raise BadProject("There is no project. Open a folder of images in Plugins > CenterMask > Project.")
        return self.project

    def state(self) -> ProjectState:
        """The state that the buttons depend on."""
        if self.project is None:
            return ProjectState()
        return ProjectState(
            is_open=True,
            read_only=self.project.read_only,
            current=self.current,
            loading=self.project.image(self.loading).path.name if self.loading else "",
            previous=self.neighbour(-1),
            following=self.neighbour(1),
            reviewed=sum(i.status == "reviewed" for i in self.project.images),
            images=len(self.project.images),
        )

    def open(self, folder: Path, advance: Advance = silent) -> Project:
        """Open a project, or make one from a folder of images; the present one is saved and closed.

        Parameters
        ----------
        advance
            As for `Project.open`.

        Raises
        ------
        UserError
            If it cannot be opened; the present one then stays open.
        """
        if self.project is not None and self.project.folder == Path(folder).absolute():
            self.close()
            advance = silent  # what cancels it would leave no project open
        project = Project.open(Path(folder), advance=advance)
        self.close()
        self._take(project)
        return project

    def _take(self, project: Project) -> None:
        self.project = project
        self._project_links.end()
        self._project_links.add(project.changed, self._on_changed)
        self._use_categories(self.in_use.name)
        self.project_changed.emit()

    def _use_categories(self, model: str) -> None:
        """A new project has the categories of the model in use, so that cells drawn by hand are of the same kind as its cells."""
        if self.project is not None:
            with suppress(BadModel):
                self.project.use_categories(find_model(model or SegmentSettings().model).card.model.categories)

    def close(self) -> None:
        """Save and close the project; what cannot be saved stays in its journal."""
        if self.project is None:
            return
        self.predictions.stop()
        self.segment_all.cancel()
        self.ranking.stop()
        self.loader.cancel()
        self.leave()
        self.session.canvas.take_back_soon()
        project, self.project = self.project, None
        self._project_links.end()
        try:
            if not project.read_only and project.unsaved:
                project.save()
        except UserError as error:
            from napari.utils.notifications import show_warning

            show_warning(_kept(project, error))
        finally:
            project.close()
        self.project_changed.emit()

    def end(self) -> None:
        """The viewer was closed: save and close the project."""
        self._links.end()
        self.close()

    def replace(self, project: Project) -> None:
        """Continue with another state of the same project, from `Project.reload` or `discard_recovered`."""
        current = self.loading or self.current
        self.loader.cancel()
        self.leave()
        self._take(project)
        if current:
            self.show_soon(current)

    def show(self, id: int) -> None:
        """Show an image with its cells at once, in place of the current one.

        Raises
        ------
        UserError
            If the image or its annotations cannot be used; the current one then stays.
        """
        image = self._usable(id)
        if id != self.current:
            self._enter(id, read_image(image.path, leading=image.leading))

    def show_soon(self, id: int) -> None:
        """The same, but a large image, or one with many cells, is loaded by a thread and shown when it is ready.

        The current one stays until then, and can be worked on. Choosing another image, or the current one, cancels the loading.
        """
        image = self._usable(id)
        if id == self.current or is_small(image, self.project.unread(id)):
            self.show(id)
        else:
            self.loader.start(id, image.path, image.leading, self.project.reader(id))

    def _usable(self, id: int) -> ProjectImage:
        """An image's entry; cancels the loading of another one."""
        image = self.project.image(id)
        if image.problem:
            raise BadImage(image.problem)
        self.loader.cancel()
        return image

    def _on_loaded(self, id: int, loaded: Loaded | Failed) -> None:
        """The requested image was loaded, or could not be."""
        if self.project is None or self.viewer is None or not id:
            return
        try:
            if isinstance(loaded, Failed):
                raise BadImage(loaded.message)
            self.project.take(id, loaded.cells)
            with self.session.canvas.in_turns():
                self._enter(id, loaded.pixels)
        except UserError as error:
            self.load_failed.emit(str(error))

    def _enter(self, id: int, pixels: ImageData) -> None:
        """Put a loaded image into the viewer, in place of the current one."""

        result, history = self.project.result(id), self.project.history(id)
        layer, planes = image_layer(pixels, name=Path(self.project.image(id).file_name).stem)
        check_form(self.project.image(id).path, planes, result)
        before = self._let_go()  # only when everything after it is known to work
        self.session.canvas.collector.set_aside(n_bytes=0 if before is None else _PER_PIXEL * before.data.nbytes)
        self.layer, self.current = layer, id
        self._put_in_place_of(before, layer)
        self._colour()
        self.session.attach(layer, planes, result, history, in_project=True)
        if before is not None and not _covers(layer, before):
            self.session.canvas.take_out_rest()  # the view is fitted to all layers
        self.viewer.layers.selection.active = layer
        self.viewer.reset_view()
        self.predictions.follow(id)
        self.shown.emit(id)

    def remove(self, id: int) -> None:
        """Remove an image from the project and the viewer; raises as `Project.remove_image`."""
        self.flush()
        was_in_view = id == self.current
        if id in (self.current, self.loading):
            self.loader.cancel()
            self.leave()
        try:
            self.project.remove_image(id)
        except UserError:
            if was_in_view:
                self.show(id)
            raise

    def leave(self) -> None:
        """Remove the current image from the viewer; what was painted on it is kept."""
        layer = self._let_go()
        if layer is not None:
            self.session.canvas.take_out_soon(layer)
        self.shown.emit(0)

    def _let_go(self) -> Image | None:
        """Stop working on the current image; returns its layer."""
        self._last = self._settings_in_view() or self._last
        layer, self.layer, self.current = self.layer, None, 0
        if layer is None or self.viewer is None:
            return None
        self.session.forget(layer)
        return layer

    def _put_in_place_of(self, before: Image | None, layer: Image) -> None:
        """Add the layer of an image in place of the former one, which is removed in a later turn if that cannot be seen."""
        layers, canvas = self.viewer.layers, self.session.canvas
        canvas.free_name(layer.name)
        if before is None or before not in layers:
            layers.append(layer)
            return
        at = layers.index(before)
        if _covers(layer, before):
            layers.insert(at + 1, layer)
            canvas.take_out_soon(before)
        else:
            canvas.take_out(before)
            layers.insert(at, layer)

    def neighbour(self, step: int, *, open_only: bool = False) -> int | None:
        """The id of the next (or with -1 the previous) usable image; of those not reviewed with `open_only`.

        While an image is being loaded, those beside it.
        """
        return neighbour(self.images, self.loading or self.current, step, open_only=open_only)

    def finish(self) -> int | None:
        """Mark the current image as reviewed and go to the next one that is not; returns its id."""
        self.flush()
        self.project.set_status(self.current, "reviewed")
        following = self.neighbour(1, open_only=True)
        if following is not None:
            self.show_soon(following)
        return following

    def when_packed(self, save: Callable[[], object]) -> None:
        """Call what saves the project: at once, or after threads have packed the changed cells and encoded all of many cells."""
        project = self.require()
        if self._packing is project:  # what is saved then holds all changes until then
            return
        self.flush()
        n, pack = project.packer()
        if project.read_only or (n <= FEW and project.n_stored <= _FEW_STORED):
            save()
            return
        self._packing = project

        def on_packed(packed: Packed) -> None:
            project.take_packed(packed)
            self._encode(project, save)

        self._in_thread(project, pack, on_packed, save)

    def _encode(self, project: Project, save: Callable[[], object], tries: int = _TRIES) -> None:
        """Encode the annotations, again if they are changed meanwhile, and save."""

        def on_encoded(encoded: Encoded) -> None:
            project.take_encoded(encoded)
            if project.is_encoded or tries <= 1:
                self._packing = None
                save()
            else:
                self._encode(project, save, tries - 1)

        self._in_thread(project, project.encoder(), on_encoded, save)

    def _in_thread(
        self, project: Project, work: Callable[[], Made], then: Callable[[Made], object], save: Callable[[], object]
    ) -> None:
        """Do some work in a thread and go on with what it makes; save at once if it fails."""
        from napari.qt.threading import create_worker

        def on_returned(made: Made) -> None:
            if self.project is project:
                then(made)
            else:
                ended()

        def on_failed(_: Exception) -> None:
            ended()
            if self.project is project:
                save()

        def ended() -> None:
            if self._packing is project:
                self._packing = None

        worker = create_worker(work, _start_thread=False)
        worker.returned.connect(on_returned)
        worker.errored.connect(on_failed)
        worker.start()

    def save(self, *, overwrite: bool = False) -> None:
        """Save the project; raises as `Project.save`."""
        self.flush()
        self.project.save(overwrite=overwrite)
        self.changed.emit(0)

    def flush(self) -> None:
        """Apply what was painted on the current image."""
        shown = self.session.shown(self.layer)
        if shown is not None and shown.edits is not None:
            shown.edits.flush()

    def settings(self, card: ModelCard) -> SegmentSettings:
        """Settings for a prediction with a model: those of its last run in this viewer, else its own."""
        self._last = self._settings_in_view() or self._last
        return settings_for(card, last=self._last, layer=self.layer)

    def _settings_in_view(self) -> SegmentSettings | None:
        shown = self.session.shown(self.layer)
        return None if shown is None else shown.settings

    def _on_changed(self, id: int) -> None:
        if id == 0:
            self._colour()
            shown = self.session.shown(self.layer)
            if shown is not None:
                self.session.describe(shown)
                self.session.changed.emit(self.layer)
        self.changed.emit(id)

    def _colour(self) -> None:
        """Use the project's colours of categories for the current image."""
        if self.current:
            result = self.project.result(self.current)
            result.colours = {id: c.colour for id, c in self.project.categories.items()}

    def _on_removed(self, event: Event) -> None:
        if event.value is self.layer:
            self.layer, self.current = None, 0
            self.shown.emit(0)


def _covers(layer: Image, before: Image) -> bool:
    """Whether a former image can stay below a new one for a moment: it is as large and has another name."""
    same = layer.ndim == before.ndim and np.array_equal(layer.extent.world, before.extent.world)
    return bool(same) and layer.name != before.name


def _kept(project: Project, error: UserError) -> str:
    """Why a project was not saved on closing, and where its cells are."""
    if not isinstance(error, ChangedOutside):
        return f"{error} {project.kept}"
    changed = " and ".join(project.changed_outside())
    try:
        copy = project.keep_beside()
    except CannotSave as refusal:
        return f"Another program changed {changed}. No copy of the cells here could be kept: {refusal} {project.kept}"
    return (
        f"Another program changed {changed}, so that nothing was replaced. All cells as they were here are in {copy} in "
        f"{project.folder}. {project.kept}"
    )
