"""Work of the models dock off the GUI thread: list, change, install, export, compare."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import UserError
from napari_centermask.jobs.child import run_child
from napari_centermask.models.store import registry, zoo
from napari_centermask.models.store.registry import Deleted
from napari_centermask.models.store.zoo import ModelFiles
from napari_centermask.widgets.training.comparison import Compared, read_comparison
from napari_centermask.widgets.training.plan import DataFolder
from napari_centermask.widgets.work.tasks import Failed


class Gone(Failed):
    """The model is no longer where it was; retrying does not help."""


@dataclass(frozen=True)
class Entry:
    """A model in the list.

    Attributes
    ----------
    size
        Bytes on disk.
    ancestors
        Its parent, that one's parent, and so on; a name ends with " (not here)" if the model is not on this machine.
    children
        Names of the models trained from it.
    """

    model: ModelFiles
    size: int
    ancestors: tuple[str, ...]
    children: tuple[str, ...]


@dataclass(frozen=True)
class Inventory:
    """All models.

    Attributes
    ----------
    archived
        Names of the archived models.
    deleted
        Deleted models that can be restored, the latest first.
    broken
        Why others cannot be used.
    """

    entries: tuple[Entry, ...]
    archived: tuple[str, ...]
    deleted: tuple[Deleted, ...]
    broken: tuple[str, ...]


def look() -> Generator[None, None, Inventory]:
    """Read every model's card and lineage; for the worker thread."""
    entries = []
    for model in zoo.list_models():
        yield
        with suppress(OSError):  # it was renamed or deleted meanwhile
            entries.append(_entry(model))
    broken = tuple(str(error) for error in zoo.broken_models())
    return Inventory(tuple(entries), tuple(registry.archived_models()), tuple(registry.deleted_models()), broken)


def _entry(model: ModelFiles) -> Entry:
    chain = registry.lineage(model)[1:]
    ancestors = tuple(a.name + ("" if a.model is not None else " (not here)") for a in chain)
    return Entry(model, model.size, ancestors, tuple(m.name for m in registry.children(model)))


def change(act: Callable[..., Any], *args: Any) -> Generator[None, None, str | Failed]:
    """Change the models on disk; a `UserError` becomes `Failed`. For the worker thread."""
    yield
    try:
        act(*args)
    except registry.NotThere as error:
        return Gone(str(error))
    except UserError as error:
        return Failed.of(error)
    except OSError as error:
        return Failed(f"{error.filename or 'The file'} cannot be written: {error.strerror}.")
    return ""


def add(file: Path) -> Generator[None, None, str | Failed]:
    """Install a model file, with the graphs that napari needs, which a separate process makes."""
    try:
        for _ in run_child(["models", "add", str(file)]):
            yield
    except UserError as error:
        return Failed.of(error)
    return ""


def compare(old: str, new: str, source: DataFolder) -> Generator[None, None, Compared | Failed]:
    """Compare two models in a separate process: on a part of a project that neither was trained on, or on a whole folder."""
    with tempfile.TemporaryDirectory(prefix="centermask-", ignore_cleanup_errors=True) as temporary:
        out = Path(temporary)
        where = ["--data", str(source.folder), *(["--held-out"] if source.is_project else [])]
        files = ["--json", str(out / "c.json"), "--pictures", str(out / "pictures")]
        try:
            for _ in run_child(["compare", old, new, *where, *files]):
                yield
        except (UserError, OSError) as error:
            return Failed.of(error)
        return read_comparison(out / "c.json") or Failed("The comparison could not be read. Try again.")
