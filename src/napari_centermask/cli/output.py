"""Output of commands: files written whole or not at all, progress on a terminal, JSON."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

from napari_centermask.core.errors import UserError
from napari_centermask.core.progress import Advance, silent
from napari_centermask.io.own_files import check_targets
from napari_centermask.io.whole_file import whole_file

Result = TypeVar("Result")
T = TypeVar("T")


class Lasting(io.TextIOBase):
    """A stream whose reader may go away, as with `| head -1`: the work continues without output.

    Parameters
    ----------
    stream
        Standard output or standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop the text where nobody reads."""
        return self._lasting(lambda: self._stream.write(text))

    def flush(self) -> None:
        """Hand over what was written."""
        self._lasting(self._stream.flush)

    def _lasting(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            return call()

    def fileno(self) -> int:
        """Of the stream."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Of the stream."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Always."""
        return True


def check_writable(
    paths: Iterable[Path | None], *, inputs: Iterable[Path | None] = (), data: Iterable[Path] = ()
) -> None:
    """Refuse, before any work is done, files that cannot or must not be written; None is passed over.

    Parameters
    ----------
    inputs
        Files that are read; neither they nor the files of a project are written over.
    data
        Folders of annotated images, of any tool, none of whose files is written over.

    Raises
    ------
    UserError
        Naming the file or its folder.
    """
    paths, read = list(filter(None, paths)), list(filter(None, inputs))
    if any(map(os.path.exists, paths)):
        from napari_centermask.io.datasets.folder import files_of

        read += [path for folder in data for path in files_of(folder)]
    check_targets(paths, read)
    for path in paths:
        there = next(p for p in path.absolute().parents if p.exists())
        if not there.is_dir():
            raise UserError(f"Cannot write {path}: {there} is a file, not a folder. Choose another place.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UserError(
                f"Cannot write {path}: {there} is read-only. Change its permissions or choose another place."
            )


def check_free(
    paths: list[Path],
    *,
    overwrite: bool,
    inputs: Iterable[Path | None] = (),
    data: Iterable[Path] = (),
    out: str = "--out",
) -> None:
    """Refuse to replace files without `overwrite`, and what `check_writable` refuses.

    Parameters
    ----------
    inputs, data
        As for `check_writable`.
    out
        What names the place of the files, for the message.

    Raises
    ------
    UserError
        Naming the first of them.
    """
    check_writable(paths, inputs=inputs, data=data)
    taken = [p for p in paths if os.path.exists(p)]  # False if a name is too long, which is reported later
    if taken and not overwrite:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise UserError(f"{taken[0]}{more} already exists. Choose another {out} or add --overwrite.")


def print_json(value: object) -> None:
    """Print one JSON document on standard output; numbers that are not finite are an error."""
    print(json.dumps(value, indent=1, allow_nan=False, default=_plain))


def _plain(value: object) -> Any:
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "item") else str(value)


def notice(text: str) -> None:
    """Print a message on standard error; standard output is for results."""
    print(text, file=sys.stderr)


def write_labels(path: Path, labels: Any) -> None:
    """Write a label image as a compressed TIFF, uint16 if the ids fit, else int32."""
    import numpy as np
    import tifffile

    small = int(labels.max(initial=0)) <= np.iinfo(np.uint16).max
    labels = labels.astype(np.uint16 if small else np.int32)
    with whole_file(path) as part:
        tifffile.imwrite(part, labels, compression="zlib", photometric="minisblack")


def follow(steps: Generator[Any, None, Result], label: str) -> Result:
    """Run a generator of progress to its end and return its result, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                return stop.value
            bar.update(task, completed=step.done, total=step.total or None)


@contextmanager
def busy(label: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what takes a while, such as loading a model; what this yields shows another text."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield silent
        return
    with console.status(label) as status:
        yield status.update


@contextmanager
def working(label: str, unit: str) -> Iterator[Advance]:
    """Show on a terminal what is going on; what this yields takes how many units (such as cells) are done, and of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None, count="")

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None, count=f"{done:,} of {total:,} {unit}")

        yield advance
