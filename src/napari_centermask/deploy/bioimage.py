"""A package for the BioImage Model Zoo (model description 0.5): graph, test data, description and cover in one zip file."""

from __future__ import annotations

import datetime
import json
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.normalise import CLIP
from napari_centermask.deploy.one_graph import IMAGE
from napari_centermask.deploy.parity import ParityError, open_session
from napari_centermask.engines.graphs import DENSE_INPUT, MAPS_OUTPUT
from napari_centermask.io.pages import REPOSITORY
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.store.card import ModelCard

SUFFIX = ".bioimageio.zip"
FORMAT = "0.5.0"
"""Of the description: the oldest that allows outputs whose size depends on the data, which most readers know."""
_AUTHORS = [{"name": "The napari-centermask developers"}]
_PAPERS = {
    "1911.06667": "Lee and Park, CenterMask: Real-Time Anchor-Free Instance Segmentation",
    "1505.04597": "Ronneberger, Fischer and Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation",
}

Values = dict[str, Any]


def write_package(
    path: Path, graph: Path, card: ModelCard, opset: int, image: np.ndarray, tile: np.ndarray | None
) -> bool:
    """Write the package of a graph; it gets its name only if bioimageio.core, where it is installed, can run it.

    Parameters
    ----------
    graph
        A whole detector, or the graph of a U-Net.
    image
        (C, H, W) real intensities; the test input is a part of it.
    tile
        (1, C, H, W) float32: that part as the network of a U-Net sees it; None for a detector, which normalises by itself.

    Returns
    -------
    bool
        Whether bioimageio.core has checked it.

    Raises
    ------
    ParityError
        If its own check fails.
    """
    with whole_file(path) as part, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        test = image[None].astype(np.float32)
        names = [MAPS_OUTPUT] if tile is not None else list(_MEANINGS)
        outputs = open_session(graph).run(names, {IMAGE: test if tile is None else tile})
        np.save(folder / "test_input.npy", test)
        for name, output in zip(names, outputs, strict=True):
            np.save(folder / f"test_{name}.npy", output)
        _write_graph(folder / graph.name, graph, names)
        _draw_cover(folder / "cover.png", image)
        (folder / "README.md").write_text(_documentation(card, is_whole=tile is None), encoding="utf-8")
        # JSON is YAML, too.
        text = json.dumps(
            describe(card, graph.name, opset, dict(zip(names, outputs, strict=True)), test.shape), indent=2
        )
        (folder / "bioimageio.yaml").write_text(text, encoding="utf-8")
        packed = folder / "package.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                if file != packed:
                    archive.write(file, file.name)
        is_checked = find_spec("bioimageio.core") is not None if find_spec("bioimageio") else False
        if is_checked:
            check_package(packed)
        part.write_bytes(packed.read_bytes())
    return is_checked


def _write_graph(path: Path, graph: Path, outputs: list[str]) -> None:
    """Copy a graph without further outputs, as the zoo refuses one that is always 0, like the index of a single image; and
    without its optional inputs, which are then constant."""
    import onnx

    model = onnx.load(graph)
    first = model.graph.input[0]
    del model.graph.input[:]
    model.graph.input.append(first)
    kept = [output for output in model.graph.output if output.name in outputs]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, path)


def check_package(path: Path) -> None:
    """Let bioimageio.spec validate a package and bioimageio.core run it on its test data, without the network.

    Raises
    ------
    ParityError
        With what they found.
    """
    from bioimageio.core import test_model
    from bioimageio.spec import ValidationContext
    from loguru import logger

    logger.disable("bioimageio")
    with ValidationContext(perform_io_checks=False):
        summary = test_model(path, weight_format="onnx", devices=["CPUExecutionProvider"])
    if summary.status != "passed":
        faults = [
            f"{' '.join(map(str, error.loc))} {error.msg}" for detail in summary.details for error in detail.errors
        ]
        raise ParityError(f"bioimageio.core refuses the package: {'; '.join(faults)[:400]}. Nothing was exported.")


def describe(card: ModelCard, graph: str, opset: int, outputs: dict[str, np.ndarray], shape: tuple[int, ...]) -> Values:
    """The description, `bioimageio.yaml`, as plain values; `shape` is that of the test input."""
    is_whole = MAPS_OUTPUT not in outputs
    number, text = list(_PAPERS.items())[0 if is_whole else 1]
    return {
        "format_version": FORMAT,
        "type": "model",
        "name": f"napari-centermask {card.name}",
        "description": card.description or f"Finds {', '.join(card.model.categories)} in microscopy images.",
        "authors": _AUTHORS,
        "cite": [{"text": text, "doi": f"10.48550/arXiv.{number}"}],
        "license": card.licence,
        "git_repo": REPOSITORY,
        "documentation": "README.md",
        "covers": ["cover.png"],
        "tags": ["instance-segmentation", "cells", "2d", *card.images],
        "timestamp": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "config": {"napari_centermask": {"card": card.to_json()}},
        "inputs": [_input(card, shape, is_whole=is_whole)],
        "outputs": [_cells(name, value) for name, value in outputs.items()] if is_whole else _maps(card),
        "weights": {"onnx": {"source": graph, "opset_version": opset}},
    }


def _input(card: ModelCard, shape: tuple[int, ...], *, is_whole: bool) -> Values:
    names = [_axis_name(name) for name in card.channel_names] or [f"channel{n}" for n in range(card.model.in_channels)]
    step = max(32, 2 ** getattr(card.model, "depth", 5))
    # The graph of a detector takes any size, but the zoo tries several and wants a cell in each: none below the test image's.
    least = shape[2:] if is_whole else (step, step)
    sides = [
        {"type": "space", "id": axis, "size": {"min": n, "step": step}} for axis, n in zip("yx", least, strict=True)
    ]
    values: Values = {
        "id": DENSE_INPUT,
        "description": f"Intensities, at a scale at which cells are {card.diameter:g} pixels wide.",
        "axes": [
            {"type": "batch", "size": 1} if is_whole else {"type": "batch"},
            {"type": "channel", "channel_names": names},
            *sides,
        ],
        "test_tensor": {"source": "test_input.npy"},
        "data": {"type": "float32"},
    }
    return values if is_whole else values | {"preprocessing": _preprocessing(card)}


def _preprocessing(card: ModelCard) -> list[Values]:
    """What `core.normalise` does, in the zoo's terms."""
    axes, (low, high) = ["y", "x"], card.percentiles
    if card.normalisation == "zscore":
        steps = [_step("zero_mean_unit_variance", axes=axes), _step("scale_linear", gain=0.25, offset=0.25)]
    else:
        steps = [_step("scale_range", axes=axes, min_percentile=low, max_percentile=high)]
    steps.append(_step("clip", min=CLIP[0], max=CLIP[1]))
    if any(card.mean) or any(value != 1 for value in card.std):
        n = card.model.in_channels
        mean, std = (np.broadcast_to(values, n) for values in (card.mean, card.std))
        gain, offset = (1 / std).tolist(), (-mean / std).tolist()
        values = (
            {"gain": gain, "offset": offset, "axis": "channel"} if n > 1 else {"gain": gain[0], "offset": offset[0]}
        )
        steps.append(_step("scale_linear", **values))
    return [*steps, _step("ensure_dtype", dtype="float32")]


def _step(name: str, **values: Any) -> Values:
    return {"id": name, "kwargs": values}


def _maps(card: ModelCard) -> list[Values]:
    sides = [{"type": "space", "id": axis, "size": {"tensor_id": DENSE_INPUT, "axis_id": axis}} for axis in "yx"]
    names = [_axis_name(name) for name in getattr(card.model, "map_names", ())]
    return [
        {
            "id": MAPS_OUTPUT,
            "description": "Background and categories, which sum to 1, then border and distance where the model has them.",
            "axes": [{"type": "batch"}, {"type": "channel", "channel_names": names}, *sides],
            "test_tensor": {"source": f"test_{MAPS_OUTPUT}.npy"},
            "data": {"type": "float32"},
        }
    ]


_MEANINGS = {
    "boxes": "x0, y0, x1, y1 of each cell in pixels, best score first.",
    "scores": "Score of each cell.",
    "classes": "Category of each cell, counted from 1.",
    "masks": "Probabilities inside each box.",
    "quality": "Predicted IoU of each mask.",
}


def _cells(name: str, output: np.ndarray) -> Values:
    axes: list[Values] = [{"type": "index", "id": "index", "size": {"min": 1}}]
    if name == "boxes":
        axes.append({"type": "channel", "channel_names": ["x0", "y0", "x1", "y1"]})
    elif name == "masks":
        axes += [{"type": "space", "id": axis, "size": size} for axis, size in zip("yx", output.shape[1:], strict=True)]
    return {
        "id": name,
        "description": _MEANINGS[name],
        "axes": axes,
        "test_tensor": {"source": f"test_{name}.npy"},
        "data": {"type": str(output.dtype)},
    }


def _axis_name(name: str) -> str:
    """A name that the zoo allows: a Python identifier."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name)
    return plain if plain[:1].isalpha() else f"c_{plain}"


def _documentation(card: ModelCard, *, is_whole: bool) -> str:
    limits = "\n".join(f"- {limit}" for limit in card.limits) or "- none stated"
    return f"""# {card.name}

{card.description}

Made with napari-centermask ({REPOSITORY}). Scale the image so that cells are {card.diameter:g} pixels wide.
{_DETECTOR if is_whole else _MAPS}

## What it is not suited for

{limits}

## Validation

Compared with PyTorch when it was exported, on noise and on real images. Measure it on annotated images of yours
before you rely on it: `napari-centermask evaluate`.
"""


_DETECTOR = "The graph normalises the intensities, and gives boxes, scores, classes and a mask for each box."
_MAPS = "The graph gives maps; a watershed from the distance, inside the foreground, separates the cells."


def _draw_cover(path: Path, image: np.ndarray) -> None:
    """A picture twice as wide as high: the test image, and beside it itself mirrored."""
    from PIL import Image

    plane = image[:3] if image.shape[0] >= 3 else np.repeat(image[:1], 3, axis=0)
    low, high = np.percentile(plane, (1, 99.8))
    grey = np.clip((plane - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(np.concatenate([grey, grey[:, ::-1]], axis=1)).save(path)
