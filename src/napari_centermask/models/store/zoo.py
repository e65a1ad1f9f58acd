"""The models on this machine: those included in the package and those that the user added. Needs no torch."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import BadModel
from napari_centermask.core.extras import how_to_install
from napari_centermask.models.families import Family, family_of, graph_names
from napari_centermask.models.store.card import ModelCard, check_shapes
from napari_centermask.models.store.headers import CARD_KEY, Header, read_onnx, read_safetensors

WEIGHTS = ".safetensors"
"""Suffix of a model's weights; those of its graphs are `graph_suffix`."""
CLASSIFIER = ".classifier.onnx"
"""Suffix of a classifier of cells; one with a model's name beside its files belongs to the model."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
OTHERS = (".pth", ".pkl", ".pt", ".bin")
"""Suffixes of the weights of other programs; some use ours too, see `is_of_others`."""
CONFIGS = (".yaml", ".yml")
"""Suffixes of detectron2's configurations."""
ADDING = ".adding-"
"""Prefix of temporary folders in which models are assembled; they are not listed."""
_LEFT_AFTER_S = 24 * 3600
"""Age from which such a folder was left by a killed process: adding a model takes minutes at most."""


@dataclass(frozen=True)
class ModelFiles:
    """One model: its card and its files.

    Attributes
    ----------
    weights
        safetensors, for torch and for training.
    graphs
        The ONNX graphs of the model's family in its order, for the other engines; None if they are missing.
    shipped
        Part of the package; cannot be removed.
    """

    name: str
    card: ModelCard
    weights: Path | None
    graphs: tuple[Path, ...] | None = None
    shipped: bool = False

    @property
    def paths(self) -> list[Path]:
        """The files that exist."""
        return [p for p in (self.weights, *(self.graphs or ())) if p is not None]

    @property
    def classifier(self) -> Path | None:
        """The classifier of cells beside the files with the same name, None without."""
        own = self.paths[0]
        name = next((own.name.removesuffix(s) for s in suffixes() if own.name.endswith(s)), own.stem)
        path = own.with_name(name + CLASSIFIER)
        return path if path.is_file() else None

    @property
    def all_paths(self) -> list[Path]:
        """The files that exist, and the classifier beside them."""
        return [p for p in (*self.paths, self.classifier) if p is not None]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(p.stat().st_size for p in self.all_paths)


def graph_suffix(name: str) -> str:
    """Suffix of the file of a graph."""
    return f".{name}.onnx"


def suffixes() -> list[str]:
    """Suffixes of the files of models."""
    return [WEIGHTS, *map(graph_suffix, graph_names())]


def shipped_folder() -> Path:
    """The folder of the package's models."""
    return Path(__file__).parents[2] / "resources" / "models"


def user_folder() -> Path:
    """The folder of the user's models; the environment variable NAPARI_CENTERMASK_HOME moves it."""
    home = os.environ.get("NAPARI_CENTERMASK_HOME")
    if home:
        return Path(home).expanduser() / "models"
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-centermask", appauthor=False)) / "models"


def is_name(text: str) -> bool:
    """Whether a name is allowed: letters, digits, '.', '_' and '-', no path."""
    return _NAME.fullmatch(text) is not None


def list_models() -> list[ModelFiles]:
    """All usable models, our own first; damaged ones are left out (see `broken_models`)."""
    return [m for m in _scan() if isinstance(m, ModelFiles)]


def broken_models() -> list[BadModel]:
    """The error of each model in the folders that cannot be used."""
    return [m for m in _scan() if isinstance(m, BadModel)]


def _scan() -> Iterator[ModelFiles | BadModel]:
    for root, shipped in ((shipped_folder(), True), (user_folder(), False)):
        for folder in sorted(p for p in root.glob("*") if p.is_dir() and not p.name.startswith(".")):
            try:
                yield _read(folder / folder.name, shipped=shipped)
            except BadModel as error:
                if folder.is_dir():  # else it was renamed or deleted meanwhile
                    yield error


def find_model(name_or_path: str | Path) -> ModelFiles:
    """A model by its name, by one of its files, or by its folder.

    Raises
    ------
    BadModel
        If there is none (lists the available ones), or its files or card cannot be used.
    """
    text = str(name_or_path)
    if _NAME.fullmatch(text):
        for root, shipped in ((shipped_folder(), True), (user_folder(), False)):
            if (root / text).is_dir():
                return _read(root / text / text, shipped=shipped)
    path = Path(text).expanduser()
    if text and path.is_dir():
        return _read(_only_stem(path))
    if path.is_file():
        return _read(_stem(path))
    names = ", ".join(m.name for m in list_models()) or "none"
    raise BadModel(f"There is no model '{text}'. Choose an installed model ({names}) or a model file.")


def is_of_others(path: Path) -> bool:
    """Whether a file has weights of another program: by its suffix, or because it is a safetensors file without our card.

    Raises
    ------
    BadModel
        If it is a damaged safetensors file.
    """
    if not path.is_file():
        return False
    suffix = path.suffix.lower()
    return suffix in OTHERS or (suffix == WEIGHTS and CARD_KEY not in read_safetensors(path).metadata)


def model_paths(names: Iterable[str]) -> list[Path]:
    """The files of models, by which a run sees that they were changed; none of one that is missing, as loading it says so."""
    files: list[Path] = []
    for name in names:
        with suppress(BadModel):
            files += find_model(name).paths
    return files


def read_weights(path: str | Path) -> ModelFiles:
    """A model from its weights only; graphs beside them, which may be outdated, are ignored.

    Raises
    ------
    BadModel
        If the file or its card cannot be used.
    """
    path = Path(path).expanduser()
    return ModelFiles(path.stem, _read_card(path), weights=path)


def add_model(
    path: str | Path,
    name: str | None = None,
    *,
    weights: str | Path | None = None,
    complete: Callable[[ModelFiles], None] | None = None,
) -> ModelFiles:
    """Install a model under a name; either all of its files are installed or none, even if the process is killed.

    Parameters
    ----------
    path
        A file of one of our models, with those that belong to it, or a public checkpoint (.pth) of CenterMask2 or
        of torchvision's Mask R-CNN, which is converted.
    name
        By default the name in the card.
    weights
        Of a model of detectron2, whose configuration `path` is.
    complete
        Writes more files beside those of the model before it is listed; if it fails, nothing is installed.

    Raises
    ------
    BadModel
        If the file cannot be used or the name is taken.
    MissingExtra
        If a .pth is given and PyTorch is not installed, or a configuration and detectron2 is not.
    """
    path = Path(path).expanduser()
    if weights is not None or path.suffix.lower() in CONFIGS:
        return _add_detectron2(path, weights, name, complete)
    if path.suffix.lower() in OTHERS:
        return _add_reference(path, name, complete)
    source = find_model(path)
    return _install(name or source.card.name, lambda stem: _copy(source, stem), complete)


def remove_model(name: str) -> None:
    """Delete a model that the user added.

    Raises
    ------
    BadModel
        If there is none of this name, or it is included in the package.
    """
    folder = user_folder() / name
    if _NAME.fullmatch(name) and folder.is_dir():
        shutil.rmtree(folder)
        return
    if _NAME.fullmatch(name) and (shipped_folder() / name).is_dir():
        raise BadModel(f"'{name}' is part of napari-centermask. Only added models can be removed.")
    names = ", ".join(m.name for m in list_models() if not m.shipped) or "none"
    raise BadModel(f"There is no added model '{name}'. There are: {names}.")


def _add_reference(path: Path, name: str | None, complete: Callable[[ModelFiles], None] | None) -> ModelFiles:
    if not path.is_file():
        raise BadModel(f"The checkpoint {path} does not exist. Check the path.")
    try:
        from napari_centermask.models.nets.build import build_model
        from napari_centermask.models.store.checkpoint import load_state
        from napari_centermask.models.store.other_weights import convert_mask_rcnn, is_mask_rcnn
        from napari_centermask.models.store.pickles import read_state
        from napari_centermask.models.store.reference import convert_reference
    except ImportError as error:
        from napari_centermask.core.errors import MissingExtra

        raise MissingExtra(f"Reading {path.suffix} needs PyTorch: {how_to_install('train')}") from error
    read = read_state(path)
    state, card = convert_mask_rcnn(read, path) if is_mask_rcnn(read) else convert_reference(path, read)
    network = build_model(card.model)
    load_state(network, state, where=path.name)
    return _install_network(network, card, name, complete)


def _add_detectron2(
    config: Path, weights: str | Path | None, name: str | None, complete: Callable[[ModelFiles], None] | None
) -> ModelFiles:
    if weights is None:
        raise BadModel(f"{config.name} is a configuration of detectron2. Name its weights too: --weights FILE.pkl")
    read_model = Family.load("napari_centermask.detectron2.models:read_model")
    network, card = read_model(config, Path(weights).expanduser())
    return _install_network(network, card, name, complete)


def _install_network(
    network: Any, card: ModelCard, name: str | None, complete: Callable[[ModelFiles], None] | None
) -> ModelFiles:
    from napari_centermask.models.store.checkpoint import save_model

    card = card.model_copy(update={"name": name or card.name})

    def write(stem: Path) -> None:
        # In float32: rounded weights would no longer give the published results.
        save_model(stem.with_name(stem.name + WEIGHTS), network, card, half=False)

    return _install(card.name, write, complete)


def check_new_name(name: str) -> None:
    """Raise `BadModel` for a name under which no model can be installed."""
    if not _NAME.fullmatch(name):
        raise BadModel(
            f"A name can have letters, digits, '.', '_' and '-', which '{name}' does not follow. Choose another one."
        )
    if (user_folder() / name).exists() or (shipped_folder() / name).exists():
        raise BadModel(f"A model named '{name}' is already installed. Choose another name, or remove it first.")


def _install(name: str, write: Callable[[Path], None], complete: Callable[[ModelFiles], None] | None) -> ModelFiles:
    check_new_name(name)
    user_folder().mkdir(parents=True, exist_ok=True)
    _remove_leftovers()
    temporary = Path(tempfile.mkdtemp(prefix=ADDING, dir=user_folder()))
    try:
        write(temporary / name)
        files = _read(temporary / name)
        if complete is not None:
            complete(replace(files, name=name))
            _read(temporary / name)
            check_new_name(name)  # another process may have taken it meanwhile
        os.replace(temporary, user_folder() / name)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return _read(user_folder() / name / name)


def _remove_leftovers() -> None:
    """Remove what killed processes left behind while adding models."""
    for folder in user_folder().glob(f"{ADDING}*"):
        with suppress(FileNotFoundError):  # another process has just finished
            if time.time() - folder.stat().st_mtime > _LEFT_AFTER_S:
                shutil.rmtree(folder, ignore_errors=True)


def _copy(source: ModelFiles, stem: Path) -> None:
    for path in source.all_paths:
        suffix = next(s for s in (*suffixes(), CLASSIFIER) if path.name.endswith(s))
        shutil.copyfile(path, stem.with_name(stem.name + suffix))


def _stem(path: Path) -> Path:
    for suffix in suffixes():
        if path.name.endswith(suffix):
            return path.with_name(path.name.removesuffix(suffix))
    if path.name.endswith(CLASSIFIER):
        raise BadModel(
            f"{path.name} is not a model but a classifier of cells. Use it by its path, or put it beside a model with the "
            "model's name and add that one."
        )
    hint = f" Install it first: napari-centermask models add {path}" if path.suffix in OTHERS else ""
    raise BadModel(f"{path.name} is not a model of this program, whose files end in {', '.join(suffixes())}.{hint}")


def _only_stem(folder: Path) -> Path:
    files = [p for p in sorted(folder.iterdir()) if p.name.endswith(tuple(suffixes()))]
    stems = sorted({_stem(p) for p in files})
    if len(stems) != 1:
        models = ", ".join(s.name for s in stems) or "none"
        raise BadModel(f"{folder} must have one model, but has {models}. Choose the file.")
    return stems[0]


def _read(stem: Path, *, shipped: bool = False) -> ModelFiles:
    """A model from the files that share a stem; cards and shapes must agree."""
    weights, graphs = _existing(stem, WEIGHTS), {n: _existing(stem, graph_suffix(n)) for n in graph_names()}
    existing = {name: path for name, path in graphs.items() if path is not None}
    if weights is None and not existing:
        raise BadModel(f"{stem.parent} has no {stem.name}.safetensors and no ONNX graphs of it. Choose another file.")
    cards = ([] if weights is None else [_read_card(weights)]) + [_read_card(path) for path in existing.values()]
    for other in cards[1:]:
        _check_same(cards[0], other, stem.name)
    family = family_of(cards[0])
    if strange := [path.name for name, path in existing.items() if name not in family.graphs]:
        raise BadModel(f"{', '.join(strange)} is not a graph of a {family.name}. Remove it.")
    if existing and len(existing) < len(family.graphs):
        wanted = " and ".join(stem.name + graph_suffix(name) for name in family.graphs)
        lone = ", ".join(path.name for path in existing.values())
        all_of = "both" if len(family.graphs) == 2 else "all"
        raise BadModel(f"Expected {all_of} graphs, {wanted}; found {lone}.")
    return ModelFiles(
        name=stem.name if stem.parent.name == stem.name else cards[0].name,
        card=cards[0],
        weights=weights,
        graphs=tuple(existing[name] for name in family.graphs) if existing else None,
        shipped=shipped,
    )


def _existing(stem: Path, suffix: str) -> Path | None:
    path = stem.with_name(stem.name + suffix)
    return path if path.is_file() else None


def _read_card(path: Path) -> ModelCard:
    is_weights = path.name.endswith(WEIGHTS)
    header = read_safetensors(path) if is_weights else read_onnx(path)
    text = header.metadata.get(CARD_KEY)
    if not isinstance(text, str):
        raise BadModel(f"{path.name} has no model card. Make it with napari-centermask export.")
    card = ModelCard.from_json(text, where=path.name)
    if is_weights:
        check_shapes(card, header.shapes, where=path.name)
    else:
        _check_graph(card, header, path)
    return card


def _check_graph(card: ModelCard, header: Header, path: Path) -> None:
    """Compare the fixed sizes of a graph's inputs and outputs with its card; variable sizes are 0."""
    expected = {"image": (1, card.model.in_channels)} | family_of(card).graph_sizes(card.model)
    if not expected.keys() & header.shapes.keys():
        names = ", ".join(list(header.shapes)[:6])
        raise BadModel(
            f"{path.name} is not a graph of this program: its inputs and outputs are {names}. Export the model again."
        )
    for name, (axis, size) in expected.items():
        shape = header.shapes.get(name)
        if shape is not None and (len(shape) <= axis or shape[axis] not in (0, size)):
            raise BadModel(
                f"The card of {path.name} does not describe its graph: '{name}' should have {size} on axis {axis}, "
                f"its shape is {shape}. Export the model again."
            )


def _check_same(card: ModelCard, other: ModelCard, name: str) -> None:
    fields: tuple[str, ...] = (
        "model",
        "diameter",
        "channel_names",
        "preprocess",
        "normalisation",
        "mean",
        "std",
        "percentiles",
    )
    fields += ("training",)  # trained again
    if wrong := [f for f in fields if getattr(card, f) != getattr(other, f)]:
        raise BadModel(
            f"The files of {name} belong to different models: their cards differ in {', '.join(wrong)}. "
            "Export the model again, or remove the outdated files."
        )
