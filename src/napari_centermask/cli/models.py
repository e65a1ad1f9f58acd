"""`models list | info | add | remove | restore | empty | archive | rename | lineage`: the models on this machine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cyclopts import App

from napari_centermask.cli.output import notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadModel, MissingExtra, UserError, reason
from napari_centermask.evaluation.card_figures import detail_figures
from napari_centermask.models.families import needs_torch, why_torch
from napari_centermask.models.store import registry, zoo
from napari_centermask.settings import SegmentSettings

app = App(name="models", help="The models on this machine.", help_format="plaintext")


def describe(model: zoo.ModelFiles) -> dict[str, Any]:
    """What `models list` shows of a model."""
    card = model.card
    return {
        "name": model.name,
        "kind": card.kind,
        "licence": card.licence,
        "categories": card.model.categories,
        "in_channels": card.model.in_channels,
        "channel_names": card.channel_names,
        "diameter": card.diameter,
        "backbone": card.model.summary,
        "size_mb": round(model.size / 1e6, 2),
        "shipped": model.shipped,
        "classifier": model.classifier and model.classifier.name,
        "engines": (["openvino", "onnx"] if model.graphs else []) + (["torch"] if model.weights else []),
        "description": card.description,
    }


@app.command(name="list")
def list_(*, json: Flag = False) -> int:
    """List the models.

    For example:

      napari-centermask models list --json

    Parameters
    ----------
    json
        Print an array of objects.
    """
    models = [describe(m) for m in zoo.list_models()]
    for error in zoo.broken_models():
        notice(f"Left out: {error}")
    if json:
        print_json(models)
        return 0
    row = "{:<24}{:<12}{:<22}{:>9}{:>9}  {}"
    print(row.format("name", "kind", "licence", "diameter", "MB", "categories"))
    for m in models:
        names = ", ".join(m["categories"][:4]) + (", ..." if len(m["categories"]) > 4 else "")
        print(row.format(m["name"], m["kind"], m["licence"][:20], f"{m['diameter']:g}", m["size_mb"], names))
    return 0


@app.command
def info(model: str, /, *, json: Flag = False) -> int:
    """Show a model's card: its input, its training data and how good it is.

    For example:

      napari-centermask models info nuclei

    Parameters
    ----------
    model
        Name of an installed model, or a model file.
    json
        Print the whole card with its training curves.
    """
    files = zoo.find_model(model)
    card = files.card.model_dump(mode="json")
    if json:
        print_json(describe(files) | {"files": files.all_paths, "card": card})
        return 0
    for key, value in (describe(files) | {"parent": card["parent"], "created": card["created"]}).items():
        print(f"{key:<14}{', '.join(value) if isinstance(value, list) else 'none' if value is None else value}")
    print("limits" + "".join(f"\n  - {limit}" for limit in card["limits"] or ["none stated"]))
    for line in _metric_lines(card["metrics"]):
        print(line)
    for path in files.all_paths:
        print(path)
    return 0


SHOWN = ("n_images", "n_instances", "bioimage_ap_mean", "AP", "AP50", "precision", "recall", "f1", "pq")
"""The figures of a card that come first on a line; those of outlines, class maps and the border follow. --json shows all."""


def _metric_lines(metrics: dict[str, Any], *, indent: str = "") -> list[str]:
    """A card's figures: a line for each set of numbers, a heading for each group."""
    lines = []
    for name, value in metrics.items():
        if not isinstance(value, dict):
            continue
        numbers = {k: v for k, v in value.items() if k in SHOWN and isinstance(v, (int, float))}
        numbers |= dict(detail_figures(value))
        inner = [] if numbers else _metric_lines(value, indent=indent + "  ")
        if numbers:
            lines.append(f"{indent}{name:<26}" + "  ".join(f"{k} {v:.4g}" for k, v in numbers.items()))
        elif inner:
            lines += [f"{indent}{name}", *inner]
    return lines


@app.command
def add(file: Path, /, *, name: str | None = None, weights: Path | None = None, graphs: bool = True) -> int:
    """Install a model: one of our files, a public CenterMask2 checkpoint (.pth), or a model of detectron2 (.yaml and weights).

    For example:

      napari-centermask models add runs/first/best.safetensors --name mine

      napari-centermask models add centermask-lite-V-19.pth

      napari-centermask models add mask_rcnn_R_50_FPN_3x.yaml --weights model_final.pkl

    Parameters
    ----------
    file
        The model file, with the files that belong to it, or a configuration of detectron2, which must be installed.
    name
        Name to install it under; by default the name in its card.
    weights
        Weights (.pkl, .pth) of a model of detectron2.
    graphs
        Make the ONNX graphs that napari needs if the file has none; needs PyTorch. If they cannot be made,
        nothing is installed.
    """
    model = install(file, name, graphs=graphs, weights=weights)
    print(f"Installed '{model.name}' in {model.paths[0].parent}")
    return 0


def install(file: Path, name: str | None, *, graphs: bool = True, weights: Path | None = None) -> zoo.ModelFiles:
    """Install a model, and make its graphs if wanted.

    Raises
    ------
    BadModel
        If the file cannot be used, the name is taken, or the graphs are refused; nothing is installed then.
    """
    model = zoo.add_model(file, name, weights=weights, complete=partial(_complete, file, graphs=graphs))
    notice(f"Licence of the weights: {model.card.licence}")
    return model


def _complete(source: Path, model: zoo.ModelFiles, *, graphs: bool) -> None:
    """Make a model's graphs if they are wanted, or try those that came with it: once, in this process and not in napari's."""
    if model.graphs is not None:
        _try_graphs(model)
    elif needs_torch(model.card):
        notice(why_torch(model.card))
    elif graphs:
        _make_graphs(source, model)


def _try_graphs(model: zoo.ModelFiles) -> None:
    import numpy as np

    from napari_centermask.engines.load import load_engine
    from napari_centermask.pipeline import segment

    noise = np.random.default_rng(0).random((model.card.model.in_channels, 64, 64), np.float32)
    options = {"diameter": model.card.diameter, "channel_names": model.card.channel_names or None}
    try:
        segment(noise, load_engine(replace(model, weights=None), device="cpu"), SegmentSettings(**options))
    except UserError as error:
        raise BadModel(f"Nothing was installed. {error}") from error
    except Exception as error:  # runtimes raise errors of any class
        raise BadModel(
            f"Nothing was installed: the graphs of {model.name} fail on an image of noise ({reason(error)}). Export them again."
        ) from error


def _make_graphs(source: Path, model: zoo.ModelFiles) -> None:
    """Make a model's graphs beside its weights if there are none."""
    from napari_centermask.cli.export import export_files

    try:
        export_files(model, model.paths[0].parent)
    except MissingExtra as error:
        notice(f"Without ONNX graphs only the torch engine can run it. {error}")
    except UserError as error:
        remedy = f"To install it for the torch engine only: napari-centermask models add {source} --no-graphs"
        raise BadModel(f"Nothing was installed. {error} {remedy}") from error


@app.command
def remove(name: str, /) -> int:
    """Remove a model that you added; `models restore` brings it back.

    For example:

      napari-centermask models remove mine

    Parameters
    ----------
    name
        As `models list` shows it.
    """
    registry.delete_model(name)
    print(
        f"Removed '{name}'. To undo: napari-centermask models restore {name}. To delete for good: napari-centermask models empty"
    )
    return 0


@app.command
def empty() -> int:
    """Delete removed models for good; archived models stay."""
    gone = registry.deleted_models()
    size = sum(registry.remove_deleted(deleted) for deleted in gone)
    print(f"Deleted {counted(len(gone), 'model')} for good; {size / 2**20:,.1f} MiB freed")
    return 0


@app.command
def restore(name: str, /) -> int:
    """Restore a removed or archived model: the one removed last under this name, or else the archived one.

    Parameters
    ----------
    name
        Its name.
    """
    were_removed = [deleted for deleted in registry.deleted_models() if deleted.name == name]
    in_archive = name in registry.archived_models()
    registry.restore_model(name)
    if not were_removed:
        print(f"Restored '{name}' from the archive")
        return 0
    print(f"Restored '{name}', removed on {were_removed[0].date}")
    others = ["in the archive"] * in_archive + [f"removed on {deleted.date}" for deleted in were_removed[1:]]
    if others:
        print(f"There are more with this name: {', '.join(others)}. Rename this one to restore the next.")
    return 0


@app.command
def archive(name: str, /) -> int:
    """Archive a model: it is kept but no longer offered; `models restore` brings it back.

    Parameters
    ----------
    name
        As `models list` shows it.
    """
    registry.archive_model(name)
    print(f"Archived '{name}'")
    return 0


@app.command
def rename(name: str, new: str, /) -> int:
    """Rename a model that you added.

    Parameters
    ----------
    name
        As `models list` shows it.
    new
        Its new name.
    """
    registry.rename_model(name, new)
    print(f"'{name}' is now '{new}'")
    return 0


@app.command
def lineage(model: str, /, *, json: Flag = False) -> int:
    """Show what a model was trained from: its parent, steps and data (by hash), back to the first model.

    For example:

      napari-centermask models lineage mine

    Parameters
    ----------
    model
        Name of an installed model, or a model file.
    json
        Print an array of objects.
    """
    rows: list[dict[str, Any]] = []
    for ancestor in registry.lineage(zoo.find_model(model)):
        training = {} if ancestor.model is None else ancestor.model.card.training
        row: dict[str, Any] = {
            "name": ancestor.name,
            "sha256": ancestor.sha256,
            "installed": ancestor.model is not None,
        }
        rows.append(row | {k: training.get(k) for k in ("data", "steps", "minutes", "seed", "settings")})
    if json:
        print_json(rows)
        return 0
    for depth, row in enumerate(rows):
        data = ", ".join(f"{name} {splits.get('train', '')[:12]}" for name, splits in (row["data"] or {}).items())
        trained = (
            f"{row['steps']} steps on {data}" if row["steps"] else "" if row["installed"] else "not on this machine"
        )
        print(f"{'  ' * depth}{row['name']}  {(row['sha256'] or '')[:12]}  {trained}")
    return 0
