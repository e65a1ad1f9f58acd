"""Export a model as a package for the BioImage Model Zoo, if its graph agrees with torch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadImage
from napari_centermask.deploy.bioimage import SUFFIX, write_package
from napari_centermask.deploy.export import Say, export
from napari_centermask.deploy.graph_file import OPSET
from napari_centermask.deploy.one_graph import IMAGE, can_be_joined
from napari_centermask.deploy.one_graph import SUFFIX as DETECTOR
from napari_centermask.deploy.parity import Parity, open_session
from napari_centermask.deploy.real_images import Images, at_own_scale, network_input, sample_images
from napari_centermask.deploy.whole_detector import export_detector
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard

_CELLS = 6  # diameters that the test image is wide and high: a choice, some twenty cells where they are dense
_ALIGN = 64  # pixels of which its sides are multiples: what all networks need but the deepest U-Nets


def export_package(
    model: Network,
    card: ModelCard,
    folder: Path,
    *,
    name: str | None = None,
    opset: int = OPSET,
    graphs: Sequence[Path] | None = None,
    images: Images | None = None,
    say: Say = lambda text: None,
) -> tuple[Parity, bool]:
    """Write NAME.bioimageio.zip; parameters and errors as in `export.export` and `whole_detector.export_detector`.

    Returns
    -------
    parity
        Of the graph in the package.
    is_checked
        Whether bioimageio.core, which is optional, has validated it and run it on its test data.
    """
    name = name or card.name
    is_detector = can_be_joined(card)
    options: dict[str, Any] = {"name": name, "opset": opset, "images": images, "say": say}
    with tempfile.TemporaryDirectory() as temporary:
        if is_detector:
            parity = export_detector(model, card, Path(temporary), graphs=graphs, **options)
        else:
            parity = export(model, card, Path(temporary), **options)
        graph = Path(temporary) / f"{name}{DETECTOR if is_detector else '.maps.onnx'}"
        say("Writing the package")
        image = _test_image(card, graph if is_detector else None, sample_images(card) if images is None else images)
        tile = None if is_detector else network_input(image, card)
        is_checked = write_package(Path(folder) / f"{name}{SUFFIX}", graph, card, parity.opset, image, tile)
    return parity, is_checked


def _test_image(card: ModelCard, graph: Path | None, images: Images) -> np.ndarray:
    """(C, H, W) float32: a part of the first image in which the detector finds cells; of the first one for a U-Net.

    Raises
    ------
    BadImage
        If it finds none.
    """
    side = -(-round(_CELLS * card.diameter) // _ALIGN) * _ALIGN
    for name, image in images.items():
        part = at_own_scale(name, image, card)[:, :side, :side]
        part = np.pad(part, [(0, 0), *((0, -n % _ALIGN) for n in part.shape[1:])], mode="symmetric")
        if graph is None or len(open_session(graph).run(["scores"], {IMAGE: part[None]})[0]):
            return part
    raise BadImage("The package needs a test image, and no cells were found in any. Name images with cells: --images.")
