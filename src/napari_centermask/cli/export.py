"""`export`: write a model's ONNX graphs, if they agree with torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.cli.output import busy, check_free, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.core.errors import BadModel, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.models.families import family_of
from napari_centermask.models.store import zoo

if TYPE_CHECKING:
    from napari_centermask.deploy.export import Parity


def export(
    model: str,
    /,
    *,
    out: Path | None = None,
    name: str | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Write the ONNX graphs that run a model without torch, checked against torch on several image sizes.

    A CenterMask is NAME.dense.onnx and NAME.roi.onnx, a U-Net NAME.maps.onnx.

    For example:

      napari-centermask export runs/first/best.safetensors --out graphs

      napari-centermask export nuclei --out . --overwrite --json

    Parameters
    ----------
    model
        Name of an installed model, or a .safetensors file.
    out
        Folder for the graphs; that of the weights by default.
    name
        Name of the graphs; that of the weights by default.
    overwrite
        Replace existing graphs.
    json
        Print the files and the measured differences as JSON.
    """
    files = _find(model)
    folder = out or files.weights.parent
    stem = name or files.weights.name.removesuffix(".safetensors")
    paths = [folder / f"{stem}{zoo.graph_suffix(graph)}" for graph in family_of(files.card).graphs]
    check_free(paths, overwrite=overwrite, inputs=[files.weights])
    with busy(f"Exporting {files.name}"):
        parity = export_files(files, folder, name=stem)
    if json:
        print_json({"files": paths, "differences": parity.differences, "shapes": parity.shapes})
    else:
        print(f"Wrote {' and '.join(map(str, paths))}")
        print("Largest differences from torch: " + ", ".join(f"{k} {v:.1e}" for k, v in parity.differences.items()))
    return 0


def _find(model: str) -> zoo.ModelFiles:
    """The model; outdated graphs are no error, as they are about to be replaced."""
    path = Path(model).expanduser()
    files = zoo.read_weights(path) if path.suffix == ".safetensors" else zoo.find_model(model)
    if files.weights is None:
        raise BadModel(f"'{model}' has ONNX graphs but no weights to export. Choose its .safetensors file.")
    return files


def export_files(files: zoo.ModelFiles, folder: Path, *, name: str | None = None) -> Parity:
    """Export a model's weights to a folder; return the measured `Parity`.

    Raises
    ------
    MissingExtra
        If PyTorch or an ONNX package is missing.
    """
    try:
        from napari_centermask.deploy.export import export as export_graphs
        from napari_centermask.models.store.checkpoint import load_model
    except ImportError as error:
        raise MissingExtra(f"Export needs PyTorch ({error}): {how_to_install('train')}") from error
    network, card = load_model(files.weights)
    return export_graphs(network, card, folder, name=name or files.name)
