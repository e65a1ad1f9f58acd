"""Make folders of all that a run needs on another machine: our code, the run file, the start model and the data.

Nothing there depends on the service: the command line works in any shell once its `${{inputs.NAME}}` are replaced by folders.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.errors import BadModel
from napari_centermask.io.files import link_file
from napari_centermask.io.whole_file import whole_file
from napari_centermask.jobs.command import FOLDERS, RUN_FILE
from napari_centermask.models.store.zoo import find_model, is_of_others
from napari_centermask.settings import TrainSettings

PACKAGE = Path(__file__).parents[1]
LEFT_OUT = ("__pycache__", "widgets", "resources", "docs", "napari.yaml")
"""Parts of the package that a training does not use; a start model travels as a file of its own."""
OUTPUTS = "outputs"
"""Folder below the working folder that Azure Machine Learning keeps of every job."""


@dataclass(frozen=True)
class Staged:
    """All that a run needs on another machine.

    Attributes
    ----------
    code
        The working folder of the command.
    inputs
        Folders of data by the names that the command uses.
    command
        For bash; each process runs it, as under torchrun.
    """

    code: Path
    inputs: dict[str, Path]
    command: str


def stage(settings: TrainSettings, folder: Path) -> Staged:
    """Make the folders; data are linked where the file system can, and copied where not.

    Parameters
    ----------
    settings
        Of the run, with paths of this machine.
    folder
        An empty folder.

    Raises
    ------
    BadModel
        If the start model has no weights.
    CannotSave
        If the disk is full.
    """
    code = Path(folder) / "code"
    shutil.copytree(PACKAGE, code / PACKAGE.name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    inputs, flags = {}, []
    for field in FOLDERS:
        names = [f"{field}_{number}" for number in range(len(getattr(settings, field)))]
        for name, source in zip(names, getattr(settings, field), strict=True):
            inputs[name] = _link_data(source, Path(folder) / name)
        if names:
            flags += [f"--{field}", *(f"${{{{inputs.{name}}}}}" for name in names)]
    out = f"{OUTPUTS}/{plain_name(settings.out.name)}"
    with whole_file(code / RUN_FILE) as part:
        part.write_text(_remote(settings, code, out).model_dump_json(indent=1), encoding="utf-8")
    return Staged(code, inputs, f"python -m napari_centermask train {RUN_FILE} --json {' '.join(flags)} --out {out}")


def _remote(settings: TrainSettings, code: Path, out: str) -> TrainSettings:
    """The settings with the paths of the other machine; the files that they name are put beside the run file."""
    changes: dict[str, object] = {field: [Path(field)] * len(getattr(settings, field)) for field in FOLDERS}
    changes |= {"out": Path(out), "device": "auto", "resume": False}
    for field in ("start", "pretrained"):
        if (name := getattr(settings, field)) is not None:
            other = Path(name).expanduser()
            is_others = field == "pretrained" and is_of_others(other)
            weights = other if is_others else find_model(name).weights
            if weights is None:
                raise BadModel(f"{name} has only ONNX graphs and cannot be trained. Start from a model with weights.")
            place = Path(field) / weights.name
            link_file(weights, code / place)
            changes[field] = place.as_posix()
    if (field_image := settings.preprocess.flat_field) is not None:
        place = Path("flat_field", field_image.name)
        link_file(field_image.expanduser(), code / place)
        changes["preprocess"] = settings.preprocess.model_copy(update={"flat_field": place})
    return settings.model_copy(update=changes)


def _link_data(source: Path, target: Path) -> Path:
    for part in data_parts(source):
        link_file(part, target / part.name)
    return target


def data_parts(folder: Path) -> list[Path]:
    """Of a folder with images/ its images and annotations, not the runs beside them; of another one everything."""
    folder = Path(folder).expanduser().resolve()
    if (folder / "images").is_dir():
        return [folder / "images", *sorted(folder.glob("annotations*.json"))]
    return sorted(folder.iterdir())


def plain_name(text: str) -> str:
    """A name of letters, digits, - and _, as services ask for."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_") or "run"


def content_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's files, hex: the same for the same data wherever they lie."""
    digest = hashlib.sha256()
    for path in files_of(folder):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def files_of(folder: Path) -> Iterator[Path]:
    """All files of a folder, in order."""
    return iter(sorted(path for path in Path(folder).rglob("*") if path.is_file()))
