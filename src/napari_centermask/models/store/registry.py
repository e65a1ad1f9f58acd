"""Order among the user's models: rename, archive, delete with a way back, lineage. Needs no torch.

On disk: a folder per model in `zoo.user_folder()`; `.archive/NAME` for those put away, `.trash/TIME-NAME` for deleted ones.
Each holds the model's files with the card inside; nothing else is needed to read them.
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
from napari_centermask.io.files import copy_file, link_file, sha256_of
from napari_centermask.models.store import zoo
from napari_centermask.models.store.zoo import CLASSIFIER, ModelFiles, suffixes

ARCHIVE, TRASH = ".archive", ".trash"
REPLAY = "replay"
"""Folder beside a model's weights with a sample of its training data: images/ and annotations of train and val."""


class NotThere(BadModel):
    """No model lies where one is looked for: not under this name, or no longer."""


@dataclass(frozen=True, order=True)
class Deleted:
    """One deleted model; several of a name are told apart by the time.

    Attributes
    ----------
    time_ns
        When it was deleted, in nanoseconds since 1970.
    """

    time_ns: int
    name: str

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return zoo.user_folder() / TRASH / f"{self.time_ns}-{self.name}"

    @property
    def date(self) -> str:
        """Day of the deletion, as 2026-01-31."""
        return time.strftime("%Y-%m-%d", time.localtime(self.time_ns / 1e9))


def rename_model(name: str, new: str) -> ModelFiles:
    """Give an added model another name; its card keeps the name it was trained under.

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
    """Put an added model away: it is kept, and no longer offered. `restore_archived` brings it back.

    Raises
    ------
    BadModel
        If there is no such added model, or one of its name lies in the archive.
    """
    source, target = _added(name), zoo.user_folder() / ARCHIVE / name
    if target.exists():
        raise BadModel(f"The archive holds a model named '{name}' already. Rename this one first.")
    target.parent.mkdir(exist_ok=True)
    os.replace(source, target)


def delete_model(name: str, *, time_ns: int | None = None) -> Deleted:
    """Delete an added model; `restore_deleted` undoes it until `remove_deleted`.

    Parameters
    ----------
    time_ns
        When it was deleted, to take its restoring back; now when not given.

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
    """Bring back exactly this deleted model.

    Raises
    ------
    BadModel
        If it was brought back or removed for good, or a model of its name was added since.
    """
    _check_there(deleted)
    return _bring_back(deleted.folder, deleted.name)


def _check_there(deleted: Deleted) -> None:
    if not deleted.folder.is_dir():
        raise NotThere(
            f"Expected the model '{deleted.name}' deleted on {deleted.date}, it is no longer among the deleted ones. "
            "Look whether it was brought back already."
        )


def restore_archived(name: str) -> ModelFiles:
    """Bring a model back from the archive.

    Raises
    ------
    BadModel
        If the archive holds none of this name, or a model of this name was added since.
    """
    if name not in archived_models():
        raise NotThere(f"Expected a model of the archive ({', '.join(archived_models()) or 'none'}), got '{name}'.")
    return _bring_back(zoo.user_folder() / ARCHIVE / name, name)


def restore_model(name: str) -> ModelFiles:
    """Bring a model back: the one deleted last under this name, else that of the archive.

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
        raise NotThere(f"Expected a deleted or archived model ({', '.join(known) or 'none'}), got '{name}'.")
    return restore_archived(name)


def export_model(name: str, folder: Path) -> list[Path]:
    """Copy a model's files, each with its card inside, and its classifier into a folder; returns the copies.

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
        raise BadModel(f"{folder} has {', '.join(taken)} already. Choose another folder, or move them away.")
    for path, target in targets.items():
        copy_file(path, target)
    return list(targets.values())


def archived_models() -> list[str]:
    """Names of the models in the archive."""
    return sorted(p.name for p in (zoo.user_folder() / ARCHIVE).glob("*") if p.is_dir())


def deleted_models() -> list[Deleted]:
    """The deleted models that can be brought back, the last one first."""
    found = []
    for path in (zoo.user_folder() / TRASH).glob("*"):
        time_ns, _, name = path.name.partition("-")
        if path.is_dir() and time_ns.isdigit() and zoo.is_name(name):
            found.append(Deleted(int(time_ns), name))
    return sorted(found, reverse=True)


def remove_deleted(deleted: Deleted) -> int:
    """Remove a deleted model for good; returns the bytes that are free now.

    Raises
    ------
    BadModel
        If it was brought back or removed before.
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
        Of the installed model, or the one that the child's card tells.
    sha256
        Of the weights, as the child's card tells; None for cards that do not.
    model
        The installed model; None where it is not on this machine.
    """

    name: str
    sha256: str | None
    model: ModelFiles | None


def lineage(model: ModelFiles) -> list[Ancestor]:
    """The model, its parent, and so on; found by the weights' hash, or by name where a card has none.

    It ends with a model that is not on this machine, or that was trained from nothing.
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
    """The sample of its training data that lies beside a model, or beside the nearest of its ancestors; None without."""
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
        told = other.card.training.get("parent_sha256")
        return told == own if told and own else other.card.parent in (model.name, model.card.name)

    return [m for m in zoo.list_models() if m.card.parent is not None and m.name != model.name and is_child(m)]


def _find(sha256: str | None, name: str) -> ModelFiles | None:
    models = zoo.list_models()
    if sha256 is not None:
        return next((m for m in models if _has_weights(m, sha256)), None)
    return next((m for m in models if name in (m.name, m.card.name)), None)


def _has_weights(model: ModelFiles, sha256: str) -> bool:
    return model.weights is not None and weights_hash(model.weights) == sha256


def weights_hash(path: Path) -> str:
    """SHA-256 of a file, hex; remembered while its size and time stay."""
    stat = path.stat()
    return _hash(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, _size: int, _time: int) -> str:
    return sha256_of(path)


def _added(name: str) -> Path:
    folder = zoo.user_folder() / name
    if zoo.is_name(name) and folder.is_dir():
        return folder
    if zoo.is_name(name) and (zoo.shipped_folder() / name).is_dir():
        raise BadModel(f"'{name}' is part of napari-centermask and stays. Only added models can be changed.")
    names = ", ".join(m.name for m in zoo.list_models() if not m.shipped) or "none"
    raise NotThere(f"Expected the name of an added model ({names}), got '{name}'.")


def _bring_back(folder: Path, name: str) -> ModelFiles:
    """Move a model that was put away to where it is offered."""
    zoo.check_new_name(name)
    os.replace(folder, zoo.user_folder() / name)
    return zoo.find_model(name)
