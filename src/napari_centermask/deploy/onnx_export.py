"""Export to ONNX: the graphs of a model's family, refused where they disagree with torch.

A U-Net is one graph, `maps`. A CenterMask is two, `dense` and `roi`, so that thresholds stay free at run time and boxes
drawn by hand are answered from the same features; choosing detections lies between the two and is shared by all engines.
"""

from __future__ import annotations

import copy
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from napari_centermask.core.errors import MissingExtra, UserError
from napari_centermask.engines.graphs import CARD_KEY, DENSE_INPUT, DENSE_OUTPUTS, MAPS_OUTPUT, ROI_INPUTS, ROI_OUTPUTS
from napari_centermask.models.nets.build import MapModel
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.store.zoo import GRAPHS

OPSET = 20  # 17 is silently raised to 18 by the exporter; 21 is too new for older runtimes
SHAPES = ((1, 512, 512), (2, 320, 256), (1, 96, 416))
TOLERANCE = {
    "p3": 1e-3,
    "p4": 1e-3,
    "p5": 1e-3,
    "logits": 1e-3,
    "ltrb": 2e-2,
    "centerness": 1e-3,
    "masks": 1e-3,
    "quality": 1e-3,
    "maps": 1e-3,
}
"""Largest absolute difference between torch and ONNX Runtime; ltrb is in pixels."""


class ParityError(UserError):
    """The exported graphs do not compute what torch computes."""


@dataclass(frozen=True)
class Parity:
    """Largest absolute difference of each output over all checked shapes."""

    differences: dict[str, float]
    shapes: tuple[tuple[int, int, int], ...] = SHAPES


class _Dense(nn.Module):
    def __init__(self, model: CenterMask) -> None:
        super().__init__()
        self.model = model

    def forward(self, image):
        pyramid, *rest = self.model.dense(image)
        return (*pyramid, *rest)


class _Roi(nn.Module):
    def __init__(self, model: CenterMask) -> None:
        super().__init__()
        self.model = model

    def forward(self, p3, p4, p5, rois, classes, image_area):
        logits, quality = self.model.roi(p3, p4, p5, rois, classes, image_area)
        # The unused inputs stay part of the graph, so that every model is fed alike.
        return logits.sigmoid(), quality + 0.0 * (image_area.sum() + classes.sum().to(quality.dtype))


class _Maps(nn.Module):
    def __init__(self, model: MapModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image):
        return self.model.maps(image)


def export(model: CenterMask | MapModel, card, folder: Path, *, name: str | None = None) -> Parity:
    """Write the graphs of the model's family (`zoo.GRAPHS`), checked against torch before they get their names.

    Parameters
    ----------
    model
        In evaluation mode, float32, on the CPU.
    card
        The model card; written into both files.

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
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = copy.deepcopy(model).float().cpu().eval()
    paths = {kind: folder / f"{name}.{kind}.onnx" for kind in GRAPHS[card.kind]}
    parts = {kind: path.with_suffix(".onnx.part") for kind, path in paths.items()}
    try:
        if card.kind == "unet":
            _write_maps(model, parts["maps"], card)
            parity = check_maps(model, parts["maps"])
        else:
            _write_dense(model, parts["dense"], card)
            _write_roi(model, parts["roi"], card)
            parity = check_parity(model, parts["dense"], parts["roi"])
        for kind, path in paths.items():
            os.replace(parts[kind], path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return parity


def _write_maps(model: MapModel, path: Path, card) -> None:
    step = _step(model)
    example = torch.randn(2, model.settings.in_channels, 2 * step, 3 * step)
    write_graph(_Maps(model), (example,), path, card, [DENSE_INPUT], [MAPS_OUTPUT], _any_size(step))


def _write_dense(model: CenterMask, path: Path, card) -> None:
    example = torch.randn(2, model.settings.in_channels, 256, 320)
    write_graph(_Dense(model), (example,), path, card, [DENSE_INPUT], DENSE_OUTPUTS, _any_size(32))


def _step(model: MapModel) -> int:
    """What the sides of tiles are multiples of."""
    return max(32, 2**model.settings.depth)


def _any_size(step: int) -> tuple[dict, ...]:
    """Any number of tiles, whose sides are multiples of `step`."""
    batch = torch.export.Dim("batch", min=1, max=64)
    height, width = (step * torch.export.Dim(n, min=1, max=8192 // step) for n in ("height", "width"))
    return ({0: batch, 2: height, 3: width},)


def _write_roi(model: CenterMask, path: Path, card) -> None:
    with torch.no_grad():
        pyramid, *_ = model.dense(torch.randn(2, model.settings.in_channels, 256, 320))
    rois, classes = _random_rois(7, 2, (256, 320), len(model.settings.categories), np.random.default_rng(0))
    batch, count = torch.export.Dim("batch", min=1, max=64), torch.export.Dim("rois", min=0, max=1_000_000)
    maps = tuple({0: batch, 2: torch.export.Dim(f"h{i}", min=1), 3: torch.export.Dim(f"w{i}", min=1)} for i in range(3))
    example = (*pyramid, rois, classes, torch.tensor([256.0 * 320.0]))
    write_graph(_Roi(model), example, path, card, ROI_INPUTS, ROI_OUTPUTS, (*maps, {0: count}, {0: count}, None))


def write_graph(module, example, path, card, inputs, outputs, shapes) -> None:
    """Trace a module with an example and write it as ONNX, the card in its metadata."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program = torch.onnx.export(
            module.eval(),
            example,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _forget_sources(program.model)
    program.model.metadata_props[CARD_KEY] = card.to_json()
    program.save(str(path), external_data=False)


def _forget_sources(model) -> None:
    """Remove the exporter's notes on every node and value: stack traces with the paths of the machine."""
    graphs = [model.graph, *model.functions.values()]
    for graph in graphs:
        graph.metadata_props.clear()
        for node in graph.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
            for value in (*node.inputs, *node.outputs):
                if value is not None:
                    value.metadata_props.clear()
        for value in (*graph.inputs, *graph.outputs):
            value.metadata_props.clear()


def _random_rois(n: int, batch: int, size: tuple[int, int], classes: int, rng) -> tuple[torch.Tensor, torch.Tensor]:
    """Regions of 8 pixels up to the whole tile, so that every pyramid level is met; some leave the image."""
    side = np.exp(rng.uniform(np.log(8), np.log(max(size)), (n, 2)))
    start = rng.uniform(-0.1, 0.9, (n, 2)) * np.array(size[::-1])
    boxes = np.concatenate([rng.integers(0, batch, (n, 1)), start, start + side], axis=1).astype(np.float32)
    return torch.from_numpy(boxes), torch.from_numpy(rng.integers(0, classes, n))


@torch.no_grad()
def check_parity(model: CenterMask, dense: Path, roi: Path) -> Parity:
    """Compare the graphs on ONNX Runtime with torch on several shapes and numbers of regions, none included.

    Raises
    ------
    ParityError
        Naming the output, the difference and the tolerance.
    """
    sessions = [_session(path) for path in (dense, roi)]
    rng = np.random.default_rng(1)
    worst = dict.fromkeys((*DENSE_OUTPUTS, *ROI_OUTPUTS), 0.0)
    for (batch, height, width), count in zip(SHAPES, (37, 0, 1), strict=True):
        x = torch.from_numpy(
            rng.normal(0.3, 0.4, (batch, model.settings.in_channels, height, width)).astype(np.float32)
        )
        pyramid, *rest = model.dense(x)
        _compare(worst, DENSE_OUTPUTS, (*pyramid, *rest), sessions[0].run(DENSE_OUTPUTS, {DENSE_INPUT: x.numpy()}))
        rois, classes = _random_rois(count, batch, (height, width), len(model.settings.categories), rng)
        area = torch.tensor([float(height * width)])
        logits, quality = model.roi(*pyramid, rois, classes, area)
        feed = dict(zip(ROI_INPUTS, (v.numpy() for v in (*pyramid, rois, classes, area)), strict=True))
        _compare(worst, ROI_OUTPUTS, (logits.sigmoid(), quality), sessions[1].run(ROI_OUTPUTS, feed))
    return _accepted(worst)


@torch.no_grad()
def check_maps(model: MapModel, path: Path) -> Parity:
    """Compare the graph of a U-Net with torch on several shapes; raises as `check_parity`."""
    session, rng, worst = _session(path), np.random.default_rng(1), {MAPS_OUTPUT: 0.0}
    shapes = tuple((b, *(-(-side // _step(model)) * _step(model) for side in (h, w))) for b, h, w in SHAPES)
    for batch, height, width in shapes:
        x = rng.normal(0.3, 0.4, (batch, model.settings.in_channels, height, width)).astype(np.float32)
        expected = model.maps(torch.from_numpy(x))
        _compare(worst, (MAPS_OUTPUT,), (expected,), session.run([MAPS_OUTPUT], {DENSE_INPUT: x}))
    return _accepted(worst, shapes)


def _session(path: Path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _accepted(worst: dict[str, float], shapes: tuple[tuple[int, int, int], ...] = SHAPES) -> Parity:
    """The differences, if all are small enough."""
    for name, difference in worst.items():
        if not difference <= TOLERANCE[name]:
            raise ParityError(
                f"Expected ONNX Runtime within {TOLERANCE[name]:g} of torch for '{name}', found {difference:.3g}. "
                "The export is refused; use the torch engine, or report the model's settings."
            )
    return Parity(worst, shapes)


def _compare(worst: dict[str, float], names: tuple[str, ...], expected, actual) -> None:
    for name, a, b in zip(names, expected, actual, strict=True):
        if a.numel():
            worst[name] = max(worst[name], float(np.abs(a.numpy() - b).max()))
