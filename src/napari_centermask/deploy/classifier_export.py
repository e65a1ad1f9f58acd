"""Export a classifier of cells to its file, checked against torch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from napari_centermask.deploy.graph_file import write_graph
from napari_centermask.deploy.parity import ParityError
from napari_centermask.engines.classifier import CROPS, PROBABILITIES, ClassifierEngine
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.nets.cell_classifier import CellClassifier
from napari_centermask.models.store.classifier_card import ClassifierCard

TOLERANCE = 1e-4
"""Largest difference of a probability from torch's. A choice: far below the steps of a threshold, a hundredth, and a thousand
times what float32 rounds by."""
_MOST_CELLS = 65_536  # of one call; a choice, 256 times what an engine asks for at once


class _Probabilities(nn.Module):
    def __init__(self, model: CellClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return self.model(crops).softmax(dim=1)


def export_classifier(model: CellClassifier, card: ClassifierCard, path: Path) -> float:
    """Write NAME.classifier.onnx.

    Returns
    -------
    float
        The largest difference between the probabilities of ONNX Runtime and torch.

    Raises
    ------
    ParityError
        If it exceeds 1e-4; nothing is written.
    """
    path = Path(path)
    side, graph = card.model.side, _Probabilities(model.eval())
    example = torch.rand(3, card.model.in_channels + 1, side, side)
    with whole_file(path) as part:
        count = torch.export.Dim("cells", min=1, max=_MOST_CELLS)
        write_graph(
            graph,
            (example,),
            part,
            card.model_copy(update={"temperature": 1.0}),
            [CROPS],
            [PROBABILITIES],
            ({0: count},),
        )
        engine = ClassifierEngine(part, engine="onnx")
        worst = 0.0
        for n in (1, 7):
            crops = torch.rand(n, *example.shape[1:])
            with torch.no_grad():
                difference = abs(engine.probabilities(crops.numpy()) - graph(crops).numpy()).max()
            worst = max(worst, float(difference))
        if not worst <= TOLERANCE:
            raise ParityError(
                f"ONNX Runtime differs from torch by {worst:.3g}, more than {TOLERANCE:g}. Nothing was written."
            )
        write_card(part, card)
    return worst


def write_card(path: Path, card: ClassifierCard) -> None:
    """Replace the card in a classifier's file."""
    import onnx

    from napari_centermask.models.store.headers import CARD_KEY

    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {CARD_KEY: card.to_json()})
    onnx.save(graph, path)
