"""Manage the user's models: rename, archive, delete, restore, lineage. Needs no torch.

On disk: a folder per model in `zoo.user_folder()`; `.archive/NAME` for archived and `.trash/TIME-NAME` for deleted ones.
Each has the model's files with the card inside; nothing else is needed to read them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from napari_centermask.core.errors import BadModel
from napari_centermask.io.files import copy_file, link_file
from napari_centermask.models.store import zoo
from napari_centermask.models.store.card_change import first_hash
from napari_centermask.models.store.zoo import CLASSIFIER, ModelFiles, suffixes

ARCHIVE, TRASH = ".archive", ".trash"
REPLAY = "replay"
"""Folder beside a model's weights with a sample of its training data: images/ and annotations of train and val."""


class NotThere(BadModel):
    """There is no such model, or no longer."""


@dataclass(frozen=True, order=True)
class Deleted:
    """One deleted model; several of one name are distinguished by time.

    Attributes
    ----------
    time_ns
        When it was deleted, in nanoseconds since 1970.
    """

    time_ns: int
    name: str

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return zoo.user_folder() / TRASH / f"{self.time_ns}-{self.name}"

    @property
    def date(self) -> str:
        """Day of the deletion, as 2026-01-31."""
        return time.strftime("%Y-%m-%d", time.localtime(self.time_ns / 1e9))


def rename_model(name: str, new: str) -> ModelFiles:
    """Rename an added model; its card keeps the original name.

    Raises
    ------
    BadModel
        If there is no such added model, or the new name is taken or not allowed.
    """
    source = _added(name)
    zoo.check_new_name(new)
    temporary = Path(tempfile.mkdtemp(prefix=zoo.ADDING, dir=zoo.user_folder()))
    try:
        for suffix in (*suffixes(), CLASSIFIER):
            path = source / f"{name}{suffix}"
            if path.exists():
                link_file(path, temporary / f"{new}{suffix}")
        if (source / REPLAY).is_dir():
            shutil.copytree(source / REPLAY, temporary / REPLAY)
        os.replace(temporary, zoo.user_folder() / new)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(source)
    return zoo.find_model(new)


def archive_model(name: str) -> None:
    """Archive an added model: it is kept but no longer offered. `restore_archived` brings it back.

    Raises
    ------
    BadModel
        If there is no such added model, or one of its name is in the archive.
    """
    source, target = _added(name), zoo.user_folder() / ARCHIVE / name
    if target.exists():
        raise BadModel(f"There is already a model named '{name}' in the archive. Rename this one first.")
    target.parent.mkdir(exist_ok=True)
    os.replace(source, target)


def delete_model(name: str, *, time_ns: int | None = None) -> Deleted:
    """Delete an added model; `restore_deleted` undoes it until `remove_deleted`.

    Parameters
    ----------
    time_ns
        When it was deleted, to undo its restoring; by default now.

    Raises
    ------
    BadModel
        If there is no such added model.
    """
    source = _added(name)
    deleted = Deleted(time.time_ns() if time_ns is None else time_ns, name)
    deleted.folder.parent.mkdir(exist_ok=True)
    os.replace(source, deleted.folder)
    return deleted


def restore_deleted(deleted: Deleted) -> ModelFiles:
    """Restore exactly this deleted model.

    Raises
    ------
    BadModel
        If it was restored or removed for good, or a model of its name was added since.
    """
    _check_there(deleted)
    return _bring_back(deleted.folder, deleted.name)


def _check_there(deleted: Deleted) -> None:
    if not deleted.folder.is_dir():
        raise NotThere(
            f"The model '{deleted.name}' deleted on {deleted.date} is no longer among the deleted ones. "
            "Check whether it was already restored."
        )


def restore_archived(name: str) -> ModelFiles:
    """Restore a model from the archive.

    Raises
    ------
    BadModel
        If the archive has none of this name, or a model of this name was added since.
    """
    if name not in archived_models():
        raise NotThere(f"There is no model '{name}' in the archive. It has: {', '.join(archived_models()) or 'none'}.")
    return _bring_back(zoo.user_folder() / ARCHIVE / name, name)


def restore_model(name: str) -> ModelFiles:
    """Restore a model: the one deleted last under this name, or else the archived one.

    Raises
    ------
    BadModel
        If there is none, or a model of this name was added since.
    """
    last = next((deleted for deleted in deleted_models() if deleted.name == name), None)
    if last is not None:
        return restore_deleted(last)
    if name not in archived_models():
        known = sorted({deleted.name for deleted in deleted_models()} | set(archived_models()))
        raise NotThere(f"There is no deleted or archived model '{name}'. There are: {', '.join(known) or 'none'}.")
    return restore_archived(name)


def export_model(name: str, folder: Path) -> list[Path]:
    """Copy a model's files and its classifier to a folder; return the copies.

    Raises
    ------
    BadModel
        If there is no such model, or the folder has files of these names.
    CannotSave
        If the disk is full or the folder protected.
    """
    model = zoo.find_model(name)
    targets = {path: Path(folder) / path.name for path in model.all_paths}
    if taken := [target.name for target in targets.values() if target.exists()]:
        raise BadModel(f"{folder} already has {', '.join(taken)}. Choose another folder, or move them away.")
    for path, target in targets.items():
        copy_file(path, target)
    return list(targets.values())


def archived_models() -> list[str]:
    """Names of the models in the archive."""
    return sorted(p.name for p in (zoo.user_folder() / ARCHIVE).glob("*") if p.is_dir())


def deleted_models() -> list[Deleted]:
    """The deleted models that can be restored, the last one first."""
    deleted = []
    for path in (zoo.user_folder() / TRASH).glob("*"):
        time_ns, _, name = path.name.partition("-")
        if path.is_dir() and time_ns.isdigit() and zoo.is_name(name):
            deleted.append(Deleted(int(time_ns), name))
    return sorted(deleted, reverse=True)


def remove_deleted(deleted: Deleted) -> int:
    """Remove a deleted model for good; return the number of bytes freed.

    Raises
    ------
    BadModel
        If it was restored or removed before.
    OSError
        If a file cannot be removed.
    """
    _check_there(deleted)
    size = sum(p.stat().st_size for p in deleted.folder.rglob("*") if p.is_file())
    shutil.rmtree(deleted.folder)
    return size


@dataclass(frozen=True)
class Ancestor:
    """A model in a lineage.

    Attributes
    ----------
    name
        Name of the installed model, or the name in the child's card.
    sha256
        Hash of the weights in the child's card; None if missing.
    model
        The installed model; None if it is not on this machine.
    """

    name: str
    sha256: str | None
    model: ModelFiles | None


def lineage(model: ModelFiles) -> list[Ancestor]:
    """The model, its parent, and so on; found by the hash of the weights, or by name if a card has none.

    It ends with a model that is not on this machine, or that was trained from scratch.
    """
    own = None if model.weights is None else weights_hash(model.weights)
    chain, seen = [Ancestor(model.name, own, model)], set()
    while model is not None and model.card.parent is not None and model.name not in seen:
        seen.add(model.name)
        wanted = model.card.training.get("parent_sha256")
        name = model.card.parent
        model = _find(wanted, name)
        chain.append(Ancestor(name if model is None else model.name, wanted, model))
    return chain


def replay_of(model: ModelFiles) -> Path | None:
    """The sample of training data beside a model, or beside its nearest ancestor with one; None without."""
    for ancestor in lineage(model):
        if ancestor.model is not None and ancestor.model.weights is not None:
            folder = ancestor.model.weights.parent / REPLAY
            if all((folder / f"annotations_{split}.json").is_file() for split in ("train", "val")):
                return folder
    return None


def children(model: ModelFiles) -> list[ModelFiles]:
    """The installed models that were trained from this one."""
    own = None if model.weights is None else weights_hash(model.weights)

    def is_child(other: ModelFiles) -> bool:
        parent = other.card.training.get("parent_sha256")
        return parent == own if parent and own else other.card.parent in (model.name, model.card.name)

    return [m for m in zoo.list_models() if m.card.parent is not None and m.name != model.name and is_child(m)]


def _find(sha256: str | None, name: str) -> ModelFiles | None:
    models = zoo.list_models()
    if sha256 is not None:
        return next((m for m in models if _has_weights(m, sha256)), None)
    return next((m for m in models if name in (m.name, m.card.name)), None)


def _has_weights(model: ModelFiles, sha256: str) -> bool:
    return model.weights is not None and weights_hash(model.weights) == sha256


def weights_hash(path: Path) -> str:
    """The hash by which a model is recognised, hex: SHA-256 of the file as it was before its card was replaced.

    Cached while the size and time of the file are unchanged.
    """
    stat = path.stat()
    return _hash(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, _size: int, _time: int) -> str:
    return first_hash(path)


def _added(name: str) -> Path:
    folder = zoo.user_folder() / name
    if zoo.is_name(name) and folder.is_dir():
        return folder
    if zoo.is_name(name) and (zoo.shipped_folder() / name).is_dir():
        raise BadModel(f"'{name}' is part of napari-centermask. Only added models can be changed.")
    names = ", ".join(m.name for m in zoo.list_models() if not m.shipped) or "none"
    raise NotThere(f"There is no added model '{name}'. There are: {names}.")


def _bring_back(folder: Path, name: str) -> ModelFiles:
    """Move a stored model back to the installed ones."""
    zoo.check_new_name(name)
    os.replace(folder, zoo.user_folder() / name)
    return zoo.find_model(name)
