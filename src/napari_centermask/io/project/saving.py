"""The part of a project that writes its files."""

from __future__ import annotations

import hashlib
from typing import Self

from napari_centermask.core.errors import ChangedOutside
from napari_centermask.io.files import replace_file
from napari_centermask.io.own_files import ANNOTATIONS, JOURNAL, PREVIOUS, PREVIOUS_PROJECT, PROJECT
from napari_centermask.io.project import replay
from napari_centermask.io.project.layout import FOLDERS, CategoryEntry, fields_of
from napari_centermask.io.project.state import State


class Saving(State):
    """Files of a project: replaced whole, the former ones kept, those of others never touched silently."""

    @property
    def unsaved(self) -> bool:
        """Whether the journal holds changes that annotations.json and project.json do not."""
        saved = min(self._store.edits, self._file.edits)
        return self._is_new or bool(self._touched()) or (self._journal is not None and self._journal.last > saved)

    def _touched(self) -> set[int]:
        """Images whose entries in annotations.json are not as in memory: edited, or shown from another score on."""
        moved = {k for k, r in self._results.items() if len(r) and r.threshold != self._thresholds[k]}
        return self._dirty | moved

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
        self._thresholds = {k: r.threshold for k, r in self._results.items()}
        self._is_new = False
        for name in FOLDERS:
            (self.folder / name).mkdir(exist_ok=True)
        self._journal.drop(number)

    def encoded_annotations(self, number: int) -> bytes:
        """annotations.json as it would be saved now, with the journal's records up to `number` contained."""
        for id in sorted(self._touched()):
            self._put(id)
        categories = [{"id": i, "name": c.name, "supercategory": "cell"} for i, c in sorted(self._categories.items())]
        return b"".join(self._store.encoded((e.file_name for e in self._file.images), categories, number))

    def _put(self, id: int) -> None:
        """Take an image's cells as they are now into what annotations.json holds."""
        entry = self._entries[id]
        extra = {k: v for k, v in {"group": entry.group, "pixel_size_um": entry.pixel_size_um}.items() if v}
        self._store.put(entry.file_name, self.result(id), image_id=id, extra=extra)

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
        self._file.categories = [CategoryEntry(id=i, **fields_of(c)) for i, c in sorted(self._categories.items())]
        if edits is not None:
            self._file.known, self._file.edits = known, edits
        path = self.folder / PROJECT
        self._file_stamp = replace_file(path, self._file.encoded(), previous=self.folder / PREVIOUS_PROJECT)

    def reload(self) -> Self:
        """Close, and open what lies on the disk now; unsaved edits are kept as "annotations unsaved.json"."""
        if self._dirty and not self.read_only:
            replay.keep_unsaved(self)
            self._journal.drop(self._journal.last)
        self.close()
        return type(self).open(self.folder)

    def discard_recovered(self) -> Self:
        """Close, and open the state that was saved last; the journal is kept as "journal discarded.jsonl"."""
        self._check_writable()
        replay.keep_copy(self.folder / JOURNAL, "discarded")
        self._journal.drop(self._journal.last)
        self.close()
        return type(self).open(self.folder)
