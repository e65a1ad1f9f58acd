"""Export to ONNX: the graphs of a model's family, written only if they agree with torch.

A U-Net is one graph, `maps`. A CenterMask is two, `dense` and `roi`, so that thresholds stay free at run time and boxes
drawn by hand use the same features.
"""

from __future__ import annotations

import copy
from pathlib import Path

from torch import nn

from napari_centermask.core.errors import MissingExtra
from napari_centermask.deploy.graphs import Parity
from napari_centermask.io.whole_file import whole_files
from napari_centermask.models.families import family_of
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.zoo import graph_suffix


def export(model: nn.Module, card: ModelCard, folder: Path, *, name: str | None = None) -> Parity:
    """Write the graphs of the model's family, after checking them against torch.

    Parameters
    ----------
    model
        In evaluation mode, float32, on the CPU.
    card
        The model card; written into every file.

    Returns
    -------
    Parity
        The measured differences.

    Raises
    ------
    ParityError
        If an output differs by more than `TOLERANCE`; nothing is written.
    MissingExtra
        If onnx, onnxscript or onnxruntime is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"Export needs {error.name}: pip install 'napari-centermask[train,onnx]'") from error
    name = name or card.name
    model = copy.deepcopy(model).float().cpu().eval()
    family = family_of(card)
    with whole_files([Path(folder) / f"{name}{graph_suffix(graph)}" for graph in family.graphs]) as paths:
        parts = dict(zip(family.graphs, paths, strict=True))
        parity: Parity = family.load(family.exporter)(model, parts, card)
    return parity
