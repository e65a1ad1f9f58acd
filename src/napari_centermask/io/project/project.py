"""A project: open a folder of images, correct its cells with a journal beneath, save, and go on tomorrow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from napari_centermask.core.errors import BadImage, BadProject, CannotSave
from napari_centermask.core.history import Edit, History, RegionChange
from napari_centermask.core.instances import Instances
from napari_centermask.core.predictions import replace_predictions
from napari_centermask.core.result import Index, Result
from napari_centermask.core.viability import renamed
from napari_centermask.io.files import Stamp, remove_parts
from napari_centermask.io.journal import Contents, Journal, read_journal
from napari_centermask.io.lock import FolderLock, lock_folder
from napari_centermask.io.own_files import ANNOTATIONS, JOURNAL, PREVIOUS, PREVIOUS_PROJECT, PROJECT
from napari_centermask.io.project import replay
from napari_centermask.io.project.category_list import CategoryList
from napari_centermask.io.project.image_list import ImageList
from napari_centermask.io.project.images import new_entries
from napari_centermask.io.project.layout import STATUSES, Status, read_project_file
from napari_centermask.io.project.readonly import ClosedHistory
from napari_centermask.io.project.saving import Saving
from napari_centermask.io.project.store import Store


class Project(ImageList, CategoryList, Saving):
    """A folder with images, annotations.json, a journal, models and runs; made by `open` or `create`.

    All methods belong to one thread, the one that edits.

    Attributes
    ----------
    folder
        Where it lies.
    read_only
        Why nothing can be changed, in a sentence; empty for the one window that writes.
    recovered
        Number of edits that were in the journal and not in annotations.json: the last session did not end by itself.
    notes
        Sentences that the person should read after opening.
    changed
        Emitted with the id of an image whose cells or status changed; with 0 for the list of images or the categories.
    troubled
        Emitted with a sentence when the disk refuses the journal, and with "" when it is well again; perhaps from
        another thread. `problem` holds the same.
    """

    def __init__(self, folder: Path, lock: FolderLock | None, read_only: str = "") -> None:
        self.folder, self.read_only, self._lock = folder, read_only, lock
        self.recovered, self.notes = 0, []
        self._results: dict[int, Result] = {}
        self._thresholds: dict[int, float] = {}
        self._histories: dict[int, History] = {}
        self._dirty: set[int] = set()
        self._problems: dict[int, str] = {}
        self._journal: Journal | None = None
        self._load()

    @classmethod
    def create(cls, folder: Path, images: Iterable[Path] | None = None, *, copy: bool = False) -> Self:
        """Make a project of a new or present folder.

        Parameters
        ----------
        images
            Image files; those outside of the folder are linked, or copied with `copy`. Those in the folder if not given.

        Raises
        ------
        BadProject
            If the folder is a project already, or an image is none.
        CannotSave
            If the folder cannot be written.
        """
        folder = Path(os.path.abspath(folder))
        if (folder / PROJECT).exists():
            raise BadProject(f"{folder} is a project already. Open it, and add the images there.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotSave(f"Expected to make the folder {folder}: {error.strerror}. Choose another.") from error
        entries, _ = new_entries(folder, images, [], copy=copy) if images is not None else (None, [])
        project = cls._locked(folder, must_write=True)
        if entries is not None:
            project._file.images = []
            project._add(entries)
        project.save()
        return project

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a project; a folder of images becomes one.

        What the journal holds beyond annotations.json is applied: the state is that of the last finished stroke.

        Raises
        ------
        BadProject, BadAnnotations
            If the folder or a file in it is damaged; nothing was changed then.
        """
        return cls._locked(Path(os.path.abspath(folder)), must_write=False)

    @classmethod
    def _locked(cls, folder: Path, *, must_write: bool) -> Self:
        if not folder.is_dir():
            raise BadProject(f"Expected a folder of images or a project, {folder} is none. Choose a folder.")
        lock = lock_folder(folder)
        if isinstance(lock, str):
            if must_write:
                raise CannotSave(lock)
            return cls(folder, None, f"{lock} Here it can be looked at and exported, not changed.")
        try:
            return cls(folder, lock)
        except BaseException:
            lock.release()
            raise

    def _load(self) -> None:
        file = read_project_file(self.folder)
        self._annotations_stamp = Stamp.of(self.folder / ANNOTATIONS)
        self._store = Store.read(self.folder / ANNOTATIONS)
        contents = read_journal(self.folder / JOURNAL)
        self._is_new = file is None
        self._file = file or replay.adopted(self.folder, self._store)
        self._file_stamp = Stamp.of(self.folder / PROJECT)
        self._categories = self._file.named()
        self._entries = {e.id: e for e in self._file.images}
        for entry in self._file.images:
            self._measure(entry)
        self._compare()
        self._bring_back(e for e in self._file.images if e.file_name not in self._store.images)
        self._replay(contents)
        if not self.read_only:
            remove_parts(self.folder, (ANNOTATIONS, PREVIOUS, PROJECT, PREVIOUS_PROJECT, JOURNAL))
            start = max(contents.last, self._store.edits, self._file.edits)
            self._journal = Journal(self.folder / JOURNAL, start=start, on_problem=self.troubled.emit)
            if self._is_new:
                self._begin()

    def _begin(self) -> None:
        """Make a project of the folder; on a full disk that waits for the first time it is saved."""
        try:
            self._write_file(known=[self._annotations_stamp.sha256], edits=0)
            self._is_new = False
        except CannotSave as error:
            self.notes.append(str(error))

    def _compare(self) -> None:
        """Note what another program did to annotations.json since it was written here.

        Raises
        ------
        BadProject
            If it is gone and the one before it is there: nobody should go on without cells by mistake.
        """
        now, known = self._annotations_stamp.sha256, self._file.known
        if self._is_new or now in known:
            return
        if now:
            self.notes.append(f"{ANNOTATIONS} was changed by another program; what is shown is its present state.")
        elif (self.folder / PREVIOUS).exists():
            raise BadProject(
                f"Expected {ANNOTATIONS} in {self.folder}, it is gone. Give {PREVIOUS} that name, or move that away as well to "
                "start without cells."
            )

    def _replay(self, contents: Contents) -> None:
        done, refused = replay.apply(self, contents)
        self.recovered = 0 if self.read_only else done
        refused += contents.unreadable
        if refused and not self.read_only:
            try:
                kept = replay.keep_copy(self.folder / JOURNAL, "damaged")
            except CannotSave as error:
                kept = f"no copy could be kept ({error}), and {JOURNAL}"
            self.notes.append(f"{refused} lines of the journal could not be used; {kept} holds them.")

    @property
    def problem(self) -> str:
        """Why the last edits are not on the disk, in a sentence; empty while all is well."""
        return self._journal.problem if self._journal is not None else ""

    def result(self, id: int) -> Result:
        """The cells of an image, read when first asked for.

        Raises
        ------
        BadImage, BadAnnotations
            If the image or its annotations cannot be used.
        """
        if id not in self._results:
            entry = self._entries[id]
            if entry.shape is None:
                raise BadImage(self._problems[id])
            name = Path(entry.file_name).name
            known = entry.file_name in self._store.images
            result = (
                self._store.result(entry.file_name) if known else Result(entry.shape, leading=entry.leading, name=name)
            )
            if (result.shape, result.leading) != (entry.shape, entry.leading):
                raise BadImage(
                    f"Expected an image of {result.leading + result.shape} pixels, as its annotations say, {entry.file_name} "
                    f"has {entry.leading + entry.shape}. Put the former image back."
                )
            result.named_categories = True
            self._name_categories(result)
            self._results[id], self._thresholds[id] = result, result.threshold
        return self._results[id]

    def history(self, id: int) -> History:
        """The door for all changes of an image; every edit goes to the journal. A read-only project's refuses them."""
        if id not in self._histories:
            result = self.result(id)
            history = ClosedHistory(result, self.read_only) if self.read_only else History(result)
            history.listen(lambda edit: self._on_edit(id, edit))
            self._histories[id] = history
        return self._histories[id]

    def _on_edit(self, id: int, edit: Edit) -> None:
        self._journal.append(id, edit)
        self._dirty.add(id)
        self._adopt_categories(self._results[id])
        status = self._entries[id].status
        if replay.is_prediction(edit):
            self._note_status(
                id, "predicted" if status == "untouched" else "in work" if status == "reviewed" else status
            )
        elif status != "reviewed":
            self._note_status(id, "in work")
        self.changed.emit(id)

    def status(self, id: int) -> Status:
        """ "untouched", "predicted", "in work" or "reviewed"."""
        return self._entries[id].status

    def set_status(self, id: int, status: Status) -> None:
        """Say how far an image is. "reviewed" also states that all of every plane is right and complete.

        Raises
        ------
        ValueError
            If there is no such status.
        BadImage
            If an image is to be reviewed that cannot be used.
        ReadOnlyProject
            If the project is read-only.
        """
        self._check_writable()
        if status not in STATUSES:
            raise ValueError(f"Expected a status of {STATUSES}, got {status!r}.")
        if status == "reviewed":
            if self._problems.get(id):
                raise BadImage(self._problems[id])
            self.review_all(id)
        self._note_status(id, status)
        self.changed.emit(id)

    def review_all(self, id: int) -> None:
        """State through the history that all of every plane is right and complete."""
        result = self.result(id)
        whole = ((0, 0, *result.shape),)
        planes = [tuple(map(int, index)) for index in _planes(result.leading)]
        regions = [RegionChange(index, result.reviewed(index), whole) for index in planes]
        self.history(id).do("review of the whole image", regions=regions)

    def _note_status(self, id: int, status: Status) -> None:
        if self._entries[id].status != status:
            self._entries[id].status = status
            self._journal.note({"image": id, "status": status})

    def set_group(self, id: int, group: str) -> None:
        """Say which source an image comes from: images of one group never go to different splits."""
        self._check_writable()
        self._entries[id].group = group
        self._journal.note({"image": id, "group": group})
        self.changed.emit(id)

    def set_predictions(self, id: int, cells: Mapping[Index, Instances] | Instances, *, model: str) -> Edit | None:
        """Put a model's cells in the place of its former ones, through the history; a person's cells stay.

        Categories are matched by name; those that the project lacks are added.

        Raises
        ------
        ValueError
            If the cells are of an image of another shape.
        """
        self._check_writable()
        planes = {(): cells} if isinstance(cells, Instances) else cells
        result, changes = self.result(id), []
        for index, plane in planes.items():
            numbers = {c: self._category_named(name) for c, name in plane.categories.items()}
            own = [renamed(i, numbers, plane.categories, self._categories) for i in plane]
            named = [replace(i, source=model) for i in own]
            changes += replace_predictions(result, index, Instances(plane.shape, named, categories=result.categories))
        edit = self.history(id).do(f"segmentation with {model}", changes)
        self._dirty.add(id)
        if self._entries[id].status == "untouched":
            self._note_status(id, "predicted")
        self.changed.emit(id)
        return edit

    def close(self) -> None:
        """Bring the journal to the disk and let another window write; closing twice does no harm."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self.read_only = self.read_only or "The project is closed."

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _planes(leading: tuple[int, ...]) -> Iterable[Index]:
    import numpy as np

    return np.ndindex(*leading)
