"""Export to ONNX: the graphs of a model's family, written only if they agree with torch.

A U-Net is one graph, `maps`. A CenterMask is two, `dense` and `roi`, so that thresholds stay free at run time and boxes
drawn by hand use the same features; `one_graph` joins them for other programs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

from napari_centermask.core.errors import BadSettings, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.deploy.graph_file import OPSET, OPSETS
from napari_centermask.deploy.half_storage import store_half
from napari_centermask.deploy.parity import Parity
from napari_centermask.deploy.real_images import Images, compare_cells, network_tiles, sample_images
from napari_centermask.io.whole_file import whole_files
from napari_centermask.models.families import check_exports, family_of
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.zoo import graph_suffix

Say = Callable[[str], None]
"""Called with what is going on."""


def export(
    model: Network,
    card: ModelCard,
    folder: Path,
    *,
    name: str | None = None,
    opset: int = OPSET,
    images: Images | None = None,
    say: Say = lambda text: None,
) -> Parity:
    """Write the graphs of the model's family, after checking them against torch.

    Weights that float16 holds exactly, as those of saved models, are stored in half of the space (`store_half`).

    Parameters
    ----------
    model
        In evaluation mode, float32, on the CPU.
    card
        The model card; written into every file.
    opset
        Version of ONNX's operators; another one is tried if the network needs it (`Parity.opset` is the one that was taken).
    images
        (C, H, W) arrays by name, to compare the cells in; by default included samples.

    Returns
    -------
    Parity
        The measured differences.

    Raises
    ------
    BadSettings
        If the opset cannot be written, or models of the family have no graphs.
    ParityError
        If an output differs too much, or other cells are found; nothing is written.
    UnsupportedOperator
        If ONNX has no operator for a part of the network; nothing is written.
    UserError
        If the graph is not valid, or has a fixed size where any is needed; nothing is written.
    MissingExtra
        If onnx, onnxscript or onnxruntime is not installed.
    """
    check_exports(card)
    check_packages()
    check_opset(opset)
    name = name or card.name
    model = copy.deepcopy(model).float().cpu().eval()
    family = family_of(card)
    images = sample_images(card) if images is None else images
    with whole_files([Path(folder) / f"{name}{graph_suffix(graph)}" for graph in family.graphs]) as paths:
        parts = dict(zip(family.graphs, paths, strict=True))
        parts_of = family.load(family.exporter)
        say("Tracing the network")
        written = parts_of.write(model, parts, card, opset)
        weights = [parameter.detach().numpy() for parameter in model.parameters()]
        for path in paths:
            store_half(path, weights)
        say("Comparing with torch")
        parity: Parity = parts_of.check(model, parts, network_tiles(images, card))
        parity.opset = written
        say("Comparing the cells in real images")
        parity.images = compare_cells(model, card, paths, images)
    return parity


def check_packages() -> None:
    """Raise `MissingExtra` if a package that writes or checks graphs is missing."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"Export needs {error.name}: {how_to_install('train')}") from error


def check_opset(opset: int) -> None:
    """Raise `BadSettings` for a version that cannot be written."""
    if opset not in OPSETS:
        raise BadSettings(f"The opset can be {', '.join(map(str, OPSETS))}, not {opset}. The usual one is {OPSET}.")
