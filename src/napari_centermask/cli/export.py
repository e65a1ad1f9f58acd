"""`export`: write a model's ONNX graphs, if they agree with torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.cli.output import busy, check_free, notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.core.errors import BadModel, BadSettings, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.core.progress import silent
from napari_centermask.io.images import read_plane
from napari_centermask.models.families import check_exports, family_of
from napari_centermask.models.store import zoo

if TYPE_CHECKING:
    import numpy as np

    from napari_centermask.deploy.parity import Parity

_UNCHECKED = (
    "The package was not run by bioimageio.core, which is not installed here: {install} in an environment of its own"
)


def export(
    model: str,
    /,
    *,
    out: Path | None = None,
    name: str | None = None,
    one_graph: Flag = False,
    bioimageio: Flag = False,
    opset: int = 20,
    images: list[Path] | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Write the ONNX graphs that run a model without torch, checked against torch on real images and several image sizes.

    A CenterMask is NAME.dense.onnx and NAME.roi.onnx, a U-Net NAME.maps.onnx. NAME.parity.json beside them is the report.

    For example:

      napari-centermask export runs/first/best.safetensors --out graphs

      napari-centermask export nuclei --one-graph --out . --images field.tif

    Parameters
    ----------
    model
        Name of an installed model, or a .safetensors file.
    out
        Folder for the graphs; that of the weights by default.
    name
        Name of the graphs; that of the weights by default.
    one_graph
        Write a CenterMask as one graph for other programs, NAME.detector.onnx: image in; boxes, scores, classes and masks out.
    bioimageio
        Write a package for the BioImage Model Zoo, NAME.bioimageio.zip.
    opset
        Version of ONNX's operators, 18 to 23. If the network needs another one, that is taken and shown.
    images
        Images to compare the cells in; by default included samples.
    overwrite
        Replace existing graphs.
    json
        Print the files and the report as JSON.
    """
    files = _find(model)
    folder = out or files.weights.parent
    stem = name or files.weights.name.removesuffix(".safetensors")
    if one_graph and bioimageio:
        raise BadSettings(
            "--one-graph and --bioimageio are two forms. The package has the one graph in it; use one of them."
        )
    suffixes = [f"{graph}.onnx" for graph in family_of(files.card).graphs]
    form = "detector." if one_graph else "bioimageio." if bioimageio else ""
    suffixes = ["detector.onnx"] if one_graph else ["bioimageio.zip"] if bioimageio else suffixes
    paths = [folder / f"{stem}.{suffix}" for suffix in suffixes]
    report_path = folder / f"{stem}.{form}parity.json"
    check_free([*paths, report_path], overwrite=overwrite, inputs=[files.weights, *(images or ())])
    pixels = None if images is None else {path.name: read_plane(path) for path in images}
    kind = "bioimageio" if bioimageio else "one graph" if one_graph else "graphs"
    with busy(f"Exporting {files.name}") as show:
        say = notice if show is silent else show
        parity = export_files(files, folder, name=stem, form=kind, opset=opset, images=pixels, say=say)
    from napari_centermask.deploy.report import in_words, report, write_report

    write_report(report_path, parity, paths)
    if json:
        print_json({"files": paths, "report": report_path} | report(parity, paths))
        return 0
    print(f"Wrote {' and '.join(map(str, paths))}, with opset {parity.opset}")
    if parity.opset != opset:
        print(f"Opset {opset} does not have all operators of this network.")
    print(f"{in_words(parity)}\nReport: {report_path}")
    return 0


def _find(model: str) -> zoo.ModelFiles:
    """The model; outdated graphs are no error, as they are about to be replaced."""
    path = Path(model).expanduser()
    if path.name.endswith(zoo.CLASSIFIER):
        raise BadModel(
            f"{path.name} is one ONNX file in any case, written and compared with torch when it was trained. Copy it."
        )
    files = zoo.read_weights(path) if path.suffix == ".safetensors" else zoo.find_model(model)
    if files.weights is None:
        raise BadModel(f"'{model}' has ONNX graphs but no weights to export. Choose its .safetensors file.")
    check_exports(files.card)
    return files


def export_files(
    files: zoo.ModelFiles,
    folder: Path,
    *,
    name: str | None = None,
    form: str = "graphs",
    opset: int = 20,
    images: dict[str, np.ndarray] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Parity:
    """Export a model's weights to a folder; return the measured `Parity`.

    Parameters
    ----------
    form
        "graphs", "one graph" or "bioimageio".

    Raises
    ------
    MissingExtra
        If PyTorch or an ONNX package is missing.
    """
    try:
        from napari_centermask.deploy.export import export as export_graphs
        from napari_centermask.deploy.export_bioimage import export_package
        from napari_centermask.deploy.graph_file import OPSET
        from napari_centermask.deploy.whole_detector import export_detector
        from napari_centermask.models.store.checkpoint import load_model
    except ImportError as error:
        raise MissingExtra(f"Export needs PyTorch ({error}): {how_to_install('train')}") from error
    network, card = load_model(files.weights)
    options: dict[str, Any] = {"name": name or files.name, "opset": opset, "images": images, "say": say}
    # Those of an installed model were made from its weights; they are compared once more.
    graphs = files.graphs if opset == OPSET else None
    if form == "bioimageio":
        parity, is_checked = export_package(network, card, folder, graphs=graphs, **options)
        notice(
            "bioimageio.core has run the package"
            if is_checked
            else _UNCHECKED.format(install=how_to_install("bioimageio"))
        )
        return parity
    if form == "one graph":
        return export_detector(network, card, folder, graphs=graphs, **options)
    return export_graphs(network, card, folder, **options)
