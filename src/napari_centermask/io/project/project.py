"""A project: a folder of images whose cells are corrected, with a journal of all edits, saved, and opened again later."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from psygnal import Signal

from napari_centermask.core.errors import BadImage, BadProject, BadSettings, CannotSave, ReadOnlyProject, UserError
from napari_centermask.core.history import Edit, History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.progress import Advance, silent
from napari_centermask.core.result import Index, Result, matching
from napari_centermask.io.files import check_path, remove_parts, replace_file
from napari_centermask.io.journal import Contents, Journal, owner_of, read_journal
from napari_centermask.io.lock import FolderLock, lock_folder
from napari_centermask.io.own_files import ANNOTATIONS, JOURNAL, PREVIOUS, PREVIOUS_PROJECT, PROJECT
from napari_centermask.io.project.categories import Categories, check_category
from napari_centermask.io.project.cells import Cells
from napari_centermask.io.project.image_list import ImageList
from napari_centermask.io.project.images import ProjectImage, new_entries
from napari_centermask.io.project.layout import (
    NEW_CATEGORY,
    STATUSES,
    Category,
    CategoryEntry,
    ImageEntry,
    Status,
)
from napari_centermask.io.project.replay import Replay
from napari_centermask.io.project.saving import ProjectFiles, free_name, keep_copy
from napari_centermask.io.project.store import Packed, Store, pack
from napari_centermask.io.recovery import spare_journal

State = tuple[int, tuple[str, ...], tuple[tuple[int, float], ...], int]
Encoded = tuple[State, bytes]
"""annotations.json, and the state of the project that it holds."""


class Project:
    """A folder with images, annotations.json, a journal, models and runs; made by `open` or `create`.

    It joins `ImageList`, `Categories`, `Cells` and `ProjectFiles`, which each own their data. All changes go through this
    class, which writes them to the journal. Call its methods from one thread only, the one that edits.

    Attributes
    ----------
    folder
        The project's folder.
    read_only
        Why nothing can be changed, in a sentence; empty if this window may write.
    recovered
        Number of edits in the journal but not in annotations.json: the last session crashed or was killed.
    notes
        Sentences to show after opening.
    changed
        Emitted with the id of an image whose cells or status changed; with 0 if the list of images or the categories changed.
    troubled
        Emitted with a sentence when the journal cannot be written, and with "" when it can be again; possibly from another
        thread. Its text is in `problem`.
    """

    changed = Signal(int)
    troubled = Signal(str)

    def __init__(
        self, folder: Path, lock: FolderLock | None, read_only: str = "", *, advance: Advance = silent
    ) -> None:
        self.folder, self.read_only, self._lock = folder, read_only, lock
        self.notes: list[str] = []
        self._journal: Journal | None = None
        self._encoded: Encoded | tuple[None, bytes] = None, b""
        self._files = ProjectFiles(folder)
        self._store = self._files.store
        contents = read_journal(folder / JOURNAL)
        self._categories = Categories(self._files.file.named())
        self._images = ImageList(folder, self._files.file.images, advance=advance)
        self._cells = Cells(self._store, self._images, self._categories)
        self.notes += filter(None, [self._files.note()])
        self._bring_back(e for e in self._images if e.file_name not in self._store.images)
        spared = () if read_only else self._spared(contents)
        self.recovered = self._replay(replace(contents, records=(*contents.records, *spared)))
        if not read_only:
            self._begin(contents, spared)

    @classmethod
    def create(cls, folder: Path, images: Iterable[Path] | None = None, *, copy: bool = False) -> Self:
        """Make a project in a new or existing folder.

        Parameters
        ----------
        images
            Image files, by default those in the folder. Files outside the folder are linked, or copied with `copy`.

        Raises
        ------
        BadProject
            If the folder is already a project, or a file is not an image.
        CannotSave
            If the folder cannot be written.
        """
        folder = Path(os.path.abspath(folder))
        if (folder / PROJECT).exists():
            raise BadProject(f"{folder} is already a project. Open it, and add the images there.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotSave(f"Cannot make the folder {folder}: {error.strerror}. Choose another.") from error
        entries, left_out = new_entries(folder, images, [], copy=copy) if images is not None else (None, [])
        if left_out and copy:
            raise CannotSave(" ".join(left_out))
        project = cls._locked(folder, must_write=True)
        if entries is not None:
            project._images.clear()
            project._add(list(entries.values()))
        project.save()
        return project

    @classmethod
    def open(cls, folder: Path, *, advance: Advance = silent) -> Self:
        """Open a project; a folder of images becomes one.

        Edits in the journal that annotations.json lacks are applied, so the state is that of the last finished stroke.

        Parameters
        ----------
        advance
            Called with the number of images looked at so far, and of all; what it raises leaves everything as it was.

        Raises
        ------
        BadProject, BadAnnotations
            If the folder or a file in it is damaged; nothing is changed then.
        """
        return cls._locked(Path(os.path.abspath(folder)), must_write=False, advance=advance)

    @classmethod
    def _locked(cls, folder: Path, *, must_write: bool, advance: Advance = silent) -> Self:
        if not check_path(folder).is_dir():
            raise BadProject(f"{folder} is not a folder of images or a project. Choose a folder.")
        for name in (PROJECT, ANNOTATIONS, JOURNAL):
            if (folder / name).is_dir():
                raise BadProject(f"{name} in {folder} is a folder, but a project has a file there. Move it away.")
        lock = lock_folder(folder)
        if isinstance(lock, str):
            if must_write:
                raise CannotSave(lock)
            return cls(folder, None, f"{lock} You can view and export it here, but not change it.", advance=advance)
        try:
            return cls(folder, lock, advance=advance)
        except BaseException:
            lock.release()
            raise

    def _replay(self, contents: Contents) -> int:
        """Apply the journal; returns the number of unsaved edits."""
        done, refused = Replay(self._cells, self._images, self._categories, edits=self._files.edits).apply(contents)
        if self.read_only:
            return 0
        refused += contents.unreadable
        if refused:
            try:
                kept = keep_copy(self.folder / JOURNAL, "damaged")
            except CannotSave as error:
                kept = f"no copy could be kept ({error}), and {JOURNAL}"
            self.notes.append(f"{refused} lines of the journal could not be used; they are kept in {kept}.")
        return done

    def _spared(self, contents: Contents) -> tuple[dict[str, Any], ...]:
        """What the disk refused when the project was open last, if it continues this project; else it is kept apart.

        It does not if the project was changed since, or if another one stands in its place.
        """
        spare, saved = spare_journal(self.folder), min(self._files.edits)
        known = {record["n"]: record for record in contents.records}
        kept_apart = sorted(read_journal(spare).records, key=itemgetter("n"))
        spared = tuple(r for r in kept_apart if known.get(r["n"]) != r)
        if not spared:
            with suppress(OSError):
                spare.unlink(missing_ok=True)  # all of it came to the disk in time
            return ()
        first = max(contents.last, saved) + 1
        owners = {owner_of(spare), self._files.file.uid} - {""}
        if len(owners) > 1 or [r["n"] for r in spared] != list(range(first, first + len(spared))):
            kept = free_name(spare, "not used")
            os.replace(spare, kept)
            self.notes.append(
                f"{len(spared)} edits that could not be written when the project was open last are not used, because it was "
                f"changed since, or is another one. They are kept in {kept}."
            )
            return ()
        return spared

    def _begin(self, contents: Contents, spared: tuple[dict[str, Any], ...]) -> None:
        """Start writing; if the disk is full, project.json of a new project is written when it is first saved."""
        remove_parts(self.folder, (ANNOTATIONS, PREVIOUS, PROJECT, PREVIOUS_PROJECT, JOURNAL))
        start, spare = max(contents.last, *self._files.edits), spare_journal(self.folder)
        self._journal = Journal(self.folder / JOURNAL, start=start, on_problem=self.troubled.emit, spare=spare)
        for record in spared:
            self._journal.note({key: value for key, value in record.items() if key != "n"})
        if spared and self._journal.sync():
            spare.unlink(missing_ok=True)
        if self._files.is_new:
            try:
                self._files.begin(self._images, self._categories)
            except CannotSave as error:
                self.notes.append(str(error))
        if not self._files.is_new:
            self._journal.owner = self._files.file.uid

    @property
    def problem(self) -> str:
        """Why the last edits are not on the disk, in a sentence; empty if they are."""
        return self._journal.problem if self._journal is not None else ""

    @property
    def kept(self) -> str:
        """Where the edits are that nobody saved, in a sentence."""
        if self._journal is not None and self._journal.problem:
            return self._journal.kept
        return "All edits since the last save are in the journal. You can recover them when you open the project again."

    def _writing(self) -> Journal:
        """The journal; raises `ReadOnlyProject` if nothing can be changed."""
        if self.read_only or self._journal is None:
            raise ReadOnlyProject(self.read_only)
        return self._journal

    # Images

    @property
    def images(self) -> list[ProjectImage]:
        """All images, in the order in which they were added."""
        return [self.image(e.id) for e in self._images]

    def image(self, id: int) -> ProjectImage:
        """The image with an id; raises `KeyError` if there is none."""
        return self._images.image(id)

    def __contains__(self, id: int) -> bool:
        return id in self._images

    def add_images(self, paths: Iterable[Path], *, copy: bool = False) -> list[str]:
        """Link or copy more images; returns why some were left out.

        Raises
        ------
        BadProject, CannotSave, ReadOnlyProject
            If one is not an image, the project's own file cannot be written, or the project is read-only.
        """
        return self.add_files(paths, copy=copy)[1]

    def add_files(self, paths: Iterable[Path], *, copy: bool = False) -> tuple[dict[Path, int], list[str]]:
        """Ids of the new images by path, and why others were left out; otherwise as `add_images`."""
        self._writing()
        entries, left_out = new_entries(self.folder, paths, self._images, copy=copy)
        self._add(list(entries.values()))
        self._files.write_lists(self._images, self._categories)
        self.changed.emit(0)
        return {path: entry.id for path, entry in entries.items()}, left_out

    def _add(self, entries: list[ImageEntry]) -> None:
        for entry in entries:
            self._images.add(entry)
        self._bring_back(e for e in entries if not self._images.problem(e.id))

    def _bring_back(self, entries: Iterable[ImageEntry]) -> None:
        """Restore the cells and status of images that were part of the project before."""
        for entry in entries:
            former = self._store.bring_back(entry.file_name, entry.path)
            if former is not None:
                status = former.get("status")
                self._images.set_status(entry.id, status if status in STATUSES else "in work")
                self._images.set_group(entry.id, str(former.get("group") or ""))
                self._cells.mark(entry.id)

    def remove_image(self, id: int) -> None:
        """Remove an image from the project and save; raises as `Project.save`, and then the image stays.

        The file stays where it is. Its cells are kept in annotations.json, separately, and come back if it is added again.
        """
        self._writing()
        entry = self._images[id]
        self._cells.pack()
        self._store.set_aside(entry.file_name, entry.model_dump(mode="json"))
        put_back = self._images.remove(id), self._cells.remove(id)
        try:
            self.save()
        except UserError:
            self._store.bring_back(entry.file_name, entry.path)
            for undo in put_back:
                undo()
            raise
        self.changed.emit(0)

    def new_files(self) -> list[Path]:
        """Images in the folder that are not part of the project."""
        return self._images.new_files()

    def relocate(self, id: int, path: Path) -> None:
        """Set the new place of a linked image; raises `BadImage` if it is another image, of a different size."""
        self._writing()
        self._images.relocate(id, path)
        self._files.write_lists(self._images, self._categories)
        self.changed.emit(id)

    def status(self, id: int) -> Status:
        """ "untouched", "predicted", "in work" or "reviewed"."""
        return self._images[id].status

    def set_status(self, id: int, status: Status) -> None:
        """Set an image's status; "reviewed" also marks every plane as reviewed.

        Raises
        ------
        ValueError
            If there is no such status.
        BadImage
            If the status is "reviewed" and the image cannot be used.
        ReadOnlyProject
            If the project is read-only.
        """
        self._writing()
        if status not in STATUSES:
            raise ValueError(f"Expected a status of {STATUSES}, got {status!r}.")
        if status == "reviewed":
            if problem := self._images.problem(id):
                raise BadImage(problem)
            self.review_all(id)
        self._set_status(id, status)
        self.changed.emit(id)

    def _set_status(self, id: int, status: Status) -> None:
        if self._images.set_status(id, status):
            self._writing().note({"image": id, "status": status})

    def set_group(self, id: int, group: str) -> None:
        """Set the source of an image: images of one group never go to different splits."""
        journal = self._writing()
        self._images.set_group(id, group)
        journal.note({"image": id, "group": group})
        self.changed.emit(id)

    # Categories

    @property
    def categories(self) -> dict[int, Category]:
        """The categories by COCO id."""
        return self._categories.by_id

    def add_category(self, name: str) -> int:
        """Add a category with a free colour and digit key; returns its id.

        Raises
        ------
        BadSettings
            If there is one with this name.
        """
        id, category = self._categories.new(name)
        self.set_category(id, category)
        return id

    def set_category(self, id: int, category: Category) -> None:
        """Change a category, or add one with this id.

        Raises
        ------
        BadSettings
            If another category has the name or the key, or the colour is not valid.
        """
        self._writing()
        check_category(id, category, self._categories.by_id)
        self._note_category(id, replace(category, of_model=False))
        self.changed.emit(0)

    def _note_category(self, id: int, category: Category) -> None:
        self._categories.set(id, category)
        self._writing().note({"category": CategoryEntry.of(id, category).model_dump()})

    def use_categories(self, names: Sequence[str]) -> bool:
        """Take these categories, of the model in use, in place of those of a new project or of the model before.

        A project that has cells, or categories that a person chose, keeps its own; so it does if undo or redo could bring back
        cells of a category that would go. Returns whether they were taken.
        """
        own = self._categories.by_id
        before = [category.name for category in own.values()]
        is_free = before == [NEW_CATEGORY] or all(category.of_model for category in own.values())
        if self.read_only or not names or list(names) == before or not is_free or self._store.uses_of_removed():
            return False
        surplus = set(list(own)[len(names) :])
        if any(self._cells.uses(e.id) or surplus & self._cells.remembered(e.id) for e in self._images):
            return False
        for id, name in zip(own, names, strict=False):
            self._note_category(id, replace(own[id], name=name, of_model=True))
        for name in names[len(own) :]:
            id, category = self._categories.new(name)
            self._note_category(id, replace(category, of_model=True))
        for id in surplus:
            self._remove_category(id)
        self.changed.emit(0)
        return True

    def remove_category(self, id: int) -> None:
        """Remove a category that no cell has.

        Raises
        ------
        BadSettings
            If cells have it; the message names their image.
        """
        self._writing()
        user = next((e.file_name for e in self._images if id in self._cells.uses(e.id)), None)
        if user is not None:
            named = repr(self._categories.by_id[id].name)
            raise BadSettings(f"{user} has cells of {named}. Give them another category first.")
        if id in self._store.uses_of_removed():
            raise BadSettings(
                f"An image that was removed from the project has cells of {self._categories.by_id[id].name!r}. "
                "Add that image again and give them another category first."
            )
        self._remove_category(id)
        self.changed.emit(0)

    def _remove_category(self, id: int) -> None:
        self._categories.remove(id)
        self._writing().note({"category": {"id": id, "removed": True}})

    # Cells

    def result(self, id: int) -> Result:
        """The cells of an image, read when first asked for.

        Raises
        ------
        BadImage, BadAnnotations
            If the image or its annotations cannot be used.
        """
        return self._cells.result(id)

    def unread(self, id: int) -> int:
        """How many cells must be read before an image can be shown; see `reader`."""
        return self._cells.unread(id)

    def reader(self, id: int) -> Callable[[], Result]:
        """A function that reads the cells of an image in another thread, for `take`; raises as `result`."""
        return self._cells.reader(id)

    def take(self, id: int, result: Result) -> None:
        """Use the result of a `reader`, unless the image was opened in the meantime."""
        self._cells.take(id, result)

    def history(self, id: int) -> History:
        """The history through which an image is changed, and which writes the journal; a read-only project refuses changes."""
        return self._cells.history(id, self._on_edit, refusal=self.read_only)

    def _on_edit(self, id: int, edit: Edit) -> None:
        has_new = self._take_categories(id)  # what comes with the edit is written first: a crash leaves no half of it
        status = self.status(id)
        if _is_prediction(edit):
            after: dict[Status, Status] = {"untouched": "predicted", "reviewed": "in work"}
            self._set_status(id, after.get(status, status))
        elif status == "predicted" and _only_removes_predictions(edit):
            self._set_status(id, "predicted" if len(self._cells.result(id)) else "untouched")
        elif status != "reviewed":
            self._set_status(id, "in work")
        threshold = self._cells.new_threshold(id)  # or weak candidates would come back as cells after a crash
        if threshold:
            self._writing().note(threshold)
        self._writing().append(id, edit)
        if has_new:
            self.changed.emit(0)
        self.changed.emit(id)

    def _take_categories(self, id: int) -> bool:
        """Add the categories that a run in the viewer gave an image; returns whether there are new ones."""
        result = self._cells.result(id)
        new = {number: name for number, name in result.categories.items() if number not in self._categories}
        for number, name in new.items():
            self._note_category(number, self._categories.new(name, id=number)[1])
        if result.categories != self._categories.names:
            self._cells.name(id)
        return bool(new)

    def crowds(self, id: int) -> dict[Index, tuple[Instance, ...]]:
        """The crowd regions of an image by plane, in which there are neither cells nor background; raises as `result`."""
        return self._cells.crowds(id)

    def add_crowds(self, id: int, regions: Mapping[Index, Sequence[Instance]]) -> int:
        """Add crowd regions that an image lacks, and return their number; there is no undo, as they are not drawn."""
        journal = self._writing()
        record = self._cells.add_crowds(id, regions)
        if not record:
            return 0
        journal.note({"image": id, **record})
        self.changed.emit(id)
        return len(record["crowds"])

    def review_all(self, id: int) -> None:
        """Mark every plane as reviewed, as an edit."""
        self.history(id).do("review of the whole image", regions=self._cells.whole_regions(id))

    def set_predictions(self, id: int, cells: Mapping[Index, Instances] | Instances, *, model: str) -> Edit | None:
        """Replace a model's earlier cells as an edit; cells that a person accepted or corrected stay.

        Categories are matched as in `core.result.matching`; those that the project lacks are added.

        Raises
        ------
        ValueError
            If the cells belong to an image of another shape.
        """
        self._writing()
        planes: Mapping[Index, Instances] = {(): cells} if isinstance(cells, Instances) else cells
        names = dict.fromkeys(n for plane in planes.values() for n in plane.categories.values())
        for name in names:
            if name not in matching(self._categories.names, names):
                self.add_category(name)
        ids = matching(self._categories.names, names)
        changes = self._cells.predictions(id, planes, ids, model)
        edit = self.history(id).do(f"segmentation with {model}", changes)
        self._cells.mark(id)
        if self.status(id) == "untouched":
            self._set_status(id, "predicted")
        self.changed.emit(id)
        return edit

    # Files

    @property
    def unsaved(self) -> bool:
        """Whether the journal holds changes that annotations.json or project.json lacks."""
        is_journal_newer = self._journal is not None and self._journal.last > min(self._files.edits)
        return self._files.is_new or bool(self._cells.touched) or is_journal_newer

    def changed_outside(self) -> list[str]:
        """Names of files that another program changed since they were last read or written here."""
        return self._files.changed_outside()

    def packer(self) -> tuple[int, Callable[[], Packed]]:
        """How many cells `save` has to pack, and what packs them in another thread; then call `take_packed` and `save`."""
        parts = self._cells.unpacked()

        def run() -> Packed:
            return {key: entry for cells, shape in parts for key, entry in pack(cells, shape).items()}

        return sum(len(cells) for cells, _ in parts), run

    def take_packed(self, packed: Packed) -> None:
        """Use what a `packer` made, so that saving takes less time."""
        self._store.take(packed)

    def save(self, *, overwrite: bool = False) -> None:
        """Write annotations.json and project.json, keeping the previous ones, and start a new journal.

        Undo still works afterwards.

        Parameters
        ----------
        overwrite
            Replace files that another program changed, keeping copies named "... changed outside".

        Raises
        ------
        ChangedOutside
            If another program changed a file and `overwrite` is off.
        CannotSave
            If a file cannot be written; files, journal and cells are then unchanged.
        ReadOnlyProject
            If the project is read-only.
        """
        journal = self._writing()
        self._files.check_outside(overwrite=overwrite)
        number = journal.last
        annotations = self._encoded[1] if self.is_encoded else self._annotations(number)
        self._files.write(annotations, self._images, self._categories, edits=number)
        self._encoded = None, b""
        self._cells.note_saved()
        journal.drop(number)

    @property
    def n_stored(self) -> int:
        """How many cells annotations.json held when it was last read or encoded."""
        return sum(map(self._store.count, self._store.images))

    def encoder(self) -> Callable[[], Encoded]:
        """A function that encodes annotations.json in another thread; then call `take_encoded` and `save`."""
        self._cells.pack()
        return partial(_encoded, self._state(), self._store.snapshot(), *self._order())

    def take_encoded(self, encoded: Encoded) -> None:
        """Use what an `encoder` made, unless something was changed since, so that saving takes less time."""
        self._encoded = encoded

    @property
    def is_encoded(self) -> bool:
        """Whether the annotations are encoded as they are now."""
        return self._encoded[0] == self._state()

    def _state(self) -> State:
        """What annotations.json depends on: every other change of it is in the journal."""
        names = tuple(e.file_name for e in self._images)
        return (
            0 if self._journal is None else self._journal.last,
            names,
            self._cells.thresholds,
            len(self._store.removed),
        )

    def _annotations(self, number: int) -> bytes:
        """annotations.json as it would be saved now, containing the journal up to the record `number`."""
        self._cells.pack()
        return b"".join(self._store.encoded(*self._order(), number))

    def _order(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Names of the images, and entries of the categories."""
        names = sorted(self._categories.names.items())
        return [e.file_name for e in self._images], [{"id": i, "name": n, "supercategory": "cell"} for i, n in names]

    def reload(self) -> Self:
        """Close, and open what is on the disk now; what differs here is kept as "annotations unsaved.json"."""
        is_edited = bool(self._cells.changed)
        if self._journal is not None and (is_edited or ANNOTATIONS in self.changed_outside()):
            self.keep_beside()
            if is_edited:
                self._journal.drop(self._journal.last)
        self.close()
        return type(self).open(self.folder)

    def keep_beside(self) -> str:
        """Write all cells beside annotations.json, which another program changed; returns the copy's name.

        Raises
        ------
        CannotSave
            If it cannot be written.
        """
        copy = free_name(self.folder / ANNOTATIONS, "unsaved")
        replace_file(copy, [self._annotations(0)])
        return copy.name

    def discard_recovered(self) -> Self:
        """Close, and open the last saved state; the journal is kept as "journal discarded.jsonl"."""
        journal = self._writing()
        keep_copy(self.folder / JOURNAL, "discarded")
        journal.drop(journal.last)
        self.close()
        return type(self).open(self.folder)

    def close(self) -> None:
        """Flush the journal to the disk and let another window write; may be called twice."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self.read_only = self.read_only or "The project is closed."
        self._cells.close(self.read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _encoded(state: State, store: Store, names: list[str], categories: list[dict[str, Any]]) -> Encoded:
    return state, b"".join(store.encoded(names, categories, state[0]))


def _only_removes_predictions(edit: Edit) -> bool:
    """Whether an edit takes a model's cells away, and nothing that a person decided on."""
    is_theirs = all(
        c.before is not None and c.before.status == "predicted" and not c.before.is_draft for c in edit.changes
    )
    return is_theirs and not edit.regions and all(c.after is None for c in edit.changes)


def _is_prediction(edit: Edit) -> bool:
    """Whether a model made the edit: it adds cells, and changes none that a person decided on."""
    cells = [cell for change in edit.changes for cell in (change.before, change.after) if cell is not None]
    brings = any(change.after is not None for change in edit.changes)
    return brings and not edit.regions and all(cell.status == "predicted" and not cell.is_draft for cell in cells)
