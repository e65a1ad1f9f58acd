"""A project: open a folder of images, correct its cells with a journal beneath, save, and go on tomorrow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from psygnal import Signal

from ...core.errors import BadImage, BadProject, BadSettings, CannotSave, ChangedOutside, ReadOnlyProject
from ...core.history import Edit, History, RegionChange
from ...core.instances import Instances
from ...core.predictions import replace_predictions
from ...core.result import Index, Result
from ..files import Stamp, remove_parts, replace_file
from ..journal import Contents, Journal, read_journal
from ..lock import FolderLock, lock_folder
from . import replay
from .images import ProjectImage, find_images, measure, new_entries
from .layout import (
    ANNOTATIONS,
    FOLDERS,
    JOURNAL,
    PREVIOUS,
    PREVIOUS_PROJECT,
    PROJECT,
    STATUSES,
    Category,
    CategoryEntry,
    ImageEntry,
    Status,
    new_category,
    read_project_file,
)
from .readonly import ClosedHistory
from .store import Store


class Project:
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

    changed = Signal(int)
    troubled = Signal(str)

    def __init__(self, folder: Path, lock: FolderLock | None, read_only: str = "") -> None:
        self.folder, self.read_only, self._lock = folder, read_only, lock
        self.recovered, self.notes = 0, []
        self._results: dict[int, Result] = {}
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
        """Note what another program did to annotations.json since it was written here."""
        now, known = self._annotations_stamp.sha256, self._file.known
        if self._is_new or now in known:
            return
        if now:
            self.notes.append(f"{ANNOTATIONS} was changed by another program; what is shown is its present state.")
        elif any(known):
            self.notes.append(f"{ANNOTATIONS} is gone; {PREVIOUS} beside it holds the state before it.")

    def _measure(self, entry: ImageEntry) -> None:
        problem = measure(entry, self.folder / entry.path)
        self._problems.pop(entry.id, None)
        if problem:
            self._problems[entry.id] = problem

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

    @property
    def images(self) -> list[ProjectImage]:
        """All images, in the order in which they were added."""
        return [self.image(id) for id in self._entries]

    def image(self, id: int) -> ProjectImage:
        """One image.

        Raises
        ------
        KeyError
            If there is none with this id.
        """
        e = self._entries[id]
        path = self.folder / e.path
        problem = self._problems.get(id, "")
        return ProjectImage(
            id, e.file_name, path, e.shape, e.leading, e.axes, e.status, e.group, e.pixel_size_um, problem
        )

    def add_images(self, paths: Iterable[Path], *, copy: bool = False) -> list[str]:
        """Link or copy more images; returns why some were left out.

        Raises
        ------
        BadProject, CannotSave, ReadOnlyProject
            If one is no image, cannot be copied, or the project is read-only.
        """
        self._check_writable()
        entries, left_out = new_entries(self.folder, paths, self._file.images, copy=copy)
        self._add(entries)
        self._write_file()
        self.changed.emit(0)
        return left_out

    def new_files(self) -> list[Path]:
        """Images that lie in the folder and are not part of the project."""
        known = {self.folder / e.path for e in self._file.images}
        return [p for p in find_images(self.folder) if p not in known]

    def relocate(self, id: int, path: Path) -> None:
        """Say where a linked image lies now.

        Raises
        ------
        BadImage
            If that is another image: its size differs.
        """
        self._check_writable()
        path = Path(os.path.abspath(path))
        inside = path.is_relative_to(self.folder)
        place = path.relative_to(self.folder).as_posix() if inside else str(path)
        entry = self._entries[id].model_copy(update={"path": place})
        problem = measure(entry, path)
        if problem:
            raise BadImage(problem)
        self._entries[id].path = place
        self._measure(self._entries[id])
        self._write_file()
        self.changed.emit(id)

    def _add(self, entries: list[ImageEntry]) -> None:
        for entry in entries:
            self._file.images.append(entry)
            self._measure(entry)
        self._entries = {e.id: e for e in self._file.images}

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
            self._results[id] = result
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
            named = [replace(i, category=numbers.get(i.category, i.category), source=model) for i in plane]
            changes += replace_predictions(result, index, Instances(plane.shape, named, categories=result.categories))
        edit = self.history(id).do(f"segmentation with {model}", changes)
        self._dirty.add(id)
        if self._entries[id].status == "untouched":
            self._note_status(id, "predicted")
        self.changed.emit(id)
        return edit

    @property
    def categories(self) -> dict[int, Category]:
        """Kinds of cells by COCO id."""
        return dict(self._categories)

    def add_category(self, name: str) -> int:
        """Add a kind of cell with a free colour and digit key; returns its id.

        Raises
        ------
        BadSettings
            If there is one of this name.
        """
        self._check_writable()
        id, category = new_category(name, self._categories)
        self.set_category(id, category)
        return id

    def set_category(self, id: int, category: Category) -> None:
        """Change a kind of cell, or add one with this id.

        Raises
        ------
        BadSettings
            If the name or the key is another one's already, or the colour is none.
        """
        self._check_writable()
        replay.check_category(id, category, self._categories)
        self._put_category(id, category)

    def _put_category(self, id: int, category: Category) -> None:
        self._categories[id] = category
        self._journal.note({"category": CategoryEntry(id=id, **_fields(category)).model_dump()})
        for result in self._results.values():
            self._name_categories(result)
        self.changed.emit(0)

    def remove_category(self, id: int) -> None:
        """Remove a kind of cell that no cell has.

        Raises
        ------
        BadSettings
            Naming an image whose cells have it.
        """
        self._check_writable()
        for entry in self._file.images:
            result = self._results.get(entry.id)
            used = {c.category for c in result} if result is not None else self._store.uses(entry.file_name)
            if id in used:
                raise BadSettings(
                    f"Expected a category without cells, {entry.file_name} has cells of {self._categories[id].name!r}. "
                    "Give them another category first."
                )
        if len(self._categories) == 1:
            raise BadSettings("Expected at least one category. Rename this one, or add another first.")
        del self._categories[id]
        self._journal.note({"category": {"id": id, "removed": True}})
        for result in self._results.values():
            self._name_categories(result)
        self.changed.emit(0)

    def _category_named(self, name: str) -> int:
        for id, category in self._categories.items():
            if category.name == name:
                return id
        return self.add_category(name)

    def _name_categories(self, result: Result) -> None:
        result.categories = {id: c.name for id, c in self._categories.items()}
        for plane in result.planes.values():
            plane.categories = dict(result.categories)

    def _adopt_categories(self, result: Result) -> None:
        """Take over categories that a run in the viewer brought."""
        for id, name in result.categories.items():
            if id not in self._categories:
                self._put_category(id, new_category(name, self._categories, id=id)[1])
        if result.categories != {id: c.name for id, c in self._categories.items()}:
            self._name_categories(result)

    @property
    def unsaved(self) -> bool:
        """Whether the journal holds changes that annotations.json and project.json do not."""
        saved = min(self._store.edits, self._file.edits)
        return self._is_new or bool(self._dirty) or (self._journal is not None and self._journal.last > saved)

    def changed_outside(self) -> list[str]:
        """Names of files that another program changed since they were read or written here."""
        stamps = {ANNOTATIONS: self._annotations_stamp, PROJECT: self._file_stamp}
        return [name for name, stamp in stamps.items() if not stamp.fits(self.folder / name)]

    def save(self, *, overwrite: bool = False) -> None:
        """Write annotations.json and project.json by rename, the former ones kept; then the journal starts anew.

        Undo goes on as before.

        Parameters
        ----------
        overwrite
            Replace files that another program changed; copies named "... changed outside" are kept of them.

        Raises
        ------
        ChangedOutside
            If another program changed a file and `overwrite` is off.
        CannotSave
            If the disk refuses; files, journal and cells are as they were.
        ReadOnlyProject
            If the project is read-only.
        """
        self._check_writable()
        self._check_outside(overwrite)
        number = self._journal.last
        text = self.encoded_annotations(number)
        known = [hashlib.sha256(text).hexdigest(), self._annotations_stamp.sha256]
        self._write_file(known=known, edits=number)
        path = self.folder / ANNOTATIONS
        self._annotations_stamp = replace_file(path, [text], previous=self.folder / PREVIOUS)
        self._store.edits = number
        self._dirty.clear()
        self._is_new = False
        for name in FOLDERS:
            (self.folder / name).mkdir(exist_ok=True)
        self._journal.drop(number)

    def encoded_annotations(self, number: int) -> bytes:
        """annotations.json as it would be saved now, with the journal's records up to `number` contained."""
        for id in sorted(self._dirty):
            entry = self._entries[id]
            extra = {k: v for k, v in {"group": entry.group, "pixel_size_um": entry.pixel_size_um}.items() if v}
            self._store.put(entry.file_name, self.result(id), image_id=id, extra=extra)
        categories = [{"id": i, "name": c.name, "supercategory": "cell"} for i, c in sorted(self._categories.items())]
        return b"".join(self._store.encoded((e.file_name for e in self._file.images), categories, number))

    def _check_outside(self, overwrite: bool) -> None:
        names = self.changed_outside()
        if names and not overwrite:
            raise ChangedOutside(
                f"Expected {' and '.join(names)} as they were read, another program changed them. Load them again (the state "
                "here is kept beside them), or replace them (a copy of theirs is kept)."
            )
        for name in names:
            replay.keep_copy(self.folder / name, "changed outside")

    def _write_file(self, *, known: list[str] | None = None, edits: int | None = None) -> None:
        """Write project.json; without `edits` only the images in it are news."""
        if edits is None and not self._file_stamp.fits(self.folder / PROJECT):
            self._check_outside(False)
        self._file.categories = [CategoryEntry(id=i, **_fields(c)) for i, c in sorted(self._categories.items())]
        if edits is not None:
            self._file.known, self._file.edits = known, edits
        path = self.folder / PROJECT
        self._file_stamp = replace_file(path, self._file.encoded(), previous=self.folder / PREVIOUS_PROJECT)

    def reload(self) -> Project:
        """Close, and open what lies on the disk now; unsaved edits are kept as "annotations unsaved.json"."""
        if self._dirty and not self.read_only:
            replay.keep_unsaved(self)
            self._journal.drop(self._journal.last)
        self.close()
        return type(self).open(self.folder)

    def discard_recovered(self) -> Project:
        """Close, and open the state that was saved last; the journal is kept as "journal discarded.jsonl"."""
        self._check_writable()
        replay.keep_copy(self.folder / JOURNAL, "discarded")
        self._journal.drop(self._journal.last)
        self.close()
        return type(self).open(self.folder)

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

    def _check_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyProject(self.read_only)


def _fields(category: Category) -> dict[str, str]:
    return {"name": category.name, "colour": category.colour, "key": category.key}


def _planes(leading: tuple[int, ...]) -> Iterable[Index]:
    import numpy as np

    return np.ndindex(*leading)
