"""Recover edits of images outside projects: journalled in the user's data folder, and offered when the image is opened again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.errors import CannotSave
from napari_centermask.core.history import Change, Edit, History, RegionChange
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Index, Result
from napari_centermask.io.edits import BadRecord, state_of
from napari_centermask.io.files import replace_file
from napari_centermask.io.journal import Journal, read_journal
from napari_centermask.io.lock import FolderLock, lock_folder
from napari_centermask.io.whole_file import cannot_save

JOURNAL, ABOUT, PREVIOUS = "journal.jsonl", "about.json", "journal.previous.jsonl"
KEPT_DAYS = 90  # a choice: longer than a holiday
BEFORE = "state before"
"""Name of the records with the state before the first edit; they may follow edits."""
_WINDOWS = 16  # of one image that are open at once: a choice
_AT_ONCE = 50  # cells packed in a row: about a millisecond
_PAUSE_S = 0.02  # between two packings, so that the window stays responsive: a choice
_MOST_CATEGORIES = 10_000  # a choice; a file that claims more is not believed


def recovery_folder() -> Path:
    """Folder of unsaved work; the environment variable NAPARI_CENTERMASK_HOME moves it."""
    home = os.environ.get("NAPARI_CENTERMASK_HOME")
    if home:
        return Path(home).expanduser() / "recovery"
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-centermask", appauthor=False)) / "recovery"


def spare_journal(project: Path) -> Path:
    """Where the edits of a project go while its own disk refuses them."""
    return recovery_folder() / f"project-{hashlib.sha256(os.fsencode(project)).hexdigest()[:24]}" / JOURNAL


@dataclass(frozen=True)
class Recovered:
    """Unsaved work on an image.

    Attributes
    ----------
    folder
        The folder of its journal.
    edits
        Number of edits that could be read.
    time
        Time of the last one, in seconds since 1970.
    result
        The state after the last edit.
    """

    folder: Path
    edits: int
    time: float
    result: Result

    def restore(self, history: History) -> Edit | None:
        """Bring the image to this state, as one edit that can be undone."""
        now, then = history.result, self.result
        now.categories = {**now.categories, **then.categories}
        changes, regions = [], []
        for index in sorted({*now.planes, *then.planes}):
            for id in dict.fromkeys((*now.plane(index).ids, *then.plane(index).ids)):
                changes.append(Change(index, id, now.get(index, id), then.get(index, id)))
        for index in sorted({*now.reviewed_planes, *then.reviewed_planes}):
            regions.append(RegionChange(index, now.reviewed(index), then.reviewed(index)))
        edit = history.do("recovery of unsaved work", changes, regions=regions)
        lock = lock_folder(self.folder)
        if isinstance(lock, FolderLock):  # not the folder to which the restored work is now written
            _set_aside(self.folder)
            lock.release()
        return edit

    def discard(self) -> None:
        """Delete this work."""
        shutil.rmtree(self.folder, ignore_errors=True)


def find_recovered(source: str, result: Result) -> Recovered | None:
    """Unsaved work on an image, the latest if there are several; None if there is none, or a window is still working on it.

    Parameters
    ----------
    source
        Path of the image, or its name if it has none.
    result
        An empty result with the image's shape and planes.
    """
    recovered = [r for folder in _folders(source, result) if (r := _recovered(folder, result)) is not None]
    return max(recovered, key=lambda r: r.time, default=None)


def unsaved_sources() -> list[str]:
    """The sources of all unsaved work that no window is working on, the latest first."""
    found: list[tuple[float, str]] = []
    for about in recovery_folder().glob(f"*/{ABOUT}"):
        with suppress(OSError, ValueError, LookupError, TypeError):
            source, journal = json.loads(about.read_bytes())["source"], about.with_name(JOURNAL)
            if read_journal(journal).records and not isinstance(lock := lock_folder(about.parent), str):
                lock.release()
                found.append((journal.stat().st_mtime, str(source)))
    return [source for _, source in sorted(found, reverse=True)]


def _recovered(folder: Path, form: Result) -> Recovered | None:
    contents = read_journal(folder / JOURNAL)
    if not contents.records:
        return None
    lock = lock_folder(folder)
    if isinstance(lock, str):
        return None
    lock.release()
    result = Result(form.shape, leading=form.leading, threshold=form.threshold, name=form.name)
    result.categories = {**form.categories, **_categories(folder)}
    edits = 0
    for record in sorted(contents.records, key=lambda r: r.get("name") != BEFORE):  # stable: edits keep their order
        with suppress(BadRecord):
            state_of(record, result).apply(result)
            edits += record.get("name") != BEFORE
    return Recovered(folder, edits, (folder / JOURNAL).stat().st_mtime, result) if edits else None


def _set_aside(folder: Path) -> None:
    """Keep a journal once under another name."""
    if read_journal(folder / JOURNAL).records:
        os.replace(folder / JOURNAL, folder / PREVIOUS)
    (folder / JOURNAL).unlink(missing_ok=True)


def _categories(folder: Path) -> dict[int, str]:
    try:
        names = json.loads((folder / ABOUT).read_bytes())["categories"]
        return {int(id): str(name) for id, name in list(names.items())[:_MOST_CATEGORIES] if 0 < int(id) < 2**31}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _folders(source: str, result: Result) -> list[Path]:
    """Folders for the work of the first window on this image, the second one, and so on."""
    key = hashlib.sha256(json.dumps([str(source), result.shape, result.leading]).encode()).hexdigest()[:24]
    return [recovery_folder() / f"{key}-{n}" for n in range(1, _WINDOWS + 1)]


@dataclass(frozen=True)
class _Work:
    """The journal and the folder to which the edits of an image are written."""

    folder: Path
    lock: FolderLock
    journal: Journal


class Autosave:
    """Write every edit of an image to a journal, until it is closed.

    Nothing is created on the disk before the first edit. A thread writes the state before that edit, in small portions, so
    that no edit waits for it. Work from an earlier session stays, and is offered again.

    Parameters
    ----------
    source
        As for `find_recovered`.
    on_problem
        As for `journal.Journal`.
    """

    def __init__(self, source: str, history: History, *, on_problem: Callable[[str], None] | None = None) -> None:
        self.source, self.history, self.on_problem = str(source), history, on_problem
        self.problem = ""
        self._work: _Work | None = None
        self._copy: _Copy | None = None
        self._names: dict[int, str] = {}
        history.listen(self._on_edit)

    def _on_edit(self, edit: Edit) -> None:
        try:
            first = self._work is None
            work = self._work = self._work or self._begin()
            self._name(work.folder)
            work.journal.append(self.source, edit)
            if first:
                self._copy = _Copy(work.journal, self.source, before(edit, self.history.result))
            self.problem = work.journal.problem
        except CannotSave as error:
            self._tell(str(error))

    def _begin(self) -> _Work:
        """Use the first folder that no window is using and that holds no work to offer."""
        forget_old()
        folders = _folders(self.source, self.history.result)
        free = (f for f in folders if not read_journal(f / JOURNAL).records)
        used = (f for f in folders if read_journal(f / JOURNAL).records)
        for folder in (*free, *used):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CannotSave(cannot_save(folder, error)) from error
            lock = lock_folder(folder)
            if isinstance(lock, FolderLock):
                _set_aside(folder)
                return _Work(folder, lock, Journal(folder / JOURNAL, on_problem=self._tell))
        raise CannotSave(
            f"Unsaved work cannot be kept in {recovery_folder()}: it cannot be written. Save your work often."
        )

    def _name(self, folder: Path) -> None:
        """Write the categories, which the journal does not hold."""
        names = self.history.result.categories
        if names != self._names:
            result = self.history.result
            about = {"source": self.source, "shape": result.shape, "leading": result.leading, "categories": names}
            replace_file(folder / ABOUT, [json.dumps(about).encode()])
            self._names = dict(names)

    def _tell(self, problem: str) -> None:
        self.problem = problem
        if self.on_problem is not None:
            self.on_problem(problem)

    def saved(self) -> None:
        """Delete the edits so far, which are now saved in a file."""
        if self._work is not None:
            self._end_copy(give_up=True)
            self._work.journal.drop(self._work.journal.last)
            self._close(self._work)

    def close(self) -> None:
        """Stop writing; the edits are offered when the image is opened again."""
        self.history.ignore(self._on_edit)
        if self._work is not None:
            self._close(self._work)

    def _end_copy(self, *, give_up: bool) -> None:
        if self._copy is not None:
            self._copy.end(give_up=give_up)
            self._copy = None

    def _close(self, work: _Work) -> None:
        self._end_copy(give_up=False)
        work.journal.close()
        work.lock.release()
        self._work = None
        self._names = {}


class _Copy:
    """Write the state before the first edit to a journal, in small portions from a thread.

    The thread is not a daemon: when the program ends, it waits for the rest, which is then written without pauses.
    """

    def __init__(self, journal: Journal, source: str, edits: Iterator[Edit]) -> None:
        self._journal, self._source, self._edits = journal, source, edits
        self._hurry, self._give_up = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="first copy")
        self._thread.start()

    def _run(self) -> None:
        for edit in self._edits:
            if self._give_up:
                return
            self._journal.append(self._source, edit)
            if threading.main_thread().is_alive():
                self._hurry.wait(_PAUSE_S)

    def end(self, *, give_up: bool) -> None:
        """Write the rest at once, or discard it."""
        self._give_up = give_up
        self._hurry.set()
        self._thread.join()


def before(edit: Edit, result: Result) -> Iterator[Edit]:
    """The cells of a result apart from those of its first edit, as small edits.

    They are those at the moment of this call; the result may change while the edits are generated.
    """
    regions = tuple(RegionChange(index, (), boxes) for index, boxes in result.reviewed_planes.items())
    planes = {index: list(plane) for index, plane in result.planes.items()}
    known = {(change.plane, change.id) for change in edit.changes}
    return _portions(planes, regions, known)


def _portions(
    planes: dict[Index, list[Instance]], regions: tuple[RegionChange, ...], known: set[tuple[Index, int]]
) -> Iterator[Edit]:
    if regions:
        yield Edit(BEFORE, (), regions)
    for index, cells in planes.items():
        for n in range(0, len(cells), _AT_ONCE):
            changes = (Change(index, c.id, None, c) for c in cells[n : n + _AT_ONCE] if (index, c.id) not in known)
            yield Edit(BEFORE, tuple(changes))


def forget_old(days: float = KEPT_DAYS) -> None:
    """Delete work that has not been asked for in so many days."""
    oldest = time.time() - days * 86_400
    root = recovery_folder()
    for journal in root.glob(f"*/{JOURNAL}") if root.is_dir() else ():
        with suppress(OSError):
            if journal.stat().st_mtime < oldest:
                shutil.rmtree(journal.parent)
