"""A journal of edits: one JSON line each, appended and never changed, so that a crash loses nothing.

A line is handed to the operating system before `append` returns, which survives the death of the process. A thread brings
it to the disk (fsync), which survives the death of the machine.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from napari_centermask.core.errors import CannotSave
from napari_centermask.core.history import Edit
from napari_centermask.io.edits import record_of
from napari_centermask.io.whole_file import KEPT, cannot_save, whole_file

LONGEST_LINE = 2**28  # bytes: a choice, far beyond 5,000 cells packed in one line
_RETRY_S = 2.0  # between two tries where the disk refuses: a choice
_OWNER = "owner"
_CUT = b"\x18\n"
"""Ends a line that a crash cut short, before the next one is appended: such a line does not count as damage."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
_BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Contents:
    """The content of a journal.

    Attributes
    ----------
    records
        Those that can be read, in the order of the file, with their numbers under "n".
    unreadable
        Number of lines that cannot be read, not counting those that a crash cut short.
    torn
        Whether the file ends in the middle of a line.
    """

    records: tuple[dict[str, Any], ...] = ()
    unreadable: int = 0
    torn: bool = False

    @property
    def last(self) -> int:
        """The largest number of a record; 0 if there is none."""
        return max((r["n"] for r in self.records), default=0)


def read_journal(path: Path) -> Contents:
    """Read a journal, whatever its content; a missing one is empty."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return Contents()
    records, unreadable, torn = [], 0, False
    with stream:
        for line in _lines(stream):
            torn = not line.endswith(b"\n")
            record = _parse(line.rstrip(_CUT))
            if record is not None:
                records.append(record)
            elif line.strip() and not torn and not line.endswith(_CUT):
                unreadable += 1
    return Contents(tuple(records), unreadable, torn)


def owner_of(spare: Path) -> str:
    """Whose edits a spare file holds; empty if it does not say so."""
    try:
        with spare.open("rb") as stream:
            first = json.loads(stream.readline(_BLOCK))
    except (OSError, ValueError, RecursionError):
        return ""
    return str(first.get(_OWNER, "")) if isinstance(first, dict) else ""


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of at most `LONGEST_LINE` bytes; a longer one gives a line that cannot be read."""
    while line := stream.readline(LONGEST_LINE):
        too_long = len(line) == LONGEST_LINE and not line.endswith(b"\n")
        while too_long and (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
            pass
        yield b"{\n" if too_long else line


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    number = record.get("n") if isinstance(record, dict) else None
    return record if type(number) is int and 0 < number < 2**53 else None


def _append_whole(path: Path, lines: bytes) -> None:
    """Append lines after a complete last one, on the disk, or nothing of them."""
    with path.open("ab") as stream:
        size = os.fstat(stream.fileno()).st_size
        try:
            stream.write((_CUT if size and _last_byte(path) != b"\n" else b"") + lines)
            stream.flush()
            os.fsync(stream.fileno())
        except OSError:
            os.ftruncate(stream.fileno(), size)
            raise


class Journal:
    """Appends to a journal.

    Parameters
    ----------
    path
        Created if missing; its content stays.
    start
        Number of the last record so far; the next record gets the number after it.
    spare
        A file on another disk for what this one refuses, until it takes it: it may not come back while the program runs.
    owner
        Whose edits these are, which is written at the beginning of the spare file; see `owner_of`.

    Attributes
    ----------
    problem
        Why the last edits are not on the disk, in a sentence; empty if they are. What could not be written stays in memory,
        and is tried again with the next edit and every two seconds.
    on_problem
        Called with `problem` when it changes, in the thread that noticed.

    Raises
    ------
    CannotSave
        If the file cannot be opened for writing.
    """

    def __init__(
        self,
        path: Path,
        *,
        start: int = 0,
        on_problem: Callable[[str], None] | None = None,
        spare: Path | None = None,
        owner: str = "",
    ) -> None:
        self.path, self.last, self.problem, self.on_problem = Path(path), start, "", on_problem
        self._spare, self.owner = spare, owner
        self._spared: set[int] = set()  # numbers of the records in the spare file
        self._open()
        self._waiting: deque[tuple[int, bytes]] = deque()  # records that could not be written yet
        # Records that were written, perhaps only to the system's memory.
        self._unsynced: deque[tuple[int, bytes]] = deque()
        self._written = self._synced = start
        self._changed = threading.Condition()
        self._file_lock = threading.Lock()  # held while the descriptor must not change
        self._closing, self._refusals = False, 0
        self._thread: threading.Thread | None = None

    def _open(self) -> None:
        try:
            self._file = os.open(self.path, _FLAGS, 0o644)
        except OSError as error:
            raise CannotSave(cannot_save(self.path, error)) from error
        self._good = os.fstat(self._file).st_size
        torn = self._good > 0 and _last_byte(self.path) != b"\n"
        self._prefix = _CUT if torn else b""

    def append(self, image: int | str, edit: Edit) -> int:
        """Write an edit of an image; returns its number.

        Never raises on a full disk: see `problem`.
        """
        return self.note({"image": image, **record_of(edit)})

    def note(self, record: dict[str, Any]) -> int:
        """Write another change, JSON values under keys other than "n"."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
            self.last += 1
            line = json.dumps({"n": self.last, **record}, separators=(",", ":")).encode("ascii") + b"\n"
            self._waiting.append((self.last, line))
            self._write_waiting()
            self._changed.notify_all()
            return self.last

    def _write_waiting(self) -> bool:
        """Write the waiting records, while the lock is held; False if writing fails."""
        while self._waiting:
            if not self._write_first(self._waiting[0][1]):
                return False
        return True

    def _write_first(self, line: bytes) -> bool:
        """Write the first waiting record, while the lock is held; False if writing fails, and then nothing of it stays."""
        try:
            self._return()
            rest = memoryview(self._prefix + line)
            size = len(rest)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._take_back()
            self._refused(error)
            return False
        self._good += size
        self._prefix = b""
        self._unsynced.append(self._waiting.popleft())
        self._written = self._unsynced[-1][0]
        return True

    def _return(self) -> None:
        """Return to the path if the file was deleted or its folder moved, and write its content there again.

        Raises
        ------
        OSError
            If the folder does not exist.
        """
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.path), os.fstat(self._file)):
                return
        os.lseek(self._file, 0, os.SEEK_SET)
        held = b"".join(iter(lambda: os.read(self._file, _BLOCK), b""))
        new = os.open(self.path, _FLAGS, 0o644)
        try:
            while held:
                held = held[os.write(new, held) :]
            os.dup2(new, self._file, inheritable=False)  # at once: the thread may be syncing it
            self._good = os.fstat(new).st_size
        finally:
            os.close(new)

    def _take_back(self) -> None:
        """Remove a line that was only partly written."""
        try:
            os.ftruncate(self._file, self._good)
        except OSError:
            self._prefix = _CUT
            self._good = os.fstat(self._file).st_size

    def _refused(self, error: OSError, *, written: bool = False) -> None:
        """A record could not be written, or, with `written`, what was written could not be brought to the disk."""
        self._refusals += 1
        self._keep_aside((*self._unsynced, *self._waiting) if written else self._waiting)
        self._tell(f"{cannot_save(self.path, error)} {self.kept}")
        self._changed.notify_all()

    @property
    def kept(self) -> str:
        """Where the edits are that the disk refused, in a sentence."""
        with self._changed:
            pending = {number for number, _ in (self._waiting or self._unsynced)}
            if self._spare is None or not pending or not pending <= self._spared:
                return KEPT
            return f"What you drew since then is kept in {self._spare}, and comes back when you open the project again."

    def _keep_aside(self, records: Iterable[tuple[int, bytes]]) -> None:
        """Write records to the spare file, if that is possible; the lock is held."""
        lines = [(number, line) for number, line in records if number not in self._spared]
        if self._spare is None or not lines:
            return
        with suppress(OSError):  # it is still in memory
            self._spare.parent.mkdir(parents=True, exist_ok=True)
            is_new = bool(self.owner) and not self._spare.exists()
            header = [json.dumps({_OWNER: self.owner}).encode() + b"\n"] * is_new
            _append_whole(self._spare, b"".join([*header, *(line for _, line in lines)]))
            self._spared.update(number for number, _ in lines)

    def _forget_spare(self) -> None:
        """All that the disk refused is on it now; the lock is held."""
        if self._spare is not None and self._spared:
            with suppress(OSError):
                self._spare.unlink(missing_ok=True)
                self._spared.clear()

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            if self.on_problem is not None:
                self.on_problem(problem)

    def _run(self) -> None:
        """Flush to the disk, and retry what failed."""
        while True:
            with self._changed:
                while not (self._waiting or self._written > self._synced or self._closing):
                    self._changed.wait()
                if self._closing and (self.problem or not (self._waiting or self._written > self._synced)):
                    return
                is_written = self._write_waiting()
            if not (is_written and self._bring_to_disk()):
                with self._changed:
                    if not self._closing:
                        self._changed.wait(_RETRY_S)

    def _bring_to_disk(self) -> bool:
        with self._changed:
            written = self._written
        try:
            with self._file_lock:
                os.fsync(self._file)
        except OSError as error:
            with self._changed:
                self._refused(error, written=True)
            return False
        with self._changed:
            self._synced = max(self._synced, written)
            while self._unsynced and self._unsynced[0][0] <= written:
                self._unsynced.popleft()
            if not self._waiting:
                self._tell("")
                self._forget_spare()
            self._changed.notify_all()
        return True

    def sync(self, timeout_s: float = 10.0) -> bool:
        """Wait until every edit so far is on the disk; False if writing fails or takes longer."""
        with self._changed:
            upto, refusals = self.last, self._refusals
            self._changed.notify_all()
            if self._thread is not None:
                self._changed.wait_for(lambda: self._synced >= upto or self._refusals > refusals, timeout_s)
            return self._synced >= upto

    def drop(self, number: int) -> None:
        """Remove the records up to a number, which are saved elsewhere.

        Raises
        ------
        CannotSave
            If newer ones remain and cannot be written; the journal is then unchanged.
        """
        with self._file_lock, self._changed:
            while self._unsynced and self._unsynced[0][0] <= number:
                self._unsynced.popleft()
            while self._waiting and self._waiting[0][0] <= number:
                self._written = self._waiting.popleft()[0]
            if self._written <= number:
                os.ftruncate(self._file, 0)
                self._good, self._prefix = 0, b""
                self._synced = max(self._synced, min(number, self._written))
                if not self._waiting:
                    self._tell("")
                    self._forget_spare()
            else:
                self._keep_after(number)
            self._changed.notify_all()

    def _keep_after(self, number: int) -> None:
        kept = [json.dumps(r, separators=(",", ":")) + "\n" for r in read_journal(self.path).records if r["n"] > number]
        is_open = True
        try:
            with whole_file(self.path, make_folder=False, is_owner=True) as part:
                part.write_text("".join(kept), encoding="ascii")
                os.close(self._file)  # Windows cannot replace an open file
                is_open = False
        finally:
            if not is_open:
                self._open()

    def close(self) -> bool:
        """Bring everything to the disk and stop; False if something could not be written."""
        done = self.sync()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        os.close(self._file)
        return done


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1)
